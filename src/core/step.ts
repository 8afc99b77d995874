/** The whole node: an event and the time in, the next state and what is to be done out. */

import { considerHandoff, considerReverse, considerSemiSync, noteServerDown, onActiveOutcome } from './active.js';
import { considerCandidacy } from './candidacy.js';
import { considerStop, onCommand, tickWish } from './commands.js';
import type { Effect } from './effect.js';
import { onElectionAnswer, tickElection } from './election.js';
import type { Event, Outcome } from './event.js';
import { askGateways, doubtReach, onEvidence } from './evidence.js';
import { fence, onFencingOutcome, tickFencing } from './fencing.js';
import { brokenApplier } from './fitness.js';
import { onHandoffOutcome, tickHandoff, tickMoving } from './handoff.js';
import { onCheck, onDatabase, onLink } from './health.js';
import { beat, onAck, onServedAnswer, resendBeat, resendServed } from './lease.js';
import type { Message, PollAnswer } from './message.js';
import { tickPause } from './pause.js';
import { onPeerBeat, onPeerRelease } from './peer.js';
import { considerPeerFence, notePeerFence, peerFenceUntil } from './peer-fence.js';
import { isPlausible } from './plausible.js';
import { containsPosition } from './position.js';
import { onPromotionOutcome, onPromotionProgress, onTermRecorded, tickPromotion } from './promotion.js';
import { onReconfigured } from './reconfigure.js';
import { noteWritten, tickRecordFault } from './record-fault.js';
import { answerRecorded, tickUnanswered } from './recorded-reply.js';
import { onReleased, tickRelease } from './release.js';
import { considerRecord } from './stale.js';
import { considerFollowing, onFollowingOutcome, tickStarting } from './standby.js';
import {
  checkStandbyVip,
  considerStandbyVip,
  dropStandbyVip,
  hasStandbyVipNews,
  mayPassStandbyVip,
  onGrant,
  onStandbyVipBeat,
  onStandbyVipOutcome,
  onStandbyVipUsable,
} from './standby-vip.js';
import type { NodeState } from './state.js';
import { become } from './table.js';
import { countedLease, fenceBudget, WITNESS_POLL_MS } from './timing.js';
import { cancel, journal, reply, send, set, type Turn, unhold, vote } from './turn.js';
import type { Instant, VoterName } from './types.js';
import { isSure, learn, onPersisted, onPoll, onServed, onVote } from './voter.js';

export interface Stepped {
  readonly state: NodeState;
  readonly effects: readonly Effect[];
}

/**
 * One event. The clock is compared with the lease before the event is looked at (protocol.md, Owner 3).
 * Throws only where the program contradicts itself; the shell then fences and leaves.
 */
export const step = (state: NodeState, event: Event, now: Instant): Stepped => {
  const turn: Turn = { s: state, now: Math.max(now, state.beats.sentAt), effects: [] };
  if (state.role === 'stopped') return { state, effects: [] };
  checkLease(turn);
  checkStandbyVip(turn);
  handle(turn, event);
  settle(turn);
  return { state: turn.s, effects: turn.effects };
};

const checkLease = (turn: Turn): void => {
  const { owner, config, role } = turn.s;
  if (!owner || turn.now < owner.leaseUntil - fenceBudget(config.leaseMs)) return;
  if (role === 'promoting' || role === 'active' || role === 'handing-off') {
    fence(
      turn,
      'lease-lost',
      `term ${owner.term} was last renewed ${Math.round(turn.now - owner.leaseUntil + countedLease(config.leaseMs))} ms ago`,
    );
  }
};

const handle = (turn: Turn, event: Event): void => {
  switch (event.type) {
    case 'tick':
      return;
    case 'message':
      return onMessage(turn, event.from, event.message);
    case 'check':
      return onCheck(turn, event.name, event.ok, event.detail);
    case 'database': {
      const broken = brokenApplier(turn.s);
      onDatabase(turn, event.report);
      // The operator has mended it.
      if (broken !== '' && brokenApplier(turn.s) === '') unhold(turn, 'replication');
      return noteCaughtUp(turn);
    }
    case 'link':
      onLink(turn, event.name, event.up);
      return doubtReach(turn);
    case 'vip-lost':
      return onVipLost(turn, event.address, event.restored);
    case 'standby-vip-usable':
      return onStandbyVipUsable(turn, event.why);
    case 'standby-vip-lost':
      return dropStandbyVip(turn, event.detail);
    case 'stall':
      return onStall(turn, event.forMs);
    case 'outcome':
      return onOutcome(turn, event.id, event.outcome);
    case 'progress':
      return onPromotionProgress(turn, event.id, event.text);
    case 'persisted':
      return onWritten(turn, event.id, event.ok, event.detail);
    case 'evidence':
      return onEvidence(turn, event.id, event.evidence);
    case 'reconfigured':
      return onReconfigured(turn, event.settings, event.links);
    case 'command':
      return onCommand(turn, event.id, event.command);
  }
};

const onMessage = (turn: Turn, from: VoterName, message: Message): void => {
  const { s, now } = turn;
  const { config } = s;
  const isPeer = from === config.peer;
  if ((!isPeer && !config.witnesses.includes(from)) || !isPlausible(message)) return;
  if (!isPeer) set(turn, { witnessHeard: new Map(s.witnessHeard).set(from, now) });
  switch (message.kind) {
    case 'beat':
      if (!isPeer) return;
      onPeerBeat(turn, message);
      return onStandbyVipBeat(turn, message);
    case 'ack':
      return onAck(turn, from, message);
    case 'grant':
      return isPeer ? onGrant(turn, message) : undefined;
    case 'poll?':
      return isPeer ? vote(turn, onPoll(s.voter, from, message, now)) : undefined;
    case 'vote?':
      return isPeer ? onVoteRequest(turn, from, message) : undefined;
    case 'poll':
      learnFromPoll(turn, from, message);
      return onElectionAnswer(turn, from, message);
    case 'vote':
      return onElectionAnswer(turn, from, message);
    case 'served?':
      return isPeer ? onServedRequest(turn, from, message) : undefined;
    case 'served':
      return onServedAnswer(turn, from, message) ? onTermRecorded(turn) : undefined;
    case 'release':
      return isPeer ? onPeerRelease(turn, message) : undefined;
    case 'released':
      return onReleased(turn, from, message.term);
  }
};

/** Owner 5: a term that was voted for, or that another says it serves, ends ours at once. */
const onVoteRequest = (turn: Turn, from: VoterName, message: Extract<Message, { kind: 'vote?' }>): void => {
  vote(turn, onVote(turn.s.voter, from, message, turn.now));
  yieldToHigherTerm(turn, 'voted for');
};

const onServedRequest = (turn: Turn, from: VoterName, message: Extract<Message, { kind: 'served?' }>): void => {
  vote(turn, onServed(turn.s.voter, from, message));
  yieldToHigherTerm(turn, `${from} serves`);
};

const yieldToHigherTerm = (turn: Turn, why: string): void => {
  const { owner, voter, role } = turn.s;
  const term = voter.record?.maxTerm ?? 0;
  if (owner && role !== 'fencing' && term > owner.term) fence(turn, 'higher-term', `${why} term ${term}`);
};

/** Without a record of our own the witnesses' answers tell the terms; they are asked each second anyway. */
const learnFromPoll = (turn: Turn, from: VoterName, answer: PollAnswer): void => {
  const { voter, config } = turn.s;
  const { verdict } = answer;
  if (isSure(voter) || (!verdict.granted && verdict.why === 'no-record')) return;
  const term = verdict.granted ? answer.term - 1 : verdict.maxTerm;
  const sync = verdict.granted && verdict.sync;
  vote(turn, learn(voter, from, { term, servedTerm: verdict.servedTerm, sync, leaseMs: config.promiseMs }, turn.now));
};

const onWritten = (turn: Turn, id: number, ok: boolean, detail: string): void => {
  const { self } = turn.s.config;
  const { voter, effects } = onPersisted(turn.s.voter, id, ok, turn.now);
  set(turn, { voter });
  answerRecorded(turn, id, ok, detail);
  noteWritten(turn, ok, detail);
  for (const effect of effects) {
    if (effect.type === 'send' && effect.to === self) onOwnAnswer(turn, effect.message);
    else turn.effects.push(effect);
  }
};

/** Our own voter answers without the wire. */
const onOwnAnswer = (turn: Turn, message: Message): void => {
  const { self } = turn.s.config;
  if (message.kind === 'vote') onElectionAnswer(turn, self, message);
  if (message.kind === 'served' && onServedAnswer(turn, self, message)) onTermRecorded(turn);
};

const onOutcome = (turn: Turn, id: number, outcome: Outcome): void => {
  const { evidence, database, peerFence } = turn.s;
  if (evidence.stepId === id) return set(turn, { evidence: { ...evidence, stepId: null } });
  if (peerFence.stepId === id) {
    notePeerFence(turn, outcome);
    onPromotionOutcome(turn, id, outcome);
    return;
  }
  if (onStandbyVipOutcome(turn, id, outcome)) return;
  set(turn, { database: { ...database, seen: 0 } });
  if (onPromotionOutcome(turn, id, outcome) || onFencingOutcome(turn, id, outcome)) return;
  if (onHandoffOutcome(turn, id, outcome) || onFollowingOutcome(turn, id, outcome)) return;
  if (onActiveOutcome(turn, id, outcome)) return;
  // What nobody waited for, a hook say, is told only when it failed.
  if (!outcome.ok) journal(turn, { kind: 'alarm', cause: 'degraded', text: outcome.detail });
};

const onVipLost = (turn: Turn, address: string, restored: boolean): void => {
  const { role } = turn.s;
  if (role !== 'active' && role !== 'handing-off') return;
  if (!restored) return fence(turn, 'vip-failed', address);
  journal(turn, {
    kind: 'alarm',
    cause: 'vip-lost',
    text: `somebody took ${address} off; it was put back and announced`,
  });
};

const onStall = (turn: Turn, forMs: number): void => {
  const { stalls, config } = turn.s;
  set(turn, {
    stalls: { count: stalls.count + 1, longestMs: Math.max(stalls.longestMs, forMs) },
    asleep: { from: turn.now - forMs, until: turn.now + config.intervalMs },
  });
  journal(turn, { kind: 'notice', cause: 'stall', text: `the agent was not scheduled for ${Math.round(forMs)} ms` });
};

/** Our own report may be newer than the owner's BEAT: then we had it all when that BEAT came. */
const noteCaughtUp = (turn: Turn): void => {
  const { peer, database } = turn.s;
  if (!peer.beat?.owner || peer.caughtUpAt === peer.positionAsOf) return;
  if (!containsPosition(database.received, peer.beat.position)) return;
  set(turn, { peer: { ...peer, caughtUpAt: peer.positionAsOf } });
};

/** Everything that time or a changed state may have made due. */
const settle = (turn: Turn): void => {
  expireHolds(turn);
  tickPause(turn);
  tickUnanswered(turn);
  tickRecordFault(turn);
  tickWish(turn);
  tickStarting(turn);
  considerRecord(turn);
  tickElection(turn);
  endOverdueFence(turn);
  considerPeerFence(turn);
  tickPromotion(turn);
  tickHandoff(turn);
  tickMoving(turn);
  noteServerDown(turn);
  considerHandoff(turn);
  considerSemiSync(turn);
  considerReverse(turn);
  considerFollowing(turn);
  considerStop(turn);
  tickFencing(turn);
  tickRelease(turn);
  considerCandidacy(turn);
  considerStandbyVip(turn);
  askWitnesses(turn);
  askGateways(turn);
  // The same sum as in wakeAt: rounded otherwise, a BEAT could be due in one and not in the other.
  const due = turn.now >= turn.s.beats.sentAt + turn.s.config.intervalMs;
  if (due || hasStandbyVipNews(turn.s, turn.now)) beat(turn);
  else resendBeat(turn);
  resendServed(turn);
  leave(turn);
};

/** A fence command whose end is not told has failed like any other. */
const endOverdueFence = (turn: Turn): void => {
  const { stepId } = turn.s.peerFence;
  const until = peerFenceUntil(turn.s);
  if (stepId === null || until === null || turn.now < until) return;
  cancel(turn, stepId);
  onOutcome(turn, stepId, { ok: false, detail: `no end within ${turn.s.config.fence?.timeoutMs ?? 0} ms` });
};

const expireHolds = (turn: Turn): void => {
  for (const [name, held] of turn.s.holds) if (held.until !== null && turn.now >= held.until) unhold(turn, name);
};

/** A standby gets no ACKs: a POLL? each second tells whether the witnesses are there. */
const askWitnesses = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.owner || now - s.witnessPollAt < (s.voter.record ? WITNESS_POLL_MS : s.config.intervalMs)) return;
  set(turn, { witnessPollAt: now });
  const known = s.voter.record;
  const body = { term: (known?.maxTerm ?? 0) + 1, dataTerm: known?.dataTerm ?? 0, leaseMs: s.config.promiseMs };
  for (const witness of s.config.witnesses) send(turn, witness, { kind: 'poll?', ...body });
};

/** A node that holds nothing and was asked to stop leaves once its RELEASE is known, or has been told often enough. */
const leave = (turn: Turn): void => {
  const { s } = turn;
  if (!s.stopping || s.releasing.length > 0 || s.moving || mayPassStandbyVip(s, turn.now)) return;
  if (s.role !== 'starting' && s.role !== 'standby' && s.role !== 'candidate' && s.role !== 'fencing') return;
  if (s.role === 'fencing' && s.fencing?.released !== true) return;
  become(turn, 'stopped', 'stop');
  reply(turn, s.stopping.commandId, true, true, 'stopped');
  turn.effects.push({ type: 'exit' });
};
