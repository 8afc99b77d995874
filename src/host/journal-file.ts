/** The journal's file: appends to it, rotates it once, and reads it from the end. */

import { type FileHandle, open, rename } from 'node:fs/promises';
import { makeDirectory } from './durable-file.js';
import { type JournalLine, parseLines } from './journal-line.js';

/** How much is read at a time, from the end. */
const READ_BYTES = 64 * 1024;
/** How far back a reader goes for lines: past it the file is damaged, or the lines are of no use to people. */
const MAX_TAIL_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

export interface JournalFile {
  /** Rejects with the system's error; what was written in part then ends in a line of its own. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens `path` at the first append; grown past `maxBytes` it becomes `<path>.1`, in place of the one before. */
export const createJournalFile = (directory: string, path: string, maxBytes: number): JournalFile => {
  let handle: FileHandle | null = null;
  /** The file ends within a line: a write of ours, or of the agent before us, was cut short. */
  let torn = false;
  let bytes = 0;

  const opened = async (): Promise<FileHandle> => {
    if (handle !== null) return handle;
    await makeDirectory(directory, 0o750);
    handle = await open(path, 'a+', 0o640);
    bytes = (await handle.stat()).size;
    const last = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, bytes - 1));
    torn = last.bytesRead === 1 && last.buffer[0] !== NEWLINE;
    return handle;
  };
  const close = async (): Promise<void> => {
    const closing = handle;
    handle = null;
    await closing?.close();
  };
  return {
    async append(text) {
      const current = await opened();
      const data = Buffer.from(torn ? `\n${text}` : text);
      if (bytes > 0 && bytes + data.length > maxBytes) {
        await close();
        await rename(path, `${path}.1`);
        return this.append(text);
      }
      try {
        await current.appendFile(data);
        bytes += data.length;
        torn = false;
      } catch (error) {
        // Opened again next time: size and end of the file are looked at afresh.
        await close().catch(() => undefined);
        throw error;
      }
    },
    close,
  };
};

/** The last `count` lines that make sense, read backwards from the end. A file that cannot be read has none. */
export const readTail = async (path: string, count: number): Promise<readonly JournalLine[]> => {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = await handle.stat();
    const end = Math.max(0, size - MAX_TAIL_BYTES);
    let from = size;
    let lines: readonly JournalLine[] = [];
    // The end of a line whose beginning has not been read yet.
    let rest = Buffer.alloc(0);
    while (from > end && lines.length < count) {
      const length = Math.min(READ_BYTES, from - end);
      from -= length;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from);
      const bytes = Buffer.concat([buffer.subarray(0, bytesRead), rest]);
      const whole = from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
      rest = whole === 0 && from > 0 ? bytes : bytes.subarray(0, whole);
      lines = [...parseLines(bytes.subarray(rest.length).toString('utf8')), ...lines];
    }
    return lines.slice(-count);
  } catch {
    return [];
  } finally {
    await handle.close();
  }
};
