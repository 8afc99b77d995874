/** Two nodes without a witness: what speaks for and against the silent peer's death (protocol.md, Two nodes without a witness). */

import type { Evidence } from './event.js';
import { onGatewaysAnswer } from './lease.js';
import { holdReplaced } from './stale.js';
import type { NodeState } from './state.js';
import { EVIDENCE_EVERY_MS } from './timing.js';
import { hold, isPairAlone, journal, peerHeard, record, run, set, type Turn, unhold } from './turn.js';
import type { Instant } from './types.js';

/** Evidence older than this speaks of another silence. */
const EVIDENCE_LEASES = 3;

/** The peer is silent, and what was found out of late speaks for its death. */
export const isTakenForDead = (s: NodeState, now: Instant): boolean =>
  !peerHeard(s, now) && s.evidence.verdict === 'peer-dead' && now - s.evidence.at < EVIDENCE_LEASES * s.config.leaseMs;

/**
 * Whoever makes the peer's server read-only from here ends the sessions that wait there for an acknowledgement. Where one
 * will not go its commit is let go: a client may hear of one that is on no standby, so `sync` is off our record until
 * they are seen to be here.
 */
export const noteReleasedCommits = (turn: Turn): void => {
  if (turn.s.voter.record?.sync) record(turn, { sync: false });
};

/** Silence alone proves nothing: looks for more, and answers whether a candidacy must wait for it. */
export const lacksEvidence = (turn: Turn): boolean => {
  const { s, now } = turn;
  const { evidence, config } = s;
  if (!isPairAlone(s) || peerHeard(s, now) || s.order) return false;
  if (s.peer.beat === null) {
    hold(turn, 'alone', `${config.peer} has not been heard since this agent started, and there is no witness to ask`);
    return true;
  }
  if (evidence.verdict === 'peer-dead' && now - evidence.at < config.leaseMs) return false;
  gather(turn);
  return true;
};

/**
 * A node that was cut off itself has heard nobody: it waits for a lease after a gateway answers, as after the peer's last
 * BEAT, before it touches the peer's database.
 */
const gather = (turn: Turn): void => {
  const { s, now } = turn;
  const { evidence, config } = s;
  if (evidence.stepId !== null) return;
  const fencePeer = couldHear(s, now) && !s.mayBeReplaced;
  const everyMs = evidence.fencePeer ? EVIDENCE_EVERY_MS : config.intervalMs / 2;
  if (now - evidence.at >= everyMs) ask(turn, fencePeer);
};

/** For so long that the peer would have been heard. */
const couldHear = ({ evidence: { reachableSince }, config }: NodeState, now: Instant): boolean =>
  reachableSince !== null && now - reachableSince >= config.leaseMs;

const ask = (turn: Turn, fencePeer: boolean): void => {
  const stepId = run(turn, { name: 'gather-evidence', fencePeer });
  set(turn, { evidence: { ...turn.s.evidence, stepId, askedAt: turn.now, fencePeer } });
};

/** An owner whose peer is silent lives by its gateways. */
export const askGateways = (turn: Turn): void => {
  const { s, now } = turn;
  const { evidence, config, owner } = s;
  if (!owner || !isPairAlone(s) || evidence.stepId !== null || now - evidence.askedAt < config.intervalMs / 2) return;
  if (now - s.peer.heardAt < config.intervalMs * 1.5 && owner.leaseUntil - now > config.leaseMs / 2) return;
  ask(turn, false);
};

/** What an earlier question found out says nothing of when a later one was asked. */
export const onEvidence = (turn: Turn, id: number, found: Evidence): void => {
  const { s } = turn;
  if (id !== s.evidence.stepId) return;
  // The peer was heard since that was asked: it was not dead.
  if (!s.owner && s.peer.heardAt > s.evidence.askedAt) return;
  // Found out before a stall, it may long be over: whom it took for dead may be back.
  if (!s.owner && s.asleep && s.evidence.askedAt <= s.asleep.from) return;
  if (found.gateways === 'silent') return onIsolated(turn, found);
  set(turn, { evidence: { ...s.evidence, reachableSince: s.evidence.reachableSince ?? turn.now } });
  if (s.owner) return found.gateways === 'answer' ? onGatewaysAnswer(turn, s.evidence.askedAt) : undefined;
  unhold(turn, 'isolated');
  onPeerDatabase(turn, found);
};

const onIsolated = (turn: Turn, { detail }: Evidence): void => {
  const { evidence, owner, role, config } = turn.s;
  set(turn, { evidence: { ...evidence, reachableSince: null } });
  if (owner) return;
  set(turn, { evidence: { ...turn.s.evidence, verdict: 'isolated', position: '', detail, at: turn.now } });
  if (role === 'standby')
    hold(turn, 'isolated', `neither ${config.peer} nor a gateway answers: it is this node that is cut off`);
};

/** What was not asked for says nothing: an owner asks its gateways only, and may own nothing by the time they answer. */
const onPeerDatabase = (turn: Turn, found: Evidence): void => {
  const { peerDatabase, detail } = found;
  const { evidence, config } = turn.s;
  const base = { ...evidence, position: '', detail, at: turn.now };
  if (!evidence.fencePeer) {
    set(turn, { evidence: { ...base, verdict: 'unknown' } });
    return considerReplaced(turn);
  }
  if (peerDatabase === 'refuses') {
    set(turn, { evidence: { ...base, verdict: 'peer-alive' } });
    const why = `the agent of ${config.peer} is silent, but its database lives and is not known to be read-only`;
    return hold(turn, 'peer-alive', `${why}: ${detail}`);
  }
  unhold(turn, 'peer-alive');
  const position = peerDatabase === 'made-read-only' ? (found.position ?? '') : '';
  if (peerDatabase === 'made-read-only') noteReleasedCommits(turn);
  set(turn, { evidence: { ...base, verdict: 'peer-dead', position } });
  journal(turn, { kind: 'notice', cause: 'evidence', text: `${config.peer} is taken for dead: ${detail}` });
};

/** Nor is its database touched by a node that it may have taken over from, unheard. */
const considerReplaced = (turn: Turn): void => {
  const { s, now } = turn;
  if (!s.mayBeReplaced || peerHeard(s, now) || !couldHear(s, now)) return;
  holdReplaced(turn, `${s.config.peer} was there when this node stopped serving, and is not heard now`);
};

/** A link that went down or came up: whom we hear through it is to be found out anew. */
export const doubtReach = (turn: Turn): void => {
  if (isPairAlone(turn.s)) set(turn, { evidence: { ...turn.s.evidence, reachableSince: null } });
};
