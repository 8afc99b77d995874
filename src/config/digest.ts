/** A short name for what a configuration file says, by which `status` tells one version of it from another. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const DIGEST_CHARACTERS = 12;

/** Empty where the file cannot be read. */
export const fileDigest = (path: string): string => {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, DIGEST_CHARACTERS);
  } catch {
    return '';
  }
};
