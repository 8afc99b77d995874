/** When a standby should stand for election, and what it waits for before. */

import { type Opening, startElection } from './election.js';
import type { Evidence } from './event.js';
import { unfit, unfitToStand } from './fitness.js';
import { dropOrder } from './order.js';
import { containsPosition } from './position.js';
import { endStale, isBlind } from './stale.js';
import type { NodeState } from './state.js';
import { EVIDENCE_EVERY_MS, keptLease, YIELD_INTERVALS } from './timing.js';
import {
  hold,
  isPairAlone,
  journal,
  livePeer,
  noticeOnce,
  peerHeard,
  run,
  set,
  type Turn,
  unhold,
  vote,
} from './turn.js';
import { makeRecord } from './voter.js';

/** Looks whether this standby should stand for election now, and says once why not. */
export const considerCandidacy = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.role !== 'standby' || s.stopping || now < s.retryAt) return;
  if (s.election && !findOpening(s, now)) set(turn, { election: null });
  if (turn.s.election) return;
  if (s.order && !s.voter.record) vote(turn, makeRecord(s.voter, now)); // the operator's word stands for what cannot be heard
  const opening = findOpening(turn.s, now);
  if (!opening) return;
  const { record } = turn.s.voter;
  endStale(turn);
  if (isBlind(turn, record?.servedTerm ?? 0, record?.sync ?? false) || isYielding(turn, opening)) return;
  const why = unfitToStand(turn.s, s.order !== null, s.order?.acceptLoss ?? false);
  if (why !== '') return refuse(turn, why);
  if (lacksEvidence(turn)) return;
  startElection(turn, opening);
};

const refuse = (turn: Turn, why: string): void => {
  noticeOnce(turn, 'refusal', 'not-a-candidate', `nobody owns the VIP, and this node does not take over: ${why}`);
  dropOrder(turn, `refused: ${why}`);
};

/** Standby 1: our own promise has run out, or its holder released it. */
const findOpening = (s: NodeState, now: number): Opening | null => {
  const { voter } = s;
  if (!voter.record || now < voter.muteUntil || now < s.startedAt + keptLease(s.config.leaseMs)) return null;
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
  const named = opening === 'released' && s.voter.released?.successor === s.config.self;
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

/** Two nodes without a witness: silence alone proves nothing. */
const lacksEvidence = (turn: Turn): boolean => {
  const { s, now } = turn;
  if (!isPairAlone(s) || peerHeard(s, now) || s.order) return false;
  if (s.peer.beat === null) {
    hold(turn, 'alone', `${s.config.peer} has not been heard since this agent started, and there is no witness to ask`);
    return true;
  }
  const { evidence } = s;
  if (evidence.verdict === 'peer-dead' && now - evidence.at < s.config.leaseMs) return false;
  if (evidence.stepId === null && now - evidence.at >= EVIDENCE_EVERY_MS) {
    const stepId = run(turn, { name: 'gather-evidence', fencePeer: true });
    set(turn, { evidence: { ...evidence, stepId, askedAt: now } });
  }
  return true;
};

export const onEvidence = (turn: Turn, evidence: Evidence): void => {
  const { s, now } = turn;
  const { peer } = s.config;
  const base = { ...s.evidence, position: '', detail: evidence.detail, at: now };
  if (evidence.gateways === 'silent') {
    set(turn, { evidence: { ...base, verdict: 'isolated' } });
    if (s.role === 'standby')
      hold(turn, 'isolated', `neither ${peer} nor a gateway answers: it is this node that is cut off`);
    return;
  }
  unhold(turn, 'isolated');
  if (evidence.peerDatabase === 'refuses') {
    set(turn, { evidence: { ...base, verdict: 'peer-alive' } });
    const why = `the agent of ${peer} is silent, but its database answers and is not known to be read-only`;
    return hold(turn, 'peer-alive', `${why}: ${evidence.detail}`);
  }
  unhold(turn, 'peer-alive');
  const position = evidence.peerDatabase === 'made-read-only' ? (evidence.position ?? '') : '';
  set(turn, { evidence: { ...base, verdict: 'peer-dead', position } });
  journal(turn, { kind: 'notice', cause: 'evidence', text: `${peer} is taken for dead: ${evidence.detail}` });
};
