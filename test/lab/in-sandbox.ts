/** Runs a lab test file again inside a sandbox, where it may build a lab. */

import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './programs.js';
import { insideSandbox, startInSandbox } from './sandbox.js';

/** A whole file of tests runs inside of the one test that is seen from the outside; a busy machine takes its time. */
const WHOLE_FILE_MS = 600_000;

/** `file` is the path from the project's root. Outside, defines one test that runs it inside; inside, the real tests. */
export const inSandbox = (file: string, define: () => void): void => {
  if (insideSandbox()) {
    define();
    return;
  }
  test(
    'passes in a sandbox (its tests are told above)',
    async () => {
      const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
      const child = startInSandbox([process.execPath, vitest, 'run', '--root', ROOT, '--project', 'lab', file]);
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
    },
    WHOLE_FILE_MS,
  );
};
