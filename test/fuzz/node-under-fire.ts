/** One real core with a shell that does as it likes, and an account of its own of what the core may count on. */

import type { Effect, Step } from '../../src/core/effect.js';
import type { Event } from '../../src/core/event.js';
import type { Message } from '../../src/core/message.js';
import { startNode } from '../../src/core/start.js';
import type { NodeState } from '../../src/core/state.js';
import { type Stepped, step } from '../../src/core/step.js';
import type { CoreConfig, VoterName, VoterRecord } from '../../src/core/types.js';
import { wakeAt } from '../../src/core/wake.js';

/**
 * Checks that the core does not pass yet; `true` switches one on.
 * servedFences: an owner that hears SERVED? of a higher term fences, as it does for a BEAT of one.
 * freshVotesOnly: a VOTE that answers an election given up does not count in a later one for the same term.
 */
const STRICT = { servedFences: true, freshVotesOnly: true } as const;

/** ρ of protocol.md, as the owner must subtract it. */
const DRIFT = 0.01;
/** Room for the last bit of a floating-point sum. */
const ROUNDING_MS = 1e-6;
/** Bounds on what one event may bring about, and on what may be remembered: generous, but numbers. */
const EFFECTS_LIMIT = 200;
const REMEMBERED_LIMIT = 70;

export type Running = { readonly id: number; readonly step: Step | 'vip-off' | 'standby-vip-off' };

export interface NodeUnderFire {
  readonly state: () => NodeState;
  readonly now: () => number;
  /** Steps that were asked for and have no outcome yet. */
  readonly running: readonly Running[];
  readonly writing: readonly { readonly id: number; readonly record: VoterRecord }[];
  /** Sent by the node, newest last, a few of them. */
  readonly sent: readonly { readonly to: VoterName; readonly message: Message }[];
  readonly stopped: () => boolean;
  readonly advance: (ms: number) => void;
  /** Throws where the core threw, or broke what must always hold. */
  readonly take: (event: Event) => void;
}

const SENT_LIMIT = 64;
const SERVING = new Set(['promoting', 'active', 'handing-off']);

export const createNodeUnderFire = (config: CoreConfig, stored: VoterRecord | null, startMs: number): NodeUnderFire => {
  let now = startMs;
  let running: Running[] = [];
  let writing: { id: number; record: VoterRecord }[] = [];
  let sent: { to: VoterName; message: Message }[] = [];
  let stopped = false;
  const account = createAccount(config);

  const absorb = (stepped: Stepped): NodeState => {
    if (stepped.effects.length > EFFECTS_LIMIT) throw new Error(`${stepped.effects.length} effects of one event`);
    for (const effect of stepped.effects) carryOut(effect, stepped.state);
    check(stepped.state);
    return stepped.state;
  };

  const carryOut = (effect: Effect, after: NodeState): void => {
    if (effect.type === 'send') {
      sent = [...sent, { to: effect.to, message: effect.message }].slice(-SENT_LIMIT);
      account.noteSent(effect.message, now);
    }
    if (effect.type === 'run') {
      running.push({ id: effect.id, step: effect.step });
      if (effect.step.name === 'vip-on') account.checkOpening(after, now);
    }
    if (effect.type === 'vip-off' || effect.type === 'standby-vip-off')
      running.push({ id: effect.id, step: effect.type });
    if (effect.type === 'cancel') running = running.filter(({ id }) => id !== effect.id);
    if (effect.type === 'persist') writing.push({ id: effect.id, record: effect.record });
    if (effect.type === 'exit') stopped = true;
  };

  const check = (s: NodeState): void => {
    if (SERVING.has(s.role) !== (s.owner !== null)) throw new Error(`${s.role} ${s.owner ? 'with' : 'without'} a term`);
    if (s.owner) account.checkLease(s, now);
    if (s.role !== 'stopped') {
      const wake = wakeAt(s, now);
      if (!(wake > now) || !Number.isFinite(wake)) throw new Error(`asks to be woken at ${wake}, now being ${now}`);
    }
    checkBounds(s);
  };

  let state = absorb(startNode(config, stored, now));
  return {
    state: () => state,
    now: () => now,
    get running() {
      return running;
    },
    get writing() {
      return writing;
    },
    get sent() {
      return sent;
    },
    stopped: () => stopped,
    advance: (ms) => {
      now += ms;
    },
    take: (event) => {
      if (event.type === 'outcome') running = running.filter(({ id }) => id !== event.id);
      if (event.type === 'persisted') {
        account.notePersisted(
          writing.find(({ id }) => id === event.id),
          event.ok,
        );
        writing = writing.filter(({ id }) => id !== event.id);
      }
      if (event.type === 'message') account.noteHeard(event.from, event.message);
      const before = state;
      state = absorb(step(state, event, now));
      account.checkVote(before, state);
    },
  };
};

const checkBounds = (s: NodeState): void => {
  const sizes = {
    holds: s.holds.size,
    unacked: s.owner?.unacked.length ?? 0,
    pending: s.voter.pending.length,
    writing: s.voter.writing.length,
    learned: s.voter.learned.size,
    witnesses: s.witnessHeard.size,
    checks: s.checks.size,
    asks: s.standbyVip?.asks.length ?? 0,
    answers: s.election?.answers.size ?? 0,
    askAgain: s.election?.askAgain.size ?? 0,
  };
  for (const [what, size] of Object.entries(sizes)) {
    if (size > REMEMBERED_LIMIT) throw new Error(`${size} ${what} remembered`);
  }
};

/** Reckons from the outside what protocol.md allows: who voted for which term, and which BEATs a majority acknowledged. */
const createAccount = (config: CoreConfig) => {
  const voters: readonly VoterName[] = [config.self, config.peer, ...config.witnesses];
  const majority = Math.floor(voters.length / 2) + 1;
  const votes = new Map<number, Set<VoterName>>();
  const askedAt = new Map<number, number>();
  const beats = new Map<number, { readonly term: number; readonly sentAt: number; readonly acks: Set<VoterName> }>();
  const leases = new Map<number, number>();
  const served = new Map<number, Set<VoterName>>();

  const setOf = (map: Map<number, Set<VoterName>>, term: number): Set<VoterName> => {
    const known = map.get(term) ?? new Set();
    map.set(term, known);
    return known;
  };
  const lengthen = (term: number, from: number): void => {
    leases.set(term, Math.max(leases.get(term) ?? 0, from + config.leaseMs * (1 - DRIFT)));
  };

  return {
    noteSent: (message: Message, now: number): void => {
      const first = message.kind === 'vote?' && !askedAt.has(message.term);
      if (message.kind === 'vote?' && (first || !STRICT.freshVotesOnly)) askedAt.set(message.term, now);
      if (message.kind !== 'beat' || !message.owner || beats.has(message.beat)) return;
      beats.set(message.beat, { term: message.term, sentAt: now, acks: new Set([config.self]) });
    },
    noteHeard: (from: VoterName, message: Message): void => {
      if (!voters.includes(from)) return;
      if (message.kind === 'vote' && message.verdict.granted) setOf(votes, message.term).add(from);
      if (message.kind === 'served') setOf(served, message.term).add(from);
      if (message.kind !== 'ack' || message.leaseMs !== config.promiseMs) return;
      const beat = beats.get(message.beat);
      if (beat?.term !== message.term) return;
      beat.acks.add(from);
      if (beat.acks.size >= majority) lengthen(message.term, beat.sentAt);
    },
    notePersisted: (written: { readonly record: VoterRecord } | undefined, ok: boolean): void => {
      if (!ok || written === undefined) return;
      const { maxTerm, holder, servedTerm } = written.record;
      if (holder === config.self) setOf(votes, maxTerm).add(config.self);
      if (holder === config.self) lengthen(maxTerm, askedAt.get(maxTerm) ?? Number.NEGATIVE_INFINITY);
      if (servedTerm > 0) setOf(served, servedTerm).add(config.self);
    },
    /** The VIP goes on: a majority voted for the term, and recorded that it serves. */
    checkOpening: (s: NodeState, now: number): void => {
      const term = s.owner?.term ?? 0;
      if (s.owner === null || s.owner.leaseUntil <= now) throw new Error(`opens term ${term} without a lease`);
      if (config.witnesses.length === 0) return;
      const [voted, recorded] = [setOf(votes, term).size, setOf(served, term).size];
      if (voted < majority) throw new Error(`opens term ${term} with ${voted} of ${majority} votes`);
      if (recorded < majority) throw new Error(`opens term ${term} recorded by ${recorded} of ${majority}`);
    },
    checkLease: (s: NodeState, now: number): void => {
      const { owner } = s;
      if (!owner) return;
      // Elected by a slow disk it may be too late from the start: nothing is open yet, and the next event fences.
      if (s.role !== 'promoting' && now > owner.leaseUntil)
        throw new Error(`${s.role} ${now - owner.leaseUntil} ms after its lease`);
      if (config.witnesses.length === 0) return;
      const allowed = leases.get(owner.term) ?? 0;
      if (owner.leaseUntil > allowed + ROUNDING_MS)
        throw new Error(`counts on a lease until ${owner.leaseUntil}, and may until ${allowed}`);
    },
    /** Terms only rise, a term has one holder, and who owns a term has not voted for another. */
    checkVote: (before: NodeState, after: NodeState): void => {
      const [was, is] = [before.voter.record, after.voter.record];
      if (!is) return;
      if (was && is.maxTerm < was.maxTerm) throw new Error(`its term fell from ${was.maxTerm} to ${is.maxTerm}`);
      if (was && is.maxTerm === was.maxTerm && was.holder !== null && was.holder !== is.holder)
        throw new Error(`term ${is.maxTerm} went from ${was.holder} to ${is.holder}`);
      const { owner } = after;
      if (owner && !STRICT.servedFences && is.maxTerm > owner.term) return;
      if (owner && (is.maxTerm !== owner.term || is.holder !== config.self))
        throw new Error(`owns term ${owner.term} and voted for ${is.holder} in term ${is.maxTerm}`);
    },
  };
};
