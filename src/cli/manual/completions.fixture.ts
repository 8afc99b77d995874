/** What a user types, and what each shell must offer for the last word. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const COMPLETIONS = join(import.meta.dirname, '../../../completions');

/** Output of a program in the directory with the files that are completed. */
export const outputOf = async (directory: string, program: string, args: readonly string[]): Promise<string> => {
  const { stdout } = await run(program, [...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, TERM: 'dumb', LC_ALL: 'C' },
  });
  return stdout;
};

export interface Typed {
  /** The last of them, perhaps empty, is completed. */
  readonly words: readonly [string, ...string[]];
  /** Sorted. */
  readonly offers: readonly string[];
}

/** In a directory with `vipd.yaml` and `keys/`. */
export const TYPED: readonly Typed[] = [
  { words: ['vipctl', 'sw'], offers: ['switchover'] },
  { words: ['vipctl', 're'], offers: ['rejoin', 'reload', 'replication', 'resume'] },
  { words: ['vipctl', '--socket', 'x', 'his'], offers: ['history'] },
  { words: ['vipctl', 'switchover', '--d'], offers: ['--dry-run'] },
  { words: ['vipctl', 'switchover', '--dry-run', '--fo'], offers: ['--force'] },
  { words: ['vipctl', 'maintenance', ''], offers: ['off', 'on'] },
  { words: ['vipctl', 'check-config', 'vi'], offers: ['vipd.yaml'] },
  { words: ['vipctl', '--config', 'vi'], offers: ['vipd.yaml'] },
  { words: ['vipctl', 'import', '--output', 'k'], offers: ['keys/'] },
  { words: ['vipctl', 'pause', '--for', ''], offers: [] },
  { words: ['vipd', 'wit'], offers: ['witness'] },
  { words: ['vipd', 'witness', 'i'], offers: ['init'] },
  { words: ['vipd', 'witness', '--log-level', 'w'], offers: ['warn'] },
  { words: ['vipd', '--log-level', ''], offers: ['debug', 'error', 'fatal', 'info', 'trace', 'warn'] },
];

/** `keys` and `keys/` are one: some shells add the slash only as they print it. */
export const sameOffers = (lines: readonly string[]): readonly string[] =>
  [...new Set(lines.map((line) => (line === 'keys' ? 'keys/' : line)))].sort();
