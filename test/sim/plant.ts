/** Plants a fault in a copy of the compiled core. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Core, loadCore, realCore } from './core.js';
import type { GuardFault } from './kernel.js';
import type { ViolationName } from './ledger.js';

/** `find` must occur exactly once in `file` of the compiled core. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface PlantedFault {
  readonly name: string;
  /** Which rule of protocol.md it breaks. */
  readonly rule: string;
  readonly patches: readonly Patch[];
  /** The guard is of the shell, and of the world here. */
  readonly guardFault?: GuardFault;
  /** By what it must be found, where the fault would be missed if that were judged no more; others are passed over. */
  readonly by?: ViolationName;
  /** Where it is rare: a seed that finds it, for the standing test to begin with. It may not once core or simulator changed. */
  readonly from?: number;
}

export const patch = (file: string, find: string, replace: string): Patch => ({ file, find, replace });

/** A core with the fault in it. `compiled` is the directory of the compiled core. Throws where a patch fits no more. */
export const plant = async (fault: PlantedFault, compiled: string): Promise<Core> => {
  if (fault.patches.length === 0) return realCore;
  const directory = mkdtempSync(join(tmpdir(), 'vipd-planted-'));
  try {
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}\n');
    cpSync(compiled, join(directory, 'core'), { recursive: true });
    for (const { file, find, replace } of fault.patches) {
      const path = join(directory, 'core', file);
      const text = readFileSync(path, 'utf8');
      const occurrences = text.split(find).length - 1;
      if (occurrences !== 1)
        throw new Error(`planting '${fault.name}': ${file} has ${occurrences} times, not once: ${find}`);
      writeFileSync(
        path,
        text.replace(find, () => replace),
      );
    }
    return await loadCore(join(directory, 'core'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
