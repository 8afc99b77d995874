/** What encode.ts and decode.ts agree on beyond the header: limits, flags, and the HELLO that only wire/ knows. */

import type { Session } from './layout.js';

/**
 * Longest position in a frame. A longer one, or one for which the frame has no room left, is sent as '' (unknown): half
 * a GTID set is another set. Nodes tell a longer one by a base (agent/long-positions.ts). In a BEAT the final position has
 * the first claim to the room, then the applied one, then the present one.
 */
export const POSITION_MAX_BYTES = 1024;

/** Free texts for people are cut to these, in bytes of UTF-8, so that a frame always fits and a BEAT keeps room for positions. */
export const CAUSE_MAX_BYTES = 96;
export const UNFIT_MAX_BYTES = 96;
export const PROGRESS_MAX_BYTES = 96;
export const WISH_TEXT_MAX_BYTES = 160;
export const REASON_MAX_BYTES = 160;

/** There are fewer kinds of hold than this. */
export const HOLDS_MAX = 32;

/** In BEAT, SERVED?, SERVED and a verdict. */
export const SYNC = 0x01;

/** Flags of a BEAT besides SYNC. */
export const OWNER = 0x02;
export const READ_ONLY = 0x04;
export const REPLICATING = 0x08;
export const PAUSED = 0x10;
export const WISH_DRY_RUN = 0x20;
export const WISH_FORCE = 0x40;
export const STANDBY_VIP = 0x80;
export const BEAT_FLAGS = SYNC | OWNER | READ_ONLY | REPLICATING | PAUSED | WISH_DRY_RUN | WISH_FORCE | STANDBY_VIP;

/** Flag of a verdict besides SYNC. */
export const GRANTED = 0x02;

/** Flag of a RELEASE besides SYNC. */
export const UNSERVED = 0x02;

/** The body of a HELLO: which frame it answers. Its sender's session is in the header. */
export interface Answered {
  readonly life: Session;
  readonly sequence: number;
}
