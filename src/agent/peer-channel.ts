/** Replication from the silent peer: what it still brings shows that the peer's host lives, whatever its agent does. */

import type { Instant, Millis } from '../core/types.js';

export interface PeerChannel {
  /** The peer's agent falls silent: what comes from now on counts. */
  readonly askAhead: () => void;
  /** Its agent is heard again. */
  readonly forget: () => void;
  /** Milliseconds since something was seen to have come, if that is as recent as LIVES_MS; null: nothing did. Never rejects. */
  readonly cameAgo: () => Promise<Millis | null>;
}

export interface PeerChannelOptions {
  /** A word that changes with every event and heartbeat that the receiver gets. May reject. */
  readonly arrivals: (withinMs: Millis) => Promise<string>;
  /** Nobody looks where a witness tells who lives. */
  readonly isNeeded: () => boolean;
  readonly now: () => Instant;
}

/** Whose events came so long ago says nothing any more (protocol.md, Two nodes without a witness). */
const LIVES_MS: Millis = 2_000;
/** Our own server answers at once, or is not fit for a takeover. */
const ANSWER_MS: Millis = 100;

/**
 * What came before the silence says nothing: a host that dies under load has sent events until then, and each takeover
 * would wait. So the receiver is looked at when the silence begins, and what has changed since came from a host that lives.
 */
export const createPeerChannel = ({ arrivals, isNeeded, now }: PeerChannelOptions): PeerChannel => {
  let silence = {};
  let seen: string | null = null;
  let changedAt: Instant | null = null;

  const look = async (): Promise<void> => {
    const during = silence;
    const word = await arrivals(ANSWER_MS).catch(() => null);
    if (during !== silence || word === null) return;
    if (seen !== null && word !== seen) changedAt = now();
    seen = word;
  };

  const forget = (): void => {
    silence = {};
    seen = null;
    changedAt = null;
  };

  return {
    askAhead: () => {
      forget();
      if (isNeeded()) void look();
    },
    forget,
    cameAgo: async () => {
      await look();
      const ago = changedAt === null ? Number.POSITIVE_INFINITY : now() - changedAt;
      return ago <= LIVES_MS ? ago : null;
    },
  };
};
