/** Writes log lines to a descriptor: never waits for its reader, never fails, and goes on once it can be written again. */

import { write, writeSync } from 'node:fs';

/** A reader that is slow, of a pipe that does not block (pipe(7)): tried again after this long. */
const FULL_PAUSE_MS = 100;
/** At the program's end, for a reader that takes nothing. */
const FLUSH_LIMIT_MS = 1_000;

export interface LineWriter {
  /** Returns at once. What the descriptor does not take (a full disk, a reader that is gone) is dropped. */
  readonly write: (line: string) => void;
  /** Writes what waits, before the program ends; waits for a reader that takes nothing, but not for long. */
  readonly flush: () => void;
}

/** Not pino's own writer: it is silent for good after one EPIPE, and ends the program at any other error (ENOSPC, EIO). */
export const createLineWriter = (fd: number, maxWaitingBytes: number): LineWriter => {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let writing: Buffer | null = null;
  let retry: NodeJS.Timeout | null = null;
  /** What was written ends within a line; the rest of that was dropped. */
  let torn = false;

  const take = (): Buffer => {
    const next = Buffer.concat(torn ? [Buffer.from('\n'), ...waiting] : waiting);
    waiting = [];
    waitingBytes = 0;
    return next;
  };

  const next = (): void => {
    retry = null;
    if (writing === null && waiting.length > 0) writing = take();
    if (writing !== null) write(fd, writing, onWritten);
  };

  const onWritten = (error: NodeJS.ErrnoException | null, bytes: number): void => {
    if (writing === null) return;
    if (error?.code === 'EAGAIN') {
      retry = setTimeout(next, FULL_PAUSE_MS);
      return;
    }
    if (error) {
      writing = null;
    } else {
      torn = writing[bytes - 1] !== NEWLINE;
      writing = bytes < writing.length ? writing.subarray(bytes) : null;
    }
    next();
  };

  return {
    write: (line) => {
      const data = Buffer.from(line);
      if (waitingBytes + data.length > maxWaitingBytes) return;
      waiting.push(data);
      waitingBytes += data.length;
      if (writing === null) next();
    },
    flush: () => {
      // What a thread has in its hands meanwhile goes its own way.
      const held = retry === null ? null : writing;
      if (retry !== null) clearTimeout(retry);
      writeOut(fd, Buffer.concat(held === null ? [take()] : [held, take()]));
    },
  };
};

const NEWLINE = 0x0a;

const writeOut = (fd: number, data: Buffer): void => {
  const until = performance.now() + FLUSH_LIMIT_MS;
  let left = data;
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(fd, left));
    } catch (error) {
      const full = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!full || performance.now() > until) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PAUSE_MS);
    }
  }
};
