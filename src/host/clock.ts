/** The clock of every lease: it runs on through suspend and is never set. */

import { readFileSync } from 'node:fs';
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

/** Names this boot (random(4), boot_id): instants of another one cannot be compared with ours. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

export const boottimeClock: Clock = { nowMs: boottimeMs };
