/** Reads the hook directory: which files of a phase run, in which order, and why others do not. */

import { constants } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HookPhase } from '../core/types.js';

export const HOOK_PHASES = [
  'pre-promote',
  'post-promote',
  'pre-demote',
  'post-demote',
  'hold',
] as const satisfies readonly HookPhase[];

/** More files than this in one phase are a mistake, and their deadlines would add up to minutes. */
export const MAX_HOOKS_PER_PHASE = 32;

/** run-parts(8) without options: names of other characters, so also `notify.sh`, `10-vip~` and `10-vip.dpkg-old`, do not run. */
const RUNNABLE_NAME = /^[A-Za-z0-9_-]+$/;
const EXECUTABLE_BITS = constants.S_IXUSR | constants.S_IXGRP | constants.S_IXOTH;
const WRITABLE_BY_OTHERS_BITS = constants.S_IWGRP | constants.S_IWOTH;

export interface HookFiles {
  /** Full paths in the order of their names (by code unit, as LC_ALL=C sorts). */
  readonly run: readonly string[];
  /** Left out, each with why, for `doctor` and the journal. */
  readonly skipped: readonly { readonly file: string; readonly why: string }[];
  /** Why the phase must not run at all: what is there cannot be read, or not be trusted. */
  readonly refused: readonly string[];
}

/**
 * What `<directory>/<phase>/` holds. A missing directory is an empty one. Never rejects: whatever cannot be read is in
 * `refused`, since a gate that cannot be looked at must not pass for an open one.
 */
export const readHooks = async (directory: string, phase: HookPhase): Promise<HookFiles> => {
  const folder = join(directory, phase);
  let names: readonly string[];
  try {
    names = (await readdir(folder)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { run: [], skipped: [], refused: [] };
    return { run: [], skipped: [], refused: [`cannot read ${folder}: ${codeOf(error)}`] };
  }
  const unsafe = await unsafeWhy(folder);
  if (names.length > 0 && unsafe !== null) return { run: [], skipped: [], refused: [unsafe] };
  // One after the other, here and below: a disk that hangs holds one thread of libuv's pool, and not all four.
  const files: JudgedFile[] = [];
  for (const name of names) files.push(await judge(folder, name));
  return sortOut(folder, files);
};

/** The phases that have anything to say: hooks that run, or something that must be refused. */
export const listHookPhases = async (directory: string): Promise<readonly HookPhase[]> => {
  const found: HookPhase[] = [];
  for (const phase of HOOK_PHASES) {
    const { run, refused } = await readHooks(directory, phase);
    if (run.length + refused.length > 0) found.push(phase);
  }
  return found;
};

type JudgedFile =
  | { readonly kind: 'run'; readonly file: string }
  | { readonly kind: 'skip'; readonly file: string; readonly why: string }
  | { readonly kind: 'refuse'; readonly why: string };

const judge = async (folder: string, name: string): Promise<JudgedFile> => {
  const file = join(folder, name);
  if (!RUNNABLE_NAME.test(name)) {
    return {
      kind: 'skip',
      file,
      why: 'its name has other characters than letters, digits, _ and - (as run-parts has it)',
    };
  }
  try {
    const { mode } = await stat(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return { kind: 'skip', file, why: 'it is not a file' };
    if ((mode & EXECUTABLE_BITS) === 0) return { kind: 'skip', file, why: 'it is not executable (chmod +x)' };
  } catch (error) {
    return { kind: 'refuse', why: `cannot read ${file}: ${codeOf(error)}` };
  }
  const why = await unsafeWhy(file);
  return why === null ? { kind: 'run', file } : { kind: 'refuse', why };
};

const sortOut = (folder: string, files: readonly JudgedFile[]): HookFiles => {
  const run = files.filter((file) => file.kind === 'run').map(({ file }) => file);
  const skipped = files.filter((file) => file.kind === 'skip').map(({ file, why }) => ({ file, why }));
  const refused = files.filter((file) => file.kind === 'refuse').map(({ why }) => why);
  if (run.length > MAX_HOOKS_PER_PHASE) {
    refused.push(`${folder} holds ${run.length} hooks; at most ${MAX_HOOKS_PER_PHASE} are run`);
  }
  return { run, skipped, refused };
};

/** What others can write would run with the agent's rights. */
const unsafeWhy = async (path: string): Promise<string | null> => {
  try {
    const { mode, uid } = await stat(path);
    if (uid !== 0 && uid !== process.geteuid?.()) return `${path} belongs to user id ${uid}; chown it to root`;
    if ((mode & WRITABLE_BY_OTHERS_BITS) !== 0) return `${path} can be written by others; chmod go-w it`;
    return null;
  } catch (error) {
    return `cannot read ${path}: ${codeOf(error)}`;
  }
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
