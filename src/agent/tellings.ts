/** Bounds what the log and the journal are told again and again, by a host on the link or a hand on this one. */

import type { JournalEntry } from '../core/effect.js';
import type { Instant, Millis } from '../core/types.js';
import { createRateLimit } from '../host/rate-limit.js';

/** Lines of one name: a foreign host may claim a VIP ten times a second. */
const LINES_PER_WINDOW = 5;
const LINE_WINDOW_MS: Millis = 60_000;
/** Alarms of one cause: the journal's two files, some 40,000 entries, reach back a month even so. */
const ALARMS_PER_WINDOW = 10;
const ALARM_WINDOW_MS: Millis = 600_000;

/** The text, with how many of that name were held back before it; null: it is held back as well. */
export type LineLimit = (name: string, text: string) => string | null;

const createLimit = (perWindow: number, windowMs: Millis, nowMs: () => Instant): LineLimit => {
  const limit = createRateLimit({ perWindow, windowMs, nowMs });
  return (name, text) => {
    const told = limit.admit(name);
    if (!told.admitted) return null;
    return told.heldBack === 0 ? text : `${text} (${told.heldBack} more were not told)`;
  };
};

export const createLineLimit = (now: () => Instant): LineLimit => createLimit(LINES_PER_WINDOW, LINE_WINDOW_MS, now);

/** For what the core tells: a VIP that is taken off each second must not push the changes of role out of the journal. */
export const createAlarmLimit = (now: () => Instant): ((entry: JournalEntry) => JournalEntry | null) => {
  const limit = createLimit(ALARMS_PER_WINDOW, ALARM_WINDOW_MS, now);
  return (entry) => {
    if (entry.kind !== 'alarm') return entry;
    const text = limit(entry.cause, entry.text);
    return text === null ? null : { ...entry, text };
  };
};
