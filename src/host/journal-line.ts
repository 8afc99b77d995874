/** One line of the journal file: the entry, and when it was made. */

import { z } from 'zod';
import type { JournalEntry } from '../core/effect.js';
import { ROLES } from '../core/message.js';

export interface JournalLine extends JournalEntry {
  /** Wall-clock time, ISO 8601, for people. */
  readonly at: string;
  /** CLOCK_BOOTTIME in milliseconds. */
  readonly bootMs: number;
}

const roleSchema = z.enum(ROLES);

const lineSchema = z.object({
  at: z.string(),
  bootMs: z.number(),
  kind: z.enum(['transition', 'refusal', 'hold', 'step', 'notice', 'alarm']),
  term: z.number(),
  from: roleSchema.exactOptional(),
  to: roleSchema.exactOptional(),
  cause: z.string(),
  text: z.string(),
  tookMs: z.number().exactOptional(),
}) satisfies z.ZodType<JournalLine>;

/** The lines of `text` that are whole and sound; a torn or damaged line is left out. */
export const parseLines = (text: string): readonly JournalLine[] =>
  text.split('\n').flatMap((line) => {
    const parsed = lineSchema.safeParse(parseJson(line));
    return parsed.success ? [parsed.data] : [];
  });

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
