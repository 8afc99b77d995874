/** A standard stream that may lose its reader, as in `vipctl history | head`: that is no failure, nor the end of what is done. */

import type { Writable } from 'node:stream';

export interface Output {
  /** Drops what nobody reads any more. */
  readonly write: (text: string) => void;
  readonly isClosed: () => boolean;
}

export const openOutput = (stream: Writable): Output => {
  let closed = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    closed = true;
  });
  return {
    write: (text) => {
      if (!closed) stream.write(text);
    },
    isClosed: () => closed,
  };
};
