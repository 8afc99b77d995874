/** The package's version, from its package.json. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const packageSchema = z.object({ name: z.literal('vipd'), version: z.string() });

/** Looks upwards from this file, which lies deeper once built than in the sources. */
export const packageVersion = (): string => {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (directory !== dirname(directory)) {
    directory = dirname(directory);
    const version = versionIn(join(directory, 'package.json'));
    if (version !== null) return version;
  }
  return 'unknown';
};

const versionIn = (file: string): string | null => {
  try {
    const found = packageSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return found.success ? found.data.version : null;
  } catch {
    return null;
  }
};
