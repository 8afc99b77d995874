/** Keeps extra transactions as files: the parts of binary logs that hold them, which the server's own tools read, and their list. */

import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MAGIC } from './binlog-events.js';
import { giveTo } from './data-directory.js';
import type { BinlogPart, Divergence } from './divergence.js';
import { listDivergence } from './divergence-list.js';

export type Kept =
  | { readonly kind: 'kept'; readonly directory: string; readonly bytes: number }
  | { readonly kind: 'not-kept'; readonly why: string };

/** Of everything kept on this host. */
export const KEEP_MAX_BYTES = 1024 ** 3;
/** Of what is free: the agent's own record lies on the same disk. */
const FREE_SHARE = 0.5;
/** Of a directory's name that tells what is in it. */
const NAME_MAX_CHARS = 80;
/** Magic number and the head of the first event, which says how long it is. */
const FIRST_HEAD_BYTES = MAGIC.length + 19;
/** A format description event has some 250 bytes. */
const FORMAT_MAX_BYTES = 10_000;

/** Below `state_directory`. */
export const KEPT_DIRECTORY = 'divergence';
/** Beside the binary logs. */
export const LIST_FILE = 'transactions.json';

/**
 * Copies each part, from its first extra transaction to the file's end, into a directory below `root` that is named after
 * what is missing, and writes the list beside them; what was kept before under that name stays. Directories have mode 0700,
 * files 0600; they belong to whom the directory above `root` belongs, that is to the agent, whoever keeps them.
 * @throws Error with the system's words
 */
export const keepDivergence = async (
  root: string,
  divergence: Divergence,
  maxBytes = KEEP_MAX_BYTES,
): Promise<Kept> => {
  const { missing, parts } = divergence;
  const directory = join(root, nameOf(missing));
  await mkdir(root, { recursive: true, mode: 0o700 });
  await chmod(root, 0o700);
  const before = await sizeOf(directory).catch(() => null);
  if (before !== null) return { kind: 'kept', directory, bytes: before };
  const heads = await Promise.all(parts.map(({ path }) => readFormat(path)));
  const sizes = await Promise.all(parts.map(async ({ path, start }) => (await stat(path)).size - start));
  const list = `${JSON.stringify(listDivergence(divergence), null, 2)}\n`;
  const bytes = [Buffer.byteLength(list), ...heads.map((head) => head.length), ...sizes].reduce((sum, n) => sum + n, 0);
  const refusal = await whyNoRoom(root, bytes, maxBytes);
  if (refusal !== '') return { kind: 'not-kept', why: refusal };
  const temporary = `${directory}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o700 });
  for (const [index, part] of parts.entries()) await copyPart(temporary, part, heads[index] ?? MAGIC);
  await writeFile(join(temporary, LIST_FILE), list, { mode: 0o600, flush: true });
  await rename(temporary, directory);
  if (process.geteuid?.() === 0) await giveTo(root, await stat(dirname(root)));
  return { kind: 'kept', directory, bytes };
};

/** GTIDs without the characters of paths and shells; long sets are cut, with their length. */
const nameOf = (missing: string): string => {
  const name = missing.replaceAll(/[^\w-]+/g, '_');
  return name.length > NAME_MAX_CHARS ? `${name.slice(0, NAME_MAX_CHARS)}_${name.length}` : name;
};

const whyNoRoom = async (root: string, bytes: number, maxBytes: number): Promise<string> => {
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  if (bytes > free * FREE_SHARE) return `${bytes} bytes to keep, and ${free} are free in ${root}`;
  const entries = await readdir(root);
  const sizes = await Promise.all(entries.map((entry) => sizeOf(join(root, entry)).catch(() => 0)));
  const held = sizes.reduce((sum, size) => sum + size, 0);
  if (bytes + held <= maxBytes) return '';
  return `${bytes} bytes to keep, and ${held} are kept in ${root} already, of at most ${maxBytes}: remove what is not needed there`;
};

const sizeOf = async (directory: string): Promise<number> => {
  const files = await readdir(directory);
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(directory, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
};

/** Without the format description event the rest cannot be read. */
const readFormat = async (path: string): Promise<Buffer> => {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(FORMAT_MAX_BYTES);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const end = bytesRead < FIRST_HEAD_BYTES ? 0 : MAGIC.length + head.readUInt32LE(MAGIC.length + 9);
    if (end === 0 || end > bytesRead || !head.subarray(0, MAGIC.length).equals(MAGIC))
      throw new Error(`${path} does not begin as a binary log does; it may be encrypted`);
    return head.subarray(0, end);
  } finally {
    await file.close();
  }
};

const copyPart = async (directory: string, { path, start }: BinlogPart, format: Buffer): Promise<void> => {
  const file = await open(join(directory, basename(path)), 'wx', 0o600);
  try {
    await file.write(format);
    for await (const piece of createReadStream(path, { start })) await file.write(piece as Buffer);
    await file.sync();
  } finally {
    await file.close();
  }
};
