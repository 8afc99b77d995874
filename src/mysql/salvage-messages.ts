/** What the two sides of a salvage tell each other beside the transactions themselves. */

import { z } from 'zod';

/** The purpose on the agents' channel. */
export const SALVAGE = 'salvage';

/**
 * `have`: everything that the asking node has; a position is text, as core/position.ts reads it. `only`: how far the dead
 * server's logs go, and nothing of what is in them: the answer is `holds`.
 */
const request = z.union([z.object({ only: z.literal('position') }), z.object({ have: z.string() })]);

/** Told before the first byte, so that whatever happens then, it is known what was to come. */
const note = z.object({
  /** The position that is reached when all has been applied. */
  position: z.string(),
  missing: z.string(),
  transactions: z.number(),
});

/**
 * holds: all that there is. nothing: the asker has everything. cannot: `missing` is there and cannot be had, or not to its end.
 * shipped: all bytes were sent; `returned`: the server runs again meanwhile, with nothing more than what was sent.
 */
const trailer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('holds'), position: z.string() }),
  z.object({ kind: z.literal('nothing'), position: z.string() }),
  z.object({ kind: z.literal('cannot'), why: z.string(), missing: z.string() }),
  z.object({ kind: z.literal('shipped'), position: z.string(), bytes: z.number(), returned: z.boolean() }),
]);

export type SalvageRequest = z.output<typeof request>;
export type SalvageNote = z.output<typeof note>;
export type SalvageTrailer = z.output<typeof trailer>;

/** Undefined where it is no such message: the other side runs another version. */
export const parseRequest = (value: unknown): SalvageRequest | undefined => request.safeParse(value).data;
export const parseNote = (value: unknown): SalvageNote | undefined => note.safeParse(value).data;
export const parseTrailer = (value: unknown): SalvageTrailer | undefined => trailer.safeParse(value).data;
