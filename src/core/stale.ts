/** The holds `stale` and `no-record`: what the last owner committed, or who it was, is not known here. */

import type { Verdict } from './message.js';
import { dropOrder } from './order.js';
import { containsPosition } from './position.js';
import { keptLease } from './timing.js';
import { hold, livePeer, peerHeard, servedLast, type Turn, unhold } from './turn.js';
import type { Term } from './types.js';

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

/** A pair that starts together for the first time knows within a lease; whoever waits longer says so. */
export const considerRecord = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.voter.record) return unhold(turn, 'no-record');
  if (s.role !== 'standby' || now < s.startedAt + keptLease(s.config.leaseMs)) return;
  const why = 'no record of earlier terms is here, and not all who could tell them were heard';
  const remedy = 'or, if this node has the newest data, run `vipctl promote`';
  hold(turn, 'no-record', `${why}; start ${s.config.peer}, ${remedy}`);
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
  const behind = answers.find((a) => !a.granted && a.why === 'data-behind');
  if (!behind) return;
  const own = turn.s.voter.record?.dataTerm ?? 0;
  const remedy = `start ${turn.s.config.peer}, or run \`vipctl promote --accept-loss\``;
  hold(turn, 'stale', `term ${behind.servedTerm} served last, and this node's data is of term ${own}; ${remedy}`);
};
