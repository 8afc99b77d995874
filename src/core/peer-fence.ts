/** Cutting off a silent peer by the operator's command (`fence`), under our own lease: only the node that a majority chose does it. */

import type { Outcome } from './event.js';
import type { NodeState } from './state.js';
import { FENCE_OVERDUE_MS } from './timing.js';
import {
  cancel,
  isPairAlone,
  journal,
  livePeer,
  noticeOnce,
  peerHeard,
  run,
  servedLast,
  set,
  stepDone,
  type Turn,
} from './turn.js';
import type { Instant, Term } from './types.js';

/**
 * May the peer still hold the VIP, for all we know? Its guard should have shut it; a frozen machine's has not (protocol.md,
 * What it does not cover). Not if nobody served before us, we did, it released that term, or it is heard and owns nothing.
 */
export const mayStillHold = (s: NodeState, servedBefore: Term, now: Instant): boolean => {
  if (servedBefore === 0 || servedLast(s, servedBefore) || ownsNothing(s, now)) return false;
  return (s.peer.release?.term ?? 0) < servedBefore;
};

/**
 * A takeover on silence: the peer's server may take writes still, and has to be shut first. In a pair without a witness the
 * evidence has done that before the election; an operator's word needs none, and it is done now.
 */
export const mustShutPeer = (s: NodeState, now: Instant): boolean => {
  if (!s.promotion || peerHeard(s, now)) return false;
  const done = isPairAlone(s) && s.evidence.verdict === 'peer-dead';
  return !done && mayStillHold(s, s.promotion.servedBefore, now);
};

/** It says so itself, a moment ago. */
const ownsNothing = (s: NodeState, now: Instant): boolean => livePeer(s, now)?.owner === false;

/** Answers the step's id. */
export const startPeerFence = (turn: Turn, timeoutMs: number): number => {
  const { owner, config, peerFence } = turn.s;
  const stepId = run(turn, { name: 'fence-peer', term: owner?.term ?? 0, reason: owner?.reason ?? '', timeoutMs });
  set(turn, { peerFence: { ...peerFence, stepId, startedAt: turn.now } });
  journal(turn, { kind: 'notice', cause: 'fence-peer', text: `cutting off ${config.peer}, which is silent` });
  return stepId;
};

/** For history and `status`; what a promotion makes of it is its own affair. */
export const notePeerFence = (turn: Turn, outcome: Outcome): void => {
  const { config, peerFence } = turn.s;
  const { ok, detail } = outcome;
  set(turn, { peerFence: { ...peerFence, stepId: null, last: { at: turn.now, ok, detail } } });
  if (ok) stepDone(turn, 'fence-peer', peerFence.startedAt, `${config.peer} is cut off: ${detail}`);
  else noticeOnce(turn, 'alarm', 'fence-peer', `${config.peer} could not be cut off: ${detail}`);
};

/** The command is killed, whatever it has done by now. */
export const giveUpPeerFence = (turn: Turn): void => {
  const { peerFence } = turn.s;
  cancel(turn, peerFence.stepId);
  set(turn, { peerFence: { ...peerFence, stepId: null } });
};

/** A peer that is heard again, and owns nothing, need not be cut off any more. */
export const considerPeerFence = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.peerFence.stepId === null || !ownsNothing(s, now)) return;
  giveUpPeerFence(turn);
  const text = `${s.config.peer} is heard again and owns nothing: it need not be cut off`;
  journal(turn, { kind: 'notice', cause: 'fence-peer', text });
};

/** When a run that has not told its end counts as hanging; null: none is under way. */
export const peerFenceUntil = ({ config, peerFence }: NodeState): Instant | null =>
  peerFence.stepId === null ? null : peerFence.startedAt + (config.fence?.timeoutMs ?? 0) + FENCE_OVERDUE_MS;
