/** Replaces a file as a whole and durably: after a power cut it is the old one or the new one. */

import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Write beside it, fsync, rename over it, fsync of the directory (rename(2), fsync(2)): each later step only after the
 * earlier one, so that the name never leads to bytes that are not on disk. A failed fsync is never repeated on the same
 * file, since the kernel may have dropped the dirty pages; the next call writes a new one. Makes the directory where there
 * is none. Rejects with the system's error; the old file is then still whole. One call at a time for each path.
 */
export const replaceFile = async (path: string, text: string): Promise<void> => {
  const directory = dirname(path);
  const temporary = `${path}.tmp`;
  try {
    await makeDirectory(directory, 0o700);
    await writeDurably(temporary, text);
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
};

const writeDurably = async (path: string, text: string): Promise<void> => {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
};

/**
 * Makes a directory and those above it, durably: a new one is so only once its parent is. Not mkdir's `recursive`, which
 * reports a read-only file system (EROFS) as a missing directory.
 */
export const makeDirectory = async (directory: string, mode: number): Promise<void> => {
  try {
    await mkdir(directory, { mode });
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    if (!hasCode(error, 'ENOENT')) throw error;
    await makeDirectory(dirname(directory), mode);
    await mkdir(directory, { mode });
  }
  await syncDirectory(dirname(directory));
};

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** At most `limitBytes` of a file's beginning as text. Rejects with the system's error; a symbolic link is refused (ELOOP). */
export const readBeginning = async (path: string, limitBytes: number): Promise<string> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(limitBytes), 0, limitBytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
};
