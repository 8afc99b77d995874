/** A voter's promises and its record: what it grants, renews, refuses and adopts (protocol.md, Voter 1 to 6). */

import type { Effect } from './effect.js';
import type { Beat, Message, PollRequest, Refusal, Release, ServedRequest, Verdict, VoteRequest } from './message.js';
import { keptLease, SUCCESSOR_LEASES } from './timing.js';
import type { Instant, Millis, Position, Term, VoterName, VoterRecord } from './types.js';

export interface VoterState {
  readonly name: VoterName;
  readonly nodes: readonly VoterName[];
  /** Whose terms must be heard before a lost record may be made anew. */
  readonly quorumToLearn: (heard: ReadonlySet<VoterName>) => boolean;
  /** Null: none that could be read. */
  readonly record: VoterRecord | null;
  /** Until then the vote belongs to `record.holder`. */
  readonly promiseUntil: Instant;
  /** The holder gave the term up; for a while only its successor is granted. */
  readonly released: { readonly term: Term; readonly successor: VoterName | ''; readonly until: Instant } | null;
  /** Grants nothing before: what was promised before the restart is not known. */
  readonly muteUntil: Instant;
  readonly startedAt: Instant;
  /** The newest position heard from an owner; in memory only. */
  readonly lastPosition: Position;
  /** What others told of their terms while we have no record. */
  readonly learned: ReadonlyMap<VoterName, Learned>;
  readonly nextPersistId: number;
  /** Answers that wait for the disk. */
  readonly pending: readonly Pending[];
  /** What is surely on disk, and what is being written: renewals must not wait for a write that does not concern them. */
  readonly durable: Promised;
  readonly writing: readonly (Promised & { readonly id: number })[];
}

/** How far a record promises. */
interface Promised {
  readonly maxTerm: Term;
  readonly maxLeaseMs: Millis;
}

export interface Learned {
  readonly term: Term;
  readonly servedTerm: Term;
  readonly sync: boolean;
  readonly leaseMs: Millis;
}

interface Pending {
  readonly id: number;
  readonly to: VoterName;
  readonly answer: Message;
  /** Sent instead when the record could not be written. */
  readonly otherwise: Message | null;
}

export interface Voted {
  readonly voter: VoterState;
  readonly effects: readonly Effect[];
}

export const emptyRecord = (): VoterRecord => ({
  maxTerm: 0,
  holder: null,
  servedTerm: 0,
  sync: true,
  maxLeaseMs: 0,
  dataTerm: 0,
  byWord: false,
  pause: { version: 0, on: false, leftMs: -1, since: 0, boot: '' },
  maintenance: false,
});

export interface VoterOptions {
  readonly name: VoterName;
  readonly nodes: readonly VoterName[];
  readonly record: VoterRecord | null;
  readonly quorumToLearn: (heard: ReadonlySet<VoterName>) => boolean;
}

export const createVoter = (options: VoterOptions, now: Instant): VoterState => ({
  ...options,
  promiseUntil: now,
  released: null,
  // Rule 4: nothing for (1+ρ) × the largest L promised. A new record has promised nothing.
  muteUntil: options.record ? now + keptLease(options.record.maxLeaseMs) : now,
  startedAt: now,
  lastPosition: '',
  learned: new Map(),
  nextPersistId: 1,
  pending: [],
  durable: { maxTerm: options.record?.maxTerm ?? -1, maxLeaseMs: options.record?.maxLeaseMs ?? 0 },
  writing: [],
});

/** Would this be granted? Changes nothing (POLL?). */
export const judge = (
  voter: VoterState,
  candidate: VoterName,
  asked: { readonly term: Term; readonly dataTerm: Term },
  now: Instant,
): Verdict => {
  const record = voter.record;
  const refuse = (why: Refusal, leftMs = 0): Verdict => ({
    granted: false,
    why,
    holder: record?.holder ?? '',
    maxTerm: record?.maxTerm ?? 0,
    servedTerm: record?.servedTerm ?? 0,
    leftMs: Math.max(0, leftMs),
  });
  if (!record || (record.byWord && candidate !== voter.name)) return refuse('no-record');
  if (asked.dataTerm < record.servedTerm) return refuse('data-behind');
  if (now < voter.muteUntil) return refuse('mute', voter.muteUntil - now);
  if (asked.term <= record.maxTerm) return refuse('old-term');
  if (record.holder !== candidate) {
    if (now < voter.promiseUntil) return refuse('promised', voter.promiseUntil - now);
    const { released } = voter;
    if (released && now < released.until && released.successor !== '' && released.successor !== candidate)
      return refuse('not-successor', released.until - now);
  }
  return { granted: true, lastPosition: voter.lastPosition, servedTerm: record.servedTerm, sync: record.sync };
};

export const onPoll = (voter: VoterState, from: VoterName, poll: PollRequest, now: Instant): Voted => ({
  voter,
  effects: [send(from, { kind: 'poll', term: poll.term, verdict: judge(voter, from, poll, now) })],
});

/** Rule 2. A grant that is being written counts as given; its answer waits for the disk. */
export const onVote = (voter: VoterState, from: VoterName, vote: VoteRequest, now: Instant): Voted => {
  if (isRepeatedVote(voter, from, vote)) return answerAgain(voter, from, vote, now);
  const verdict = judge(voter, from, vote, now);
  const answer: Message = { kind: 'vote', term: vote.term, verdict };
  if (!verdict.granted) return { voter, effects: [send(from, answer)] };
  const otherwise: Message = { kind: 'vote', term: vote.term, verdict: refusedByDisk(voter) };
  return saveThen(grant(voter, from, vote.term, vote.leaseMs, now), {}, from, answer, otherwise);
};

/** The vote given in memory; the caller sees to it that it is written before it is used. */
export const grant = (
  voter: VoterState,
  candidate: VoterName,
  term: Term,
  leaseMs: Millis,
  now: Instant,
): VoterState => {
  if (!voter.record) return voter;
  const maxLeaseMs = Math.max(voter.record.maxLeaseMs, leaseMs);
  return {
    ...voter,
    record: { ...voter.record, maxTerm: term, holder: candidate, maxLeaseMs },
    promiseUntil: now + leaseMs,
    released: null,
  };
};

/** Rules 3 and 6: renew the holder's promise, or adopt the owner of a higher term. */
export const onBeat = (voter: VoterState, from: VoterName, beat: Beat, now: Instant): Voted => {
  const heard = learn(voter, from, beat, now);
  const { record } = heard.voter;
  if (!beat.owner || !record || beat.term < record.maxTerm) return heard;
  if (heard.voter.released?.term === beat.term) return heard; // a RELEASE is irrevocable
  const serves = beat.role === 'active' || beat.role === 'handing-off';
  // A record that was made anew knows the term and not its holder: whoever owns it says so.
  const same = beat.term === record.maxTerm;
  if (same && record.holder !== null && record.holder !== from) return heard;
  const known = same && record.holder === from;
  const promised: VoterState = {
    ...heard.voter,
    // A BEAT that asks for less than a vote has promised takes nothing back: the owner counts on that.
    promiseUntil: Math.max(heard.voter.promiseUntil, now + beat.leaseMs),
    released: null,
    // One that is still being promoted may have less than the last that served, whose commits are weighed by this.
    lastPosition: serves && beat.position !== '' ? beat.position : heard.voter.lastPosition,
  };
  const ack: Message = { kind: 'ack', beat: beat.beat, term: beat.term, leaseMs: beat.leaseMs };
  const patch = {
    maxTerm: beat.term,
    holder: from,
    maxLeaseMs: Math.max(record.maxLeaseMs, beat.leaseMs),
    byWord: false,
  };
  const served = known ? unheardServed(record, beat) : {};
  if (Object.keys(served).length === 0) {
    // A renewal writes nothing, unless it promises more than was ever promised or follows a term not known yet.
    if (known && covers(voter.durable, beat)) return { voter: promised, effects: [...heard.effects, send(from, ack)] };
    // Being written already: the resend that follows in a tenth of an interval is acknowledged.
    if (known && voter.writing.some((w) => covers(w, beat))) return { voter: promised, effects: heard.effects };
  }
  const saved = saveThen(promised, { ...patch, ...served }, from, ack, null);
  return { voter: saved.voter, effects: [...heard.effects, ...saved.effects] };
};

/** What the owner's BEAT tells of its term that a lost SERVED? should have told: it is not asked again once a majority knows. */
const unheardServed = (record: VoterRecord, beat: Beat): Partial<VoterRecord> => {
  if (beat.servedTerm !== beat.term) return {};
  if (beat.role === 'active' && record.servedTerm < beat.term) return { servedTerm: beat.term, sync: false };
  // `off` is believed from the BEAT as well, `on` is not.
  return record.sync && !beat.sync && record.servedTerm === beat.term ? { sync: false } : {};
};

/**
 * What a standby knows to have served. In a pair without a witness its owner may have recorded a term alone, while this node
 * was away: nobody else can tell that our data is behind it.
 */
export const learnServed = (voter: VoterState, { role, servedTerm }: Beat): Voted => {
  const { record } = voter;
  if (!record || !isSure(voter) || role !== 'standby' || servedTerm <= record.servedTerm) return { voter, effects: [] };
  // It may have been ours, where our record was lost since.
  const adopted = servedTerm > record.maxTerm ? { maxTerm: servedTerm, holder: null } : {};
  return save(voter, { ...adopted, servedTerm, sync: false });
};

/** SERVED?: only the holder's word counts; an owner we have not heard of yet is adopted. */
export const onServed = (voter: VoterState, from: VoterName, served: ServedRequest): Voted => {
  const { record } = voter;
  if (!record || served.term < record.maxTerm || voter.released?.term === served.term) return { voter, effects: [] };
  if (served.term === record.maxTerm && record.holder !== null && record.holder !== from) return { voter, effects: [] };
  const patch = { maxTerm: served.term, holder: from, servedTerm: served.term, sync: served.sync, byWord: false };
  return saveThen(voter, patch, from, { kind: 'served', term: served.term, sync: served.sync }, null);
};

export const onRelease = (voter: VoterState, from: VoterName, release: Release, now: Instant): Voted => {
  const { record } = voter;
  const answer: Message = { kind: 'released', term: release.term };
  const effects = [send(from, answer)];
  if (!record || record.maxTerm !== release.term) return { voter, effects };
  if (record.holder !== null && record.holder !== from) return { voter, effects };
  if (voter.released?.term === release.term) return { voter, effects };
  const until = now + SUCCESSOR_LEASES * record.maxLeaseMs;
  const freed: VoterState = {
    ...voter,
    promiseUntil: now,
    released: { term: release.term, successor: release.successor, until },
    lastPosition: release.finalPosition === '' ? voter.lastPosition : release.finalPosition,
  };
  if (!release.unserved || record.servedTerm !== release.term) return { voter: freed, effects };
  // Else the other node's data, which lacks nothing, would count as behind a term that never opened.
  const patch = {
    servedTerm: release.servedTerm,
    sync: release.sync,
    dataTerm: Math.min(record.dataTerm, release.servedTerm),
  };
  return saveThen(freed, patch, from, answer, null);
};

/** Rule 5: without a record nothing is guessed; once enough others told their terms, a record is made from them. */
export const learn = (voter: VoterState, from: VoterName, told: Learned, now: Instant): Voted => {
  if (isSure(voter)) return { voter, effects: [] };
  const { term, servedTerm, sync, leaseMs } = told;
  const learned = new Map(voter.learned).set(from, { term, servedTerm, sync, leaseMs });
  const heard = { ...voter, learned };
  if (!voter.quorumToLearn(new Set(learned.keys()))) return { voter: heard, effects: [] };
  return save(withLearned(heard, now));
};

/** A record that was kept, or made of what enough others told; not one that an operator's word stands for. */
export const isSure = ({ record }: VoterState): boolean => record !== null && !record.byWord;

/** More terms than were ever given unheard of by those who can be heard: none of them may be given once more. */
const WORD_TERM_GAP = 1_000;

/** An operator says `promote` where not all could be heard who know what was lost. */
export const makeRecordByWord = (voter: VoterState, now: Instant): Voted => {
  const made = withLearned(voter, now);
  return save(made, { maxTerm: (made.record?.maxTerm ?? 0) + WORD_TERM_GAP, byWord: true });
};

/** The record as what was learned has it; a vote that was given by an operator's word stays given. */
const withLearned = (voter: VoterState, now: Instant): VoterState => {
  const told = [...voter.learned.values()];
  const servedTerm = Math.max(0, ...told.map((t) => t.servedTerm));
  const known = voter.record ?? emptyRecord();
  const maxTerm = Math.max(known.maxTerm, ...told.map((t) => t.term));
  const maxLeaseMs = Math.max(known.maxLeaseMs, ...told.map((t) => t.leaseMs));
  const record: VoterRecord = {
    ...known,
    maxTerm,
    holder: maxTerm === known.maxTerm ? known.holder : null,
    servedTerm,
    sync: told.filter((t) => t.servedTerm === servedTerm).every((t) => t.sync),
    maxLeaseMs,
    byWord: false,
  };
  // What was promised before the loss is not known either: mute as after any restart.
  const muteUntil = Math.max(now, voter.startedAt + keptLease(maxLeaseMs));
  return { ...voter, record, muteUntil, learned: new Map() };
};

/** Write the record, with nothing waiting for it. */
export const save = (voter: VoterState, patch: Partial<VoterRecord> = {}): Voted => {
  if (!voter.record) return { voter, effects: [] };
  const record = { ...voter.record, ...patch };
  const id = voter.nextPersistId;
  const writing = [...voter.writing, { id, maxTerm: record.maxTerm, maxLeaseMs: record.maxLeaseMs }].slice(
    -PENDING_LIMIT,
  );
  return { voter: { ...voter, record, writing, nextPersistId: id + 1 }, effects: [{ type: 'persist', id, record }] };
};

/** Write, and only then answer. */
const saveThen = (
  voter: VoterState,
  patch: Partial<VoterRecord>,
  to: VoterName,
  answer: Message,
  otherwise: Message | null,
): Voted => {
  const id = voter.nextPersistId;
  const saved = save(voter, patch);
  return {
    ...saved,
    voter: { ...saved.voter, pending: [...voter.pending, { id, to, answer, otherwise }].slice(-PENDING_LIMIT) },
  };
};

/** Answers waiting for the disk at most; a voter is asked by two nodes. */
const PENDING_LIMIT = 64;

/** A promise counts from its answer, however long that waited; one that another's vote has overtaken is not given. */
export const onPersisted = (voter: VoterState, id: number, ok: boolean, now: Instant): Voted => {
  const effects: Effect[] = [];
  let { promiseUntil } = voter;
  for (const waiting of voter.pending) {
    if (waiting.id !== id) continue;
    const message = ok ? waiting.answer : waiting.otherwise;
    if (!message) continue;
    if (isPromise(message)) {
      if (!isHolder(voter, waiting.to, message.term)) continue;
      promiseUntil = Math.max(promiseUntil, now + (voter.record?.maxLeaseMs ?? 0));
    }
    effects.push(send(waiting.to, message));
  }
  const written = ok ? voter.writing.find((w) => w.id === id) : undefined;
  return {
    voter: {
      ...voter,
      promiseUntil,
      pending: voter.pending.filter((p) => p.id !== id),
      writing: voter.writing.filter((w) => w.id !== id),
      durable: written && written.maxTerm >= voter.durable.maxTerm ? written : voter.durable,
    },
    effects,
  };
};

const isPromise = (message: Message): message is Extract<Message, { kind: 'ack' | 'vote' }> =>
  message.kind === 'ack' || (message.kind === 'vote' && message.verdict.granted);

const isHolder = ({ record, released }: VoterState, name: VoterName, term: Term): boolean =>
  record?.maxTerm === term && record.holder === name && released?.term !== term;

/** A VOTE? already granted whose answer was lost; granting it once more changes nothing but the promise. */
const isRepeatedVote = (voter: VoterState, from: VoterName, vote: VoteRequest): boolean =>
  isHolder(voter, from, vote.term);

const answerAgain = (voter: VoterState, from: VoterName, vote: VoteRequest, now: Instant): Voted => {
  const { record } = voter;
  if (!record || !covers(voter.durable, vote)) return { voter, effects: [] }; // the first answer is on its way
  const verdict: Verdict = {
    granted: true,
    lastPosition: voter.lastPosition,
    servedTerm: record.servedTerm,
    sync: record.sync,
  };
  const promiseUntil = Math.max(voter.promiseUntil, now + vote.leaseMs);
  return { voter: { ...voter, promiseUntil }, effects: [send(from, { kind: 'vote', term: vote.term, verdict })] };
};

const covers = (promised: Promised, asked: { readonly term: Term; readonly leaseMs: Millis }): boolean =>
  promised.maxTerm === asked.term && promised.maxLeaseMs >= asked.leaseMs;

const refusedByDisk = (voter: VoterState): Verdict => ({
  granted: false,
  why: 'disk',
  holder: voter.record?.holder ?? '',
  maxTerm: voter.record?.maxTerm ?? 0,
  servedTerm: voter.record?.servedTerm ?? 0,
  leftMs: 0,
});

const send = (to: VoterName, message: Message): Effect => ({ type: 'send', to, message });
