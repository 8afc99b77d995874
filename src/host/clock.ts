/** The clock of every lease: it runs on through suspend and is never set. */

import { CLOCK_BOOTTIME, clockNanoseconds } from './libc.js';

/** Whatever tells the time to decisions. Milliseconds, with fractions; only differences mean anything. */
export interface Clock {
  readonly nowMs: () => number;
}

const NANOSECONDS_PER_MILLISECOND = 1e6;

/**
 * Milliseconds since boot with fractions, by CLOCK_BOOTTIME (clock_gettime(2)). Node's `hrtime` is CLOCK_MONOTONIC,
 * which stands still while the host is suspended, when a promise given to somebody else runs on.
 */
export const boottimeMs = (): number => Number(clockNanoseconds(CLOCK_BOOTTIME)) / NANOSECONDS_PER_MILLISECOND;

export const boottimeClock: Clock = { nowMs: boottimeMs };
