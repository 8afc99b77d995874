/**
 * The rules by which a genuine frame counts once, and never again: what one member keeps about one peer.
 *
 * Each side keeps two random numbers for each peer, and they answer two different questions.
 * - Its **life** is made at its start and stays. It says who speaks: sequence numbers count in it.
 * - Its **session** is made at its start, and anew whenever the peer's life changes. It is what the peer has to name, so a
 *   frame that names the present one was made after it, and for us as we are now.
 *
 * A frame counts only if it names our present session, and its life is the one this session already took frames from
 * (or it took none yet), and its sequence is higher than the last. From this follows:
 * - No frame counts twice. Under one session only one life counts, in rising order; and a session never returns.
 * - No frame from before our own start counts, for it names an older session.
 * - Once a frame of a peer's life has counted, none of an earlier life will. Another life ends the session, and a frame
 *   that names the next one was made later than that.
 * - Two live peers come to terms. A life never changes while its owner runs, and a session is renewed only for another
 *   life, so one side's new session gives the other no cause for another. (Were the two one number, each side's change
 *   would be a change for the other, and after a restart they could go on changing for ever.) A delayed frame of a past
 *   life can renew a session once: the next one is known to the living peer alone. With no frames lost, the third frame
 *   after the last restart counts at the latest: the first may name an old session and the second may be the one that
 *   shows a life to have changed; each is answered with HELLO, and the next names what the HELLO told.
 */

import type { Answered } from './body.js';
import { type FrameHeader, NO_SESSION, type Session, type Stamp } from './layout.js';

/** A HELLO counts only if it answers one of this many last frames. */
export const HELLO_WINDOW_FRAMES = 256;
/** HELLOs to one peer: this many at once... */
export const HELLO_BURST = 8;
/** ...and one more for each such time that passes. */
export const HELLO_REFILL_MS = 5;

/** 8 random bytes at a time. */
export type RandomBytes = (n: number) => Buffer;

/** What is kept about one peer: of fixed size, whatever arrives. */
export interface Association {
  readonly life: Session;
  session: Session;
  /** Sequence of the last frame we sent. */
  sequence: number;
  /** The peer's session as we know it: what our frames name. */
  peerSession: Session;
  /** The peer's life from which `session` takes frames; none until the first. */
  peerLife: Session;
  /** Sequence of the last frame that counted. */
  lastSequence: number;
  /** Highest sequence of ours for which a HELLO counted. */
  answeredSequence: number;
  helloTokens: number;
  helloRefilledAtMs: number;
}

export const createAssociation = (randomBytes: RandomBytes, nowMs: number): Association => ({
  life: newSession(randomBytes),
  session: newSession(randomBytes),
  sequence: 0,
  peerSession: NO_SESSION,
  peerLife: NO_SESSION,
  lastSequence: 0,
  answeredSequence: 0,
  helloTokens: HELLO_BURST,
  helloRefilledAtMs: nowMs,
});

/** The header fields of the next frame to this peer. */
export const stampNext = (association: Association): Stamp => {
  association.sequence += 1;
  return stamp(association, association.sequence);
};

/** The header fields of a HELLO: it has no place in the sequence. */
export const stampHello = (association: Association): Stamp => stamp(association, 0);

const stamp = (association: Association, sequence: number): Stamp => ({
  senderLife: association.life,
  senderSession: association.session,
  receiverSession: association.peerSession,
  sequence,
});

/**
 * counts: take it. other-session: answer with HELLO. duplicate: the frame that counted last, by another path.
 * replay: older than that.
 */
export type Admission = 'counts' | 'other-session' | 'duplicate' | 'replay';

/** Judges a frame whose MAC, group and addressee hold, and that is no HELLO. */
export const admit = (association: Association, header: FrameHeader, randomBytes: RandomBytes): Admission => {
  if (header.receiverSession !== association.session) return 'other-session';
  if (association.peerLife !== NO_SESSION && association.peerLife !== header.senderLife) {
    // A peer that has restarted, or a delayed frame of one that since has: only an answer to a new session can tell.
    renewSession(association, randomBytes);
    return 'other-session';
  }
  if (header.sequence <= association.lastSequence) {
    return header.sequence === association.lastSequence ? 'duplicate' : 'replay';
  }
  association.peerLife = header.senderLife;
  association.lastSequence = header.sequence;
  association.peerSession = header.senderSession;
  return 'counts';
};

/** greeted: we now name another session. repeated: it told nothing new. unasked: it answers nothing we lately sent. */
export type Greeting = 'greeted' | 'repeated' | 'unasked';

/** Judges a HELLO whose MAC, group and addressee hold. Each frame of ours can be answered once, and only in rising order. */
export const greet = (
  association: Association,
  header: FrameHeader,
  answered: Answered,
  randomBytes: RandomBytes,
): Greeting => {
  const recent =
    answered.life === association.life &&
    answered.sequence > association.answeredSequence &&
    answered.sequence > association.sequence - HELLO_WINDOW_FRAMES &&
    answered.sequence <= association.sequence;
  if (!recent) return 'unasked';
  association.answeredSequence = answered.sequence;
  if (association.peerLife !== NO_SESSION && association.peerLife !== header.senderLife) {
    renewSession(association, randomBytes);
  }
  if (association.peerSession === header.senderSession) return 'repeated';
  association.peerSession = header.senderSession;
  return 'greeted';
};

/** Whether a HELLO may be sent to this peer now; counts it if so. */
export const takeHelloToken = (association: Association, nowMs: number): boolean => {
  const refill = Math.floor((nowMs - association.helloRefilledAtMs) / HELLO_REFILL_MS);
  if (refill > 0) {
    association.helloTokens = Math.min(HELLO_BURST, association.helloTokens + refill);
    association.helloRefilledAtMs += refill * HELLO_REFILL_MS;
  }
  if (association.helloTokens === 0) return false;
  association.helloTokens -= 1;
  return true;
};

const renewSession = (association: Association, randomBytes: RandomBytes): void => {
  association.session = newSession(randomBytes);
  association.peerLife = NO_SESSION;
  association.lastSequence = 0;
};

const newSession = (randomBytes: RandomBytes): Session => {
  const session = randomBytes(8).readBigUInt64BE();
  // 0 means unknown; one chance in 2^64.
  return session === NO_SESSION ? 1n : session;
};
