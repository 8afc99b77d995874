/** Until when this node serves clients, in memory that threads share: read without asking the one that decides. */

import type { Instant } from '../core/types.js';

/** Whole microseconds: what `Atomics` reads and writes in one piece is integers. */
const UNITS_PER_MS = 1_000;

export interface Serving {
  /** For another thread's {@link openServing}. */
  readonly memory: SharedArrayBuffer;
  /** The end of the lease under which it serves; 0: it does not serve. */
  readonly set: (until: Instant) => void;
  readonly until: () => Instant;
}

export const createServing = (): Serving => openServing(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT));

export const openServing = (memory: SharedArrayBuffer): Serving => {
  const word = new BigInt64Array(memory);
  return {
    memory,
    set: (until) => void Atomics.store(word, 0, BigInt(Math.floor(until * UNITS_PER_MS))),
    until: () => Number(Atomics.load(word, 0)) / UNITS_PER_MS,
  };
};
