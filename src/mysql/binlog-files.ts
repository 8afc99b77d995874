/** The files of a binary log: which there are, and a walk through one of them under a deadline. */

import { type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Position } from '../core/types.js';
import { type BinlogReader, createBinlogReader, MAGIC, type OnTransaction, type ResumePoint } from './binlog-events.js';

export interface BinlogLocation {
  /** `log_bin_index`. */
  readonly indexFile: string;
  /** `datadir`: relative names in the index are below it. */
  readonly dataDirectory: string;
}

/** The files cannot be read to the end; the message says which, why, and what can be done. */
export class BinlogError extends Error {
  override readonly name = 'BinlogError';
}

/** A rotation cut short: the index names the file, and its head was not written yet. */
export class UnbegunError extends BinlogError {}

/** One read; at 50 bytes an event some 5,000 headers, about a millisecond' work between two turns of the loop. */
const CHUNK_BYTES = 262_144;
/** For one whole look at the files: a gigabyte takes about a second. */
const READ_DEADLINE_MS = 60_000;
/** Lines of the index; a server with the smallest files and a month of them has fewer. */
const INDEX_FILES_MAX = 100_000;
/** Bytes of the index file that are read. */
const INDEX_BYTES_MAX = 32_000_000;

/** Where a walk through a file ended, for the next one to go on from. */
export interface Remembered extends ResumePoint {
  readonly path: string;
  readonly inode: number;
}

export interface Scan {
  readonly inode: number;
  /** What all files before this one hold. */
  readonly heldAtStart: Position;
  readonly end: number;
  readonly torn: boolean;
  readonly checksum: boolean;
  /** It went on from what was remembered. */
  readonly resumed: boolean;
}

/** Walks one file from header to header. @throws BinlogError */
export const scan = async (
  path: string,
  deadline: Deadline,
  onTransaction: OnTransaction,
  remembered?: Remembered,
): Promise<Scan> => {
  const file = await deadline.guard(open(path, 'r'), path);
  try {
    const { size, ino } = await deadline.guard(file.stat(), path);
    const known = remembered?.path === path && remembered.inode === ino && remembered.offset <= size;
    const resumed = known ? remembered : undefined;
    if (resumed === undefined) await checkMagic(file, path, deadline);
    const reader = createBinlogReader(onTransaction, resumed);
    await walk(file, path, size, reader, deadline);
    const { heldAtStart } = reader;
    // What a crash left behind the last whole transaction is no fault; what cannot be read at all is.
    if (reader.unreadable !== undefined)
      throw new BinlogError(`cannot read the binary log ${path}: ${reader.unreadable}`);
    if (heldAtStart === undefined) throw new UnbegunError(`the binary log ${path} does not say what was before it`);
    const torn = reader.offset < size || reader.inGroup;
    const { wholeUpTo: end, checksum } = reader;
    return { inode: ino, heldAtStart, end, torn, checksum, resumed: resumed !== undefined };
  } finally {
    file.close().catch(() => undefined);
  }
};

const walk = async (file: FileHandle, path: string, size: number, reader: BinlogReader, deadline: Deadline) => {
  let wanted = CHUNK_BYTES;
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  while (wanted > 0 && reader.offset < size) {
    const before = reader.offset;
    const { bytesRead } = await deadline.guard(file.read(buffer, 0, buffer.length, before), path);
    wanted = reader.read(buffer.subarray(0, bytesRead), size);
    // A file that was cut meanwhile: what was asked for does not come.
    if (reader.offset === before && bytesRead < wanted) return;
  }
};

const checkMagic = async (file: FileHandle, path: string, deadline: Deadline): Promise<void> => {
  const start = Buffer.alloc(MAGIC.length);
  const { bytesRead } = await deadline.guard(file.read(start, 0, start.length, 0), path);
  if (bytesRead < start.length) throw new UnbegunError(`the binary log ${path} has no head`);
  if (start.equals(MAGIC)) return;
  throw new BinlogError(`cannot read ${path}: it does not begin as a binary log does; it may be encrypted or cut off`);
};

export const readIndex = async ({ indexFile, dataDirectory }: BinlogLocation, deadline: Deadline) => {
  const text = await deadline.guard(readFile(indexFile, 'utf8'), indexFile);
  const files = text
    .slice(0, INDEX_BYTES_MAX)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => resolve(dataDirectory, line));
  if (files.length > INDEX_FILES_MAX) throw new BinlogError(`${indexFile} names more than ${INDEX_FILES_MAX} files`);
  return files;
};

export const lastOf = (files: readonly string[], { indexFile }: BinlogLocation): string => {
  const path = files.at(-1);
  if (path === undefined) throw new BinlogError(`${indexFile} names no binary log in ${dirname(indexFile)}`);
  return path;
};

export interface Deadline {
  /** @throws BinlogError at the deadline, when given up, or with what the system said. */
  guard<T>(work: Promise<T>, path: string): Promise<T>;
}

/** A disk that is frozen answers no read, so that a read is left to itself rather than waited for. */
export const withDeadline = async <T>(signal: AbortSignal, work: (deadline: Deadline) => Promise<T>): Promise<T> => {
  let over: (error: BinlogError) => void = () => undefined;
  const late = new Promise<never>((_, reject) => {
    over = reject;
  });
  late.catch(() => undefined);
  const timer = setTimeout(
    () => over(new BinlogError(`the binary logs were not read within ${READ_DEADLINE_MS} ms; the disk may hang`)),
    READ_DEADLINE_MS,
  );
  const onAbort = () => over(new BinlogError('reading the binary logs was given up'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await work({ guard: (step, path) => Promise.race([explain(step, path), late]) });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
};

const explain = <T>(work: Promise<T>, path: string): Promise<T> =>
  work.catch((error: NodeJS.ErrnoException) => {
    throw new BinlogError(`cannot read ${path}: ${error.code ?? error.message}${adviceFor(error.code, path)}`);
  });

const adviceFor = (code: string | undefined, path: string): string => {
  switch (code) {
    case 'EACCES':
      return (
        `; let the account of vipd (uid ${process.geteuid?.() ?? 0}) read it, or give its unit back CAP_DAC_READ_SEARCH; ` +
        `"namei -l ${path}" shows what shuts it out`
      );
    case 'ENOENT':
      return `; see that its file system is mounted and that nobody has moved it`;
    case 'EIO':
      return '; the kernel log (dmesg) tells what is wrong with the disk';
    default:
      return '';
  }
};
