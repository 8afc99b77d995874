/** The files a configuration names: whether they are there, who may write or read them, and the keys in them. */

import { readFileSync, type Stats, statSync } from 'node:fs';
import { parseKey } from './key.js';
import { CredentialsError, parseCredentials } from './login.js';
import { type Parsed, type Path, type Problem, parsed, refused, wrongAt } from './problem.js';
import { MAX_FILE_BYTES } from './source.js';

/** What is asked of the file system; tests put their own beside it. */
export interface FileSystem {
  /** Throws what node:fs throws. */
  readonly readFile: (path: string) => Buffer;
  readonly statFile: (path: string) => FileFacts;
  /** Effective user id of the agent. */
  readonly userId: number;
  /** Accounts besides root and our own that may own secrets, and programs that the agent runs: those for which root checks. */
  readonly daemonAccounts: readonly number[];
}

export type FileFacts = Pick<Stats, 'mode' | 'uid' | 'size' | 'isFile'>;

export const realFiles = (): FileSystem => ({
  readFile: (path) => readFileSync(path),
  statFile: (path) => statSync(path),
  userId: process.geteuid?.() ?? 0,
  daemonAccounts: [],
});

/** Bits of chmod(2). */
const GROUP_AND_OTHERS = 0o077;
const WRITABLE_BY_GROUP_OR_OTHERS = 0o022;
const EXECUTABLE = 0o111;

/** How far a file must be out of other accounts' reach. */
type Protection = 'secret' | 'not-writable' | 'program' | "root's program";

const WHY_PROTECTED = {
  secret: 'it holds a secret',
  'not-writable': 'it decides which programs run with the rights of the agent',
  program: 'it runs with rights its writers may not have',
  "root's program": 'root runs it, in `vipctl rejoin`',
} as const satisfies Record<Protection, string>;

/** Reads a file that must be there, be a file, and be protected; the refusal says what to run. */
export const readProtected = (files: FileSystem, path: string, protection: Protection): Parsed<Buffer> => {
  const facts = inspect(files, path, protection);
  if (!facts.ok) return facts;
  try {
    return parsed(files.readFile(path));
  } catch (error) {
    return refused(`${path} cannot be read (${codeOf(error)})`, `let the account that runs vipd read ${path}`);
  }
};

/** The key in a key file. No refusal quotes any of it. */
export const readKey = (path: string, files: FileSystem = realFiles()): Parsed<Buffer> => {
  const bytes = readProtected(files, path, 'secret');
  if (!bytes.ok) return bytes;
  const key = parseKey(bytes.value.toString('latin1'));
  return key.ok ? key : refused(`${path}: ${key.message}`, key.hint);
};

/** Problems of a program that the agent will start. */
export const checkProgram = (files: FileSystem, path: Path, program: string): readonly Problem[] =>
  asProblems(path, inspect(files, program, 'program'));

/** Problems of a program that an operator's command will start as root: what the agent's account may write, root must not run. */
export const checkRootProgram = (files: FileSystem, path: Path, program: string): readonly Problem[] =>
  asProblems(path, inspect(files, program, "root's program"));

/** Problems of the file with the database login, and of the private key that it names. */
export const checkLogin = (files: FileSystem, path: Path, file: string): readonly Problem[] => {
  const bytes = readProtected(files, file, 'secret');
  if (!bytes.ok) return asProblems(path, bytes);
  try {
    const { tls } = parseCredentials(bytes.value.toString('utf8'), file);
    return tls?.key === undefined ? [] : asProblems(path, readProtected(files, tls.key, 'secret'));
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    return [wrongAt(path, error.what, error.hint)];
  }
};

/** All keys of a list of files, or what is wrong with them. `path` is that of the key in the configuration. */
export const readKeys = (
  files: FileSystem,
  path: Path,
  keyFiles: readonly string[],
): { readonly keys: readonly Buffer[]; readonly problems: readonly Problem[] } => {
  const keys: Buffer[] = [];
  const problems: Problem[] = [];
  for (const [index, file] of keyFiles.entries()) {
    const at = keyFiles.length === 1 ? path : [...path, index];
    const key = readKey(file, files);
    problems.push(...asProblems(at, key));
    if (!key.ok) continue;
    if (keys.some((other) => other.equals(key.value))) {
      problems.push(
        wrongAt(at, `${file} holds the same key as an earlier file`, 'remove it, or put the other key there'),
      );
    }
    keys.push(key.value);
  }
  return { keys, problems };
};

const asProblems = (path: Path, result: Parsed<unknown>): readonly Problem[] =>
  result.ok ? [] : [wrongAt(path, result.message, result.hint)];

const inspect = (files: FileSystem, path: string, protection: Protection): Parsed<FileFacts> => {
  let facts: FileFacts;
  try {
    facts = files.statFile(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return refused(`${path} does not exist`, 'make it, or correct the path');
    return refused(`${path} cannot be looked at (${code})`, `let the account that runs vipd reach ${path}`);
  }
  // A pipe would block the start for ever, and a directory cannot be read.
  if (!facts.isFile()) return refused(`${path} is not a file`, 'name a regular file');
  if (!isProgram(protection) && facts.size > MAX_FILE_BYTES) {
    return refused(`${path} has ${facts.size} bytes, more than ${MAX_FILE_BYTES}`, 'name the right file');
  }
  return checkMode(files, path, facts, protection);
};

const isProgram = (protection: Protection): boolean => protection === 'program' || protection === "root's program";

const checkMode = (files: FileSystem, path: string, facts: FileFacts, protection: Protection): Parsed<FileFacts> => {
  const mode = `0${(facts.mode & 0o777).toString(8).padStart(3, '0')}`;
  const why = WHY_PROTECTED[protection];
  const daemons = protection === 'secret' || protection === 'program' ? files.daemonAccounts : [];
  const owners = [0, files.userId, ...daemons];
  if (!owners.includes(facts.uid)) {
    return refused(`${path} belongs to user id ${facts.uid}, but ${why}`, `run: chown root ${path}`);
  }
  if (protection === 'secret' && (facts.mode & GROUP_AND_OTHERS) !== 0) {
    return refused(`${path} has mode ${mode}, open to others than its owner, but ${why}`, `run: chmod 600 ${path}`);
  }
  if ((facts.mode & WRITABLE_BY_GROUP_OR_OTHERS) !== 0) {
    return refused(
      `${path} has mode ${mode}, writable by others than its owner, but ${why}`,
      `run: chmod go-w ${path}`,
    );
  }
  if (isProgram(protection) && (facts.mode & EXECUTABLE) === 0) {
    return refused(`${path} is not executable (mode ${mode})`, `run: chmod +x ${path}`);
  }
  return parsed(facts);
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
