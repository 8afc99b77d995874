/** The holds `stale` and `no-record`: what the last owner committed, or who it was, is not known here. */

import { newestServed } from './loss.js';
import type { Verdict } from './message.js';
import { dropOrder } from './order.js';
import { containsPosition, isAhead } from './position.js';
import type { NodeState } from './state.js';
import { keptLease } from './timing.js';
import { hold, isPairAlone, livePeer, peerHeard, servedLast, type Turn, unhold } from './turn.js';
import type { Term } from './types.js';
import { isSure } from './voter.js';

/**
 * Starting up: the peer is not heard, and what it may have committed since is not known here. `sync` and `servedTerm` as
 * the newest record has them that could be read: our own at first, then those of the voters that would grant the term.
 */
export const isBlind = (turn: Turn, servedTerm: Term, sync: boolean): boolean => {
  const { s, now } = turn;
  const { record } = s.voter;
  if (!record || s.order?.acceptLoss || peerHeard(s, now) || servedTerm === 0) return false;
  // The record tells it after a restart; in memory it outlives an attempt of ours to take our own place that failed.
  const served = (record.holder === s.config.self && record.maxTerm === servedTerm) || servedLast(s, servedTerm);
  const followed = s.peer.servedSeen >= servedTerm;
  if (record.dataTerm >= servedTerm && (served || followed || sync)) return false;
  const lacking =
    record.dataTerm < servedTerm
      ? `term ${servedTerm} served last, and this node's data is of term ${record.dataTerm}`
      : `replication was not in sync when term ${servedTerm} served, and its owner is not heard`;
  hold(turn, 'stale', `${lacking}; start ${s.config.peer}, or run \`vipctl promote --accept-loss\``);
  dropOrder(turn, `refused: stale: ${lacking}`);
  return true;
};

/** Without a witness, at the end of our term: was the peer there when the lease was last renewed, or up to a lease before? */
export const leavesRoom = (s: NodeState): boolean =>
  isPairAlone(s) && s.owner?.served === true && s.peer.heardAt > s.owner.leaseUntil - 2 * s.config.leaseMs;

/** What the peer committed meanwhile is not known here, nor that it did. */
export const holdReplaced = (turn: Turn, why: string): void => {
  const { peer } = turn.s.config;
  hold(turn, 'stale', `${why}: it may have taken over; start ${peer}, or run \`vipctl promote --accept-loss\``);
};

/** A pair that starts together for the first time knows within a lease; whoever waits longer says so. */
export const considerRecord = (turn: Turn): void => {
  const { s, now } = turn;
  const sure = isSure(s.voter);
  if (sure && whyUncompared(s) === '') return unhold(turn, 'no-record');
  if (sure || s.role !== 'standby' || now < s.startedAt + keptLease(s.config.leaseMs)) return;
  holdWithoutRecord(turn, 'no record of earlier terms is here, and not all who could tell them were heard');
};

const holdWithoutRecord = (turn: Turn, why: string): void => {
  const remedy = 'or, if this node has the newest data, run `vipctl promote`';
  hold(turn, 'no-record', `${why}; start ${turn.s.config.peer}, ${remedy}`);
};

/** Starting up for the first time: the records know of nobody who served, so only the two servers tell whose data is newer. */
export const isUncompared = (turn: Turn): boolean => {
  const why = whyUncompared(turn.s);
  if (why !== '') holdWithoutRecord(turn, why);
  return why !== '';
};

/** Empty: what the peer has is here, or somebody served since, or an operator answers for it. */
const whyUncompared = ({ voter, peer, database, order, config }: NodeState): string => {
  const { beat } = peer;
  // A peer that lost its record has learned from the witness who served: then the data is judged by terms.
  if (!voter.record || Math.max(voter.record.servedTerm, beat?.servedTerm ?? 0) > 0 || order) return '';
  // Until its agent has made it read-only, the peer's server may take writes as it did before there was a vipd.
  const isFinal = beat !== null && beat.role !== 'starting' && beat.readOnly && beat.position !== '';
  if (!isFinal) return `nobody has served yet, and what the database of ${config.peer} has is not known`;
  return isAhead(beat.position, database.received)
    ? `nobody has served yet, and ${config.peer} has commits that are not here`
    : '';
};

/** The peer is back, and this node has all that it has: what was not known is known now. */
export const endStale = (turn: Turn): void => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  const { record } = s.voter;
  if (!s.holds.has('stale') || !peer || !record || record.dataTerm < Math.max(record.servedTerm, peer.servedTerm))
    return;
  if (containsPosition(s.database.received, peer.position)) unhold(turn, 'stale');
};

/** The last term that served is newer than our data: only its owner's return, or the operator, helps. */
export const holdIfBehind = (turn: Turn, answers: readonly Verdict[]): void => {
  const behind = answers.filter((a) => !a.granted && a.why === 'data-behind');
  if (behind.length === 0) return;
  const own = turn.s.voter.record?.dataTerm ?? 0;
  const remedy = `start ${turn.s.config.peer}, or run \`vipctl promote --accept-loss\``;
  hold(turn, 'stale', `term ${newestServed(behind)} served last, and this node's data is of term ${own}; ${remedy}`);
};
