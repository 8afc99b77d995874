/** One call of `step`: the state as it becomes, and the effects in order. */

import type { Effect, JournalEntry, Step } from './effect.js';
import type { Message } from './message.js';
import type { NodeState } from './state.js';
import type { HoldName, Instant, Millis, Term, VoterName, VoterRecord } from './types.js';
import { save, type Voted } from './voter.js';

export interface Turn {
  s: NodeState;
  readonly now: Instant;
  readonly effects: Effect[];
}

export const set = (turn: Turn, patch: Partial<NodeState>): void => {
  turn.s = Object.assign(copy(turn.s), patch);
};

/**
 * Field by field: V8 makes a literal of known fields some twenty times faster than it spreads an object of forty, and
 * every event makes several.
 */
const copy = (s: NodeState): NodeState => ({
  config: s.config,
  role: s.role,
  roleSince: s.roleSince,
  startedAt: s.startedAt,
  voter: s.voter,
  nextId: s.nextId,
  beats: s.beats,
  peer: s.peer,
  witnessHeard: s.witnessHeard,
  database: s.database,
  checks: s.checks,
  linksDown: s.linksDown,
  holds: s.holds,
  pauseUntil: s.pauseUntil,
  owner: s.owner,
  election: s.election,
  promotion: s.promotion,
  handoff: s.handoff,
  fencing: s.fencing,
  releasing: s.releasing,
  following: s.following,
  moving: s.moving,
  yieldUntil: s.yieldUntil,
  retryAt: s.retryAt,
  failedPromotions: s.failedPromotions,
  failedElections: s.failedElections,
  askedTerm: s.askedTerm,
  order: s.order,
  failovers: s.failovers,
  lastChangeAt: s.lastChangeAt,
  lastOwner: s.lastOwner,
  wish: s.wish,
  wishAnswer: s.wishAnswer,
  stopping: s.stopping,
  evidence: s.evidence,
  recordFault: s.recordFault,
  mayBeReplaced: s.mayBeReplaced,
  unheardSince: s.unheardSince,
  unanswered: s.unanswered,
  peerFence: s.peerFence,
  standbyVip: s.standbyVip,
  notices: s.notices,
  stalls: s.stalls,
  asleep: s.asleep,
  witnessPollAt: s.witnessPollAt,
  applied: s.applied,
});

export const send = (turn: Turn, to: VoterName, message: Message): void => {
  turn.effects.push({ type: 'send', to, message });
};

/** Asks the shell for a step; its outcome comes back under the id returned. */
export const run = (turn: Turn, step: Step): number => {
  const id = newId(turn);
  turn.effects.push({ type: 'run', id, step });
  return id;
};

export const cancel = (turn: Turn, id: number | null): void => {
  if (id !== null) turn.effects.push({ type: 'cancel', id });
};

export const vipOff = (turn: Turn): number => {
  const id = newId(turn);
  turn.effects.push({ type: 'vip-off', id });
  return id;
};

export const standbyVipOff = (turn: Turn): number => {
  const id = newId(turn);
  turn.effects.push({ type: 'standby-vip-off', id });
  return id;
};

const newId = (turn: Turn): number => {
  const id = turn.s.nextId;
  set(turn, { nextId: id + 1 });
  return id;
};

/** Takes over what the voter decided. */
export const vote = (turn: Turn, voted: Voted): void => {
  set(turn, { voter: voted.voter });
  turn.effects.push(...voted.effects);
};

/** Writes a change of the record that nothing waits for. */
export const record = (turn: Turn, patch: Partial<VoterRecord>): void => vote(turn, save(turn.s.voter, patch));

export const journal = (turn: Turn, entry: Omit<JournalEntry, 'term'> & { readonly term?: Term }): void => {
  turn.effects.push({ type: 'journal', entry: { term: knownTerm(turn.s), ...entry } });
};

/** A sentence told once of each cause, until another one takes its place; how long something lasts makes no other one. */
export const noticeOnce = (turn: Turn, kind: 'refusal' | 'notice' | 'alarm', cause: string, text: string): void => {
  const key = text.replaceAll(/\b[\d.]+ (s|ms|min)\b/g, '# $1');
  if (turn.s.notices.get(cause) === key) return;
  set(turn, { notices: new Map(turn.s.notices).set(cause, key) });
  journal(turn, { kind, cause, text });
};

export const stepDone = (turn: Turn, cause: string, startedAt: Instant, text: string): void =>
  journal(turn, { kind: 'step', cause, text, tookMs: Math.round((turn.now - startedAt) * 10) / 10 });

export const reply = (turn: Turn, id: number, done: boolean, ok: boolean, text: string): void => {
  if (id !== 0) turn.effects.push({ type: 'reply', id, done, ok, text });
};

export const hold = (turn: Turn, name: HoldName, why: string, forMs: Millis | null = null): void => {
  const known = turn.s.holds.get(name);
  const until = forMs === null ? null : turn.now + forMs;
  const holds = new Map(turn.s.holds).set(name, { name, why, since: known?.since ?? turn.now, until });
  set(turn, { holds });
  if (known?.why === why) return;
  journal(turn, { kind: 'hold', cause: name, text: why });
  if (!known && turn.s.config.hookPhases.includes('hold')) {
    run(turn, { name: 'hook', phase: 'hold', term: knownTerm(turn.s), role: turn.s.role, reason: name });
  }
};

export const unhold = (turn: Turn, name: HoldName): void => {
  if (!turn.s.holds.has(name)) return;
  const holds = new Map(turn.s.holds);
  holds.delete(name);
  set(turn, { holds });
  journal(turn, { kind: 'notice', cause: name, text: `hold ${name} ended` });
};

/** The highest term known. */
export const knownTerm = (s: NodeState): Term => s.owner?.term ?? s.voter.record?.maxTerm ?? 0;

export const remoteVoters = (s: NodeState): readonly VoterName[] => [s.config.peer, ...s.config.witnesses];

export const majority = (s: NodeState): number => Math.floor((2 + s.config.witnesses.length) / 2) + 1;

/** Two nodes and nobody else: silence must be judged by other evidence (protocol.md, Two nodes without a witness). */
export const isPairAlone = (s: NodeState): boolean => s.config.witnesses.length === 0;

export const peerHeard = (s: NodeState, now: Instant): boolean =>
  s.peer.beat !== null && now - s.peer.heardAt < s.config.leaseMs;

/** The peer's BEAT while it is heard, else null. */
export const livePeer = (s: NodeState, now: Instant): NodeState['peer']['beat'] =>
  peerHeard(s, now) ? s.peer.beat : null;

/** This node owned the newest term that opened for clients. */
export const servedLast = ({ lastOwner, config }: NodeState, servedBefore: Term): boolean =>
  lastOwner?.name === config.self && lastOwner.term >= servedBefore;

/** Which node served last, as far as this one knows. */
export const lastServer = (s: NodeState): VoterName | null => s.lastOwner?.name ?? null;
