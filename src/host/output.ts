/** Keeps the beginning of what a program prints and reads the rest away, without letting it take the processor. */

import type { Readable } from 'node:stream';

/**
 * Rest after each read past the limit, at most 64 KiB: a program that floods its output gets about 13 MB/s of attention,
 * and the heartbeats the rest. It blocks in write(2) meanwhile, as with any slow reader.
 */
const DRAIN_PAUSE_MS = 5;

export interface OutputCapture {
  /** Reads `stream` until it ends or is destroyed. Several may be followed; their output is kept in order of arrival. */
  follow(stream: Readable): void;
  /** What was kept, with a last line that tells how much was not. */
  text(): string;
}

export const captureOutput = (limitBytes: number): OutputCapture => {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let droppedBytes = 0;
  const take = (stream: Readable, chunk: Buffer): void => {
    const room = limitBytes - keptBytes;
    if (room > 0) kept.push(Buffer.from(chunk.subarray(0, room)));
    keptBytes += Math.min(room, chunk.length);
    if (chunk.length <= room) return;
    droppedBytes += chunk.length - room;
    stream.pause();
    setTimeout(() => stream.resume(), DRAIN_PAUSE_MS);
  };
  return {
    follow(stream) {
      stream.on('data', (chunk: Buffer) => take(stream, chunk));
      // A pipe that breaks says nothing that the program's end does not say.
      stream.on('error', () => undefined);
    },
    text() {
      const text = printable(Buffer.concat(kept).toString('utf8')).trimEnd();
      return droppedBytes === 0 ? text : `${text}\n[${droppedBytes} more bytes dropped]`;
    },
  };
};

/** Control characters other than newline and tab are replaced: `status` prints this on the operator's terminal. */
const printable = (text: string): string => text.replace(/(?![\n\t])\p{Cc}/gu, '\uFFFD');
