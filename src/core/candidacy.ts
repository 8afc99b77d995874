/** When a standby should stand for election, and what it waits for before. */

import { startElection } from './election.js';
import { lacksEvidence } from './evidence.js';
import { brokenApplier, isNamed, unfit, unfitToStand } from './fitness.js';
import { dropOrder } from './order.js';
import { containsPosition } from './position.js';
import { endStale, isBlind, isUncompared } from './stale.js';
import type { NodeState } from './state.js';
import { keptLease, YIELD_INTERVALS } from './timing.js';
import { hold, livePeer, noticeOnce, set, type Turn, vote } from './turn.js';
import type { Opening } from './types.js';
import { makeRecordByWord } from './voter.js';

/** Looks whether this standby should stand for election now, and says once why not. */
export const considerCandidacy = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.role !== 'standby' || s.stopping || now < s.retryAt) return;
  if (s.election && !findOpening(s, now)) set(turn, { election: null });
  if (turn.s.election) return;
  if (s.order && !s.voter.record) vote(turn, makeRecordByWord(s.voter, now)); // the operator's word stands for what cannot be heard
  const opening = findOpening(turn.s, now);
  if (!opening) return;
  const { record } = turn.s.voter;
  endStale(turn);
  if (isBlind(turn, record?.servedTerm ?? 0, record?.sync ?? false) || isYielding(turn, opening)) return;
  if (isUncompared(turn)) return;
  holdIfBroken(turn);
  const why = unfitToStand(turn.s, now, s.order !== null, s.order?.acceptLoss ?? false);
  if (why !== '') return refuse(turn, why);
  if (lacksEvidence(turn)) return;
  startElection(turn, opening);
};

const refuse = (turn: Turn, why: string): void => {
  noticeOnce(turn, 'refusal', 'not-a-candidate', `nobody owns the VIP, and this node does not take over: ${why}`);
  dropOrder(turn, `refused: ${why}`);
};

/** The applier does not mend itself, and only an operator can say whether the node may go without what it did not apply. */
const holdIfBroken = (turn: Turn): void => {
  const { s } = turn;
  const broken = brokenApplier(s);
  if (broken === '' || s.order?.acceptLoss) return;
  hold(turn, 'replication', `${broken}; start ${s.config.peer}, or run \`vipctl promote --accept-loss\``);
};

/** Standby 1: our own promise has run out, or its holder released it. */
const findOpening = (s: NodeState, now: number): Opening | null => {
  const { voter } = s;
  if (!voter.record || (voter.record.byWord && !s.order)) return null;
  if (now < voter.muteUntil || now < s.startedAt + keptLease(s.config.leaseMs)) return null;
  const released = voter.released?.term === voter.record.maxTerm ? voter.released : null;
  if (released) {
    const named = released.successor === '' || released.successor === s.config.self || now >= released.until;
    return named ? 'released' : null;
  }
  if (livePeer(s, now)?.owner) return null;
  if (now < voter.promiseUntil) return null;
  if (s.order) return 'ordered';
  return voter.record.holder === null || !s.lastOwner ? 'no-owner' : 'promise-ran-out';
};

/** Standby 2: of two candidates the better data goes first, then dataTerm, priority, name; the other waits a little. */
const isYielding = (turn: Turn, opening: Opening): boolean => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  const named = opening === 'released' && isNamed(s, now);
  if (!peer || s.order || named || peer.unfit !== '' || unfit(s, now) !== '') return false;
  if (comesFirst(s, peer)) return false;
  if (s.yieldUntil === null) {
    set(turn, { yieldUntil: now + YIELD_INTERVALS * s.config.intervalMs });
    noticeOnce(
      turn,
      'notice',
      'yield',
      `${s.config.peer} comes first, having the better data or priority; waiting for it`,
    );
    return true;
  }
  return now < s.yieldUntil;
};

const comesFirst = (s: NodeState, peer: NonNullable<NodeState['peer']['beat']>): boolean => {
  const own = s.database.received;
  const has = containsPosition(own, peer.position);
  const lacks = containsPosition(peer.position, own);
  if (has !== lacks) return has;
  const dataTerm = s.voter.record?.dataTerm ?? 0;
  if (dataTerm !== peer.dataTerm) return dataTerm > peer.dataTerm;
  if (s.config.priority !== peer.priority) return s.config.priority > peer.priority;
  return s.config.self < s.config.peer;
};
