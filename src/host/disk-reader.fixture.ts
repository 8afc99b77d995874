/** A disk that hangs, for tests. */

import { createDiskReader, type DiskReader } from './disk-reader.js';

/** A reader whose disk has not answered an earlier read; `answer` ends that. */
export const hungReader = (): { readonly disk: DiskReader; readonly answer: () => void } => {
  const disk = createDiskReader();
  let answer = (): void => undefined;
  const hung = new Promise<void>((resolve) => {
    answer = resolve;
  });
  disk.read('an earlier read', 1, () => hung).catch(() => undefined);
  return { disk, answer };
};
