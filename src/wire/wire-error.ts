/** The one error that reading or writing a frame may throw, and the fixed list of its causes. */

/** Why bytes are not a frame, or a message cannot become one. */
export const WIRE_CAUSES = [
  /** Shorter than the shortest frame. */
  'too-short',
  /** Longer than the longest frame, or a message that would make such a frame. */
  'too-long',
  /** Not our format, or another version of it. */
  'other-version',
  'unknown-kind',
  /** A length points beyond the end. */
  'truncated',
  'trailing-bytes',
  /** A number, flag or enumeration outside of what its field allows. */
  'bad-value',
  /** Not UTF-8, or longer than its field allows. */
  'bad-text',
] as const;

export type WireCause = (typeof WIRE_CAUSES)[number];

/** Thrown by encode and decode; nothing else is. `cause` is what the counters go by. */
export class WireError extends Error {
  override readonly name = 'WireError';
  override readonly cause: WireCause;

  constructor(cause: WireCause, what: string) {
    super(`${what}: ${cause}`);
    this.cause = cause;
  }
}
