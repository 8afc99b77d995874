/** A point in time as the control socket tells it: the boot clock to count with, the wall clock to read. */

import type { Instant } from '../core/types.js';

export interface Moment {
  /** CLOCK_BOOTTIME of the answering node, in milliseconds. Only differences to `Status.now` mean anything. */
  readonly bootMs: Instant;
  /** ISO 8601 with the node's own offset, `2026-03-01T14:05:09.120+01:00`. For people; nothing is decided by it. */
  readonly wall: string;
}

const MINUTES_PER_HOUR = 60;
const MS_PER_MINUTE = 60_000;

const twoDigits = (n: number): string => String(n).padStart(2, '0');

/**
 * Wall-clock text for a Unix time in milliseconds.
 * `offsetMinutes` is how far local time is ahead of UTC, the negative of `Date.prototype.getTimezoneOffset()`.
 */
export const wallText = (unixMs: number, offsetMinutes: number): string => {
  const local = new Date(unixMs + offsetMinutes * MS_PER_MINUTE).toISOString().slice(0, -1);
  if (offsetMinutes === 0) return `${local}Z`;
  const ahead = Math.abs(offsetMinutes);
  const sign = offsetMinutes < 0 ? '-' : '+';
  return `${local}${sign}${twoDigits(Math.floor(ahead / MINUTES_PER_HOUR))}:${twoDigits(ahead % MINUTES_PER_HOUR)}`;
};
