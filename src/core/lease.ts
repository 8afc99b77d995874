/** The owner's side of the lease: BEATs out, ACKs in, and what the owner may count on. */

import { unfit } from './fitness.js';
import { verdict } from './health.js';
import type { Ack, Beat, ServedAnswer } from './message.js';
import { pauseNow } from './pause.js';
import { awaitsGrant, noteStandbyVipBeat, tellsStandbyVip } from './standby-vip.js';
import type { NodeState, Ownership, Recording, SentBeat } from './state.js';
import { countedLease, resendEvery } from './timing.js';
import { isPairAlone, journal, majority, remoteVoters, send, set, type Turn, vote } from './turn.js';
import type { Instant, Opening, Term, VoterName } from './types.js';
import { onServed } from './voter.js';

/** BEATs remembered while unacknowledged: a lease's worth, and some. */
const UNACKED_LIMIT = 16;

export const newOwnership = (term: number, leaseUntil: number, reason: Opening): Ownership => ({
  term,
  leaseUntil,
  unacked: [],
  served: false,
  sync: false,
  recording: null,
  recorded: null,
  syncFrom: '',
  attachedAt: '',
  semiSyncStep: null,
  wentDownAt: null,
  reopenStep: null,
  reverseStep: null,
  stepRetryAt: 0,
  reason,
});

/** Sends a new BEAT to every voter; from the owner it asks for renewal, counted from now, before it leaves. */
export const beat = (turn: Turn): void => {
  const number = turn.s.beats.last + 1;
  set(turn, { beats: { last: number, sentAt: turn.now, resentAt: turn.now } });
  const { owner } = turn.s;
  if (owner) {
    const sent: SentBeat = { beat: number, sentAt: turn.now, acks: new Set() };
    set(turn, { owner: { ...owner, unacked: [...owner.unacked, sent].slice(-UNACKED_LIMIT) } });
    renewOwnVote(turn);
  }
  noteStandbyVipBeat(turn, number);
  const message = composeBeat(turn.s, turn.now);
  for (const voter of remoteVoters(turn.s)) send(turn, voter, message);
};

/** The owner's own vote is renewed with each BEAT: it is a voter like the others, without the wire between. */
const renewOwnVote = (turn: Turn): void => {
  const { voter, config } = turn.s;
  set(turn, { voter: { ...voter, promiseUntil: Math.max(voter.promiseUntil, turn.now + config.promiseMs) } });
};

/** Resends the newest BEAT, with its first number and time, to the voters that have not acknowledged it and may be there. */
export const resendBeat = (turn: Turn): void => {
  const { beats, config } = turn.s;
  const voters = unackedVoters(turn.s, turn.now);
  if (voters.length === 0 || turn.now - beats.resentAt < resendEvery(config)) return;
  set(turn, { beats: { ...beats, resentAt: turn.now } });
  const message = composeBeat(turn.s, turn.now);
  for (const voter of voters) send(turn, voter, message);
};

/** Who is to be asked again: to renew our lease, or to grant us the standby VIP. */
export const unackedVoters = (s: NodeState, now: Instant): readonly VoterName[] => {
  if (awaitsGrant(s, now)) return [s.config.peer];
  const newest = s.owner?.unacked.at(-1);
  if (!newest || newest.beat !== s.beats.last) return [];
  return remoteVoters(s).filter((voter) => !newest.acks.has(voter) && isHeard(s, voter, now));
};

/** A voter that has been silent for two leases is asked once an interval only. */
const isHeard = (s: NodeState, voter: VoterName, now: number): boolean =>
  now - (voter === s.config.peer ? s.peer.heardAt : (s.witnessHeard.get(voter) ?? 0)) < 2 * s.config.leaseMs;

export const composeBeat = (s: NodeState, now: number): Beat => {
  const { health, cause } = verdict(s);
  const replica = s.database.report?.replica;
  return {
    kind: 'beat',
    beat: s.beats.last,
    role: s.role,
    term: s.owner?.term ?? s.voter.record?.maxTerm ?? 0,
    owner: s.owner !== null,
    leaseMs: s.config.promiseMs,
    dataTerm: s.voter.record?.dataTerm ?? 0,
    servedTerm: s.voter.record?.servedTerm ?? 0,
    sync: s.voter.record?.sync ?? false,
    priority: s.config.priority,
    health,
    cause,
    unfit: unfit(s, now),
    holds: [...s.holds.keys()],
    position: s.database.position,
    readOnly: s.database.report?.readOnly ?? true,
    replicating: replica?.io === 'running' && replica.sql === 'running',
    // A report from before a stall: the channel may have been stopped since.
    lagMs: s.asleep && s.database.at < s.asleep.until ? -1 : Math.max(-1, replica?.lagMs ?? -1),
    progress: s.promotion?.progress ?? s.handoff?.phase ?? '',
    pause: pauseNow(s, now),
    finalPosition: s.handoff?.finalPosition ?? '',
    applied: s.applied,
    sinceMs: now - s.roleSince,
    because: s.owner?.reason ?? 'none',
    wish: s.wish?.wish ?? { id: 0, dryRun: false, force: false, timeoutMs: 0 },
    wishAnswer: s.wishAnswer,
    standbyVip: tellsStandbyVip(s, now),
  };
};

/** A majority's acknowledgement of one BEAT, ourselves included, renews the lease from when that BEAT was sent. */
export const onAck = (turn: Turn, from: VoterName, ack: Ack): void => {
  const { owner, config } = turn.s;
  if (!owner || ack.term !== owner.term || ack.leaseMs !== config.promiseMs) return;
  const acked = owner.unacked.find((sent) => sent.beat === ack.beat);
  if (!acked || acked.acks.has(from)) return;
  const acks = new Set(acked.acks).add(from);
  const unacked = owner.unacked.map((sent) => (sent === acked ? { ...sent, acks } : sent));
  set(turn, { owner: { ...owner, unacked } });
  if (acks.size + 1 >= majority(turn.s)) renewed(turn, acked);
};

/** Without a witness and with the peer silent, gateways that answered since the BEAT stand in for its acknowledgement. */
export const onGatewaysAnswer = (turn: Turn, askedAt: number): void => {
  const { owner } = turn.s;
  if (!owner || !isPairAlone(turn.s)) return;
  const newest = owner.unacked.filter((sent) => sent.sentAt <= askedAt).at(-1);
  if (newest) renewed(turn, newest);
};

const renewed = (turn: Turn, acked: SentBeat): void => {
  const { owner, config } = turn.s;
  if (!owner) return;
  const leaseUntil = Math.max(owner.leaseUntil, acked.sentAt + countedLease(config.leaseMs));
  // The acknowledged BEAT stays listed while voters that did not answer yet are asked again.
  const unacked = owner.unacked.filter((sent) => sent.beat >= acked.beat);
  set(turn, { owner: { ...owner, leaseUntil, unacked } });
};

/**
 * Asks all voters to record that our term serves. Our own record first, durably: it says that our data is of this term, and
 * were it lost after others had recorded that the term serves, everybody's data would count as behind it.
 */
export const recordServed = (turn: Turn, sync: boolean): void => {
  const { owner, config } = turn.s;
  if (!owner) return;
  // Having served, our data is of this term: written together with the record that it serves.
  const { voter } = turn.s;
  const own = voter.record ? { ...voter, record: { ...voter.record, dataTerm: owner.term } } : voter;
  vote(turn, onServed(own, config.self, { kind: 'served?', term: owner.term, sync }));
  set(turn, { owner: { ...owner, recording: { sync, acks: new Set(), sentAt: turn.now }, recorded: null } });
};

const askServed = (turn: Turn, { term }: Ownership, { sync, acks }: Recording): void => {
  if (!acks.has(turn.s.config.self)) return;
  for (const voter of remoteVoters(turn.s)) {
    if (!acks.has(voter)) send(turn, voter, { kind: 'served?', term, sync });
  }
};

/** The own record could not be written: nobody else asks for it again. */
const writeServedAgain = (turn: Turn, term: Term, recording: Recording): void => {
  const { voter, config } = turn.s;
  const underWay = voter.pending.some((waiting) => waiting.answer.kind === 'served' && waiting.to === config.self);
  if (recording.acks.has(config.self) || underWay) return;
  vote(turn, onServed(voter, config.self, { kind: 'served?', term, sync: recording.sync }));
};

export const resendServed = (turn: Turn): void => {
  const { owner, config } = turn.s;
  if (!owner?.recording) return spreadServed(turn);
  if (turn.now - owner.recording.sentAt < config.intervalMs / 2) return;
  const recording = { ...owner.recording, sentAt: turn.now };
  set(turn, { owner: { ...owner, recording } });
  writeServedAgain(turn, owner.term, recording);
  askServed(turn, owner, recording);
};

/**
 * A majority is enough to go on; a voter that was away is told once it is back. Its old word `sync=off` could be the newer one
 * for all that a candidate knows, and would hold up the takeover by a standby that has everything.
 */
const spreadServed = (turn: Turn): void => {
  const { owner, config } = turn.s;
  if (!owner?.recorded || turn.now - owner.recorded.sentAt < config.intervalMs) return;
  const { acks } = owner.recorded;
  if (remoteVoters(turn.s).every((voter) => acks.has(voter))) return;
  const recorded = { ...owner.recorded, sentAt: turn.now };
  set(turn, { owner: { ...owner, recorded } });
  askServed(turn, owner, recorded);
};

/** Answers true when a majority has now recorded it. `from` may be ourselves: our own record is on disk. */
export const onServedAnswer = (turn: Turn, from: VoterName, answer: ServedAnswer): boolean => {
  const { owner, config } = turn.s;
  if (!owner?.recording) {
    noteSpread(turn, from, answer);
    return false;
  }
  if (answer.term !== owner.term || answer.sync !== owner.recording.sync) return false;
  const acks = new Set(owner.recording.acks).add(from);
  const recording = { ...owner.recording, acks };
  set(turn, { owner: { ...owner, recording } });
  if (from === config.self) askServed(turn, owner, recording);
  const enough = isPairAlone(turn.s) ? acks.has(config.self) : acks.has(config.self) && acks.size >= majority(turn.s);
  if (!enough) return false;
  if (owner.served && owner.sync !== recording.sync) {
    journal(turn, {
      kind: 'notice',
      cause: 'sync',
      text: `a majority recorded sync=${recording.sync ? 'on' : 'off'} for term ${owner.term}`,
    });
  }
  set(turn, { owner: { ...owner, recording: null, recorded: recording, served: true, sync: recording.sync } });
  return true;
};

const noteSpread = (turn: Turn, from: VoterName, answer: ServedAnswer): void => {
  const { owner } = turn.s;
  const recorded = owner?.recorded;
  if (!owner || !recorded || answer.term !== owner.term || answer.sync !== recorded.sync) return;
  set(turn, { owner: { ...owner, recorded: { ...recorded, acks: new Set(recorded.acks).add(from) } } });
};
