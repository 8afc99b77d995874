/** Lengths of time in words for people: two units at most. */

import type { Millis } from '../core/types.js';
import type { Moment } from './moment.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `0.4 ms`, `38 ms`, `1.2 s`, `45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. A negative length is 0. */
export const formatElapsed = (ms: Millis): string => {
  const length = Math.max(0, ms);
  if (length > 0 && length < 1) return `${length.toFixed(1)} ms`;
  if (length < SECOND) return `${Math.floor(length)} ms`;
  if (length < 10 * SECOND) return `${(Math.floor(length / 100) / 10).toFixed(1)} s`;
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return twoUnits(length, MINUTE, 'min', SECOND, 's');
  if (length < DAY) return twoUnits(length, HOUR, 'h', MINUTE, 'min');
  return twoUnits(length, DAY, 'd', HOUR, 'h');
};

const twoUnits = (ms: Millis, large: Millis, largeName: string, small: Millis, smallName: string): string => {
  const rest = Math.floor((ms % large) / small);
  const head = `${Math.floor(ms / large)} ${largeName}`;
  return rest === 0 ? head : `${head} ${rest} ${smallName}`;
};

/** `2026-03-01 14:05:09 (3 min 20 s)`. */
export const formatAge = (moment: Moment, now: Moment): string =>
  `${formatWall(moment.wall)} (${formatElapsed(now.bootMs - moment.bootMs)})`;

/** The date and time of `Moment.wall` to the second, in the zone it was written in. */
export const formatWall = (wall: string): string => wall.slice(0, 'yyyy-mm-ddThh:mm:ss'.length).replace('T', ' ');
