/** What must never happen, checked after every event; and the truth it is checked against, which no agent sees. */

import type { Effect } from '../../src/core/effect.js';
import type { Command } from '../../src/core/event.js';
import type { Message, Role } from '../../src/core/message.js';
import type { NodeState } from '../../src/core/state.js';
import type { VoterRecord } from '../../src/core/types.js';
import { type Crash, noteCrash, type Salvage } from './crashes.js';
import { checkDisplaced } from './displaced.js';
import {
  createSplit,
  isBackedByGateways,
  isExcused,
  isPair,
  isStandbyVipExcused,
  noteBothGone,
  noteStandbyVips,
  noteWonAlone,
  type Split,
} from './split.js';
import {
  type Agent,
  type Host,
  isPassing,
  isPassingStandby,
  isTainted,
  localTime,
  log,
  otherNode,
  type World,
} from './world.js';

export interface Violation {
  readonly name: ViolationName;
  readonly text: string;
  readonly at: number;
}

export type ViolationName =
  | 'two-writers'
  | 'two-standby-vips'
  | 'standby-vip-nowhere'
  | 'term-fell'
  | 'term-not-asked'
  | 'two-owners-of-a-term'
  | 'voted-twice'
  | 'sync-write-lost'
  | 'switchover-lost-writes'
  | 'loss-above-limit'
  | 'crash-lost-writes'
  | 'served-behind'
  | 'displaced'
  | 'passes-without-role'
  | 'acts-without-lease'
  | 'lease-not-backed'
  | 'evidence-ignored'
  | 'broke-promise'
  | 'fence-does-not-end'
  | 'no-active'
  | 'core-loops'
  | 'core-threw'
  | 'not-repeatable';

/** A write whose client was told that it is committed. */
export interface Acknowledged {
  readonly origin: 0 | 1;
  readonly sequence: number;
  readonly at: number;
  /** A majority had recorded that nothing can be missing on the standby. */
  readonly inSync: boolean;
  /** The standby had it in its relay log only, and lost its power: two hosts failed. */
  frail: boolean;
}

export interface Served {
  readonly index: 0 | 1;
  readonly term: number;
  /** The newest commit of its server when it opened. */
  readonly from: number;
  readonly before: Served | null;
}

export interface Ledger {
  violation: Violation | null;
  readonly owners: Map<number, string>;
  readonly votes: Map<string, string>;
  acknowledged: Acknowledged[];
  /** The last that opened for clients. */
  served: Served | null;
  /** By node: what a majority recorded last of its term's sync. */
  readonly inSync: [boolean, boolean];
  /** The newest term given up by a planned move. */
  handedOffTerm: number;
  /** The newest term whose owner's database another hand opened in the middle of a planned move. */
  openedTerm: number;
  /** The newest term that ended because its database had failed, and the newest salvage. */
  crash: Crash | null;
  salvage: Salvage | null;
  /** Hosts on which the last statement of a killed agent made the database read-only, however much later. */
  readonly shutByTheDead: Set<string>;
  /** By host. */
  readonly terms: Map<string, { readonly life: number; readonly term: number }>;
  /** A node and a term that it stood for, "db1 3". */
  readonly asked: Set<string>;
  readonly durableTerms: Map<string, number>;
  /** What each voter last promised, until when in true time; and by node the newest term that it gave back. */
  readonly promises: Map<string, { readonly to: string; readonly term: number; readonly until: number }>;
  readonly released: Map<string, number>;
  readonly dataTerms: [number, number];
  /** By node, as it won its term: the newest term that it knew to have served. */
  readonly knownServed: [number, number];
  /** Hosts that have lost their record: what they granted before, they cannot know. */
  readonly recordLost: Set<string>;
  readonly split: Split;
  lastCommandAt: number;
  readonly counts: Counts;
}

/** What the runs reached, so that a world in which nothing happens is noticed. */
export interface Counts {
  acknowledged: number;
  lost: number;
  takeovers: number;
  handoffs: number;
  inSync: number;
  fences: number;
  /** How often the standby VIP went on somewhere. */
  standbyVips: number;
}

export const noCounts: Counts = {
  acknowledged: 0,
  lost: 0,
  takeovers: 0,
  handoffs: 0,
  inSync: 0,
  fences: 0,
  standbyVips: 0,
};

export const createLedger = (): Ledger => ({
  violation: null,
  owners: new Map(),
  votes: new Map(),
  acknowledged: [],
  served: null,
  inSync: [false, false],
  handedOffTerm: 0,
  openedTerm: 0,
  crash: null,
  salvage: null,
  shutByTheDead: new Set(),
  terms: new Map(),
  asked: new Set(),
  durableTerms: new Map(),
  promises: new Map(),
  released: new Map(),
  dataTerms: [0, 0],
  knownServed: [0, 0],
  recordLost: new Set(),
  split: createSplit(),
  lastCommandAt: Number.NEGATIVE_INFINITY,
  counts: { ...noCounts },
});

/** The first counts: what follows from it is of no interest. */
export const violation = (world: World, name: ViolationName, text: string): void => {
  if (world.ledger.violation) return;
  world.ledger.violation = { name, text, at: world.now };
  log(world, 'ALARM', `${name}: ${text}`);
};

/** The invariant of protocol.md: at no instant can two nodes pass client traffic for a VIP. */
export const checkOneWriter = (world: World): void => {
  checkStandbyVip(world);
  const [a, b] = world.nodes;
  if (!isPassing(world, a) || !isPassing(world, b)) return noteBothGone(world);
  if (isTainted(world, a) || isTainted(world, b)) return;
  if (isPair(world) && isExcused(world, a, b)) return;
  violation(world, 'two-writers', `${a.name} and ${b.name} both pass client traffic for the VIP`);
};

/** The standby VIP is for readers, and on one node at a time all the same. */
const checkStandbyVip = (world: World): void => {
  const [a, b] = world.nodes;
  const both = isPassingStandby(world, a) && isPassingStandby(world, b);
  if (!both || isTainted(world, a) || isTainted(world, b)) return noteStandbyVips(world, false);
  noteStandbyVips(world, true);
  if (isPair(world) && isStandbyVipExcused(world, a, b)) return;
  violation(world, 'two-standby-vips', `${a.name} and ${b.name} both pass traffic for the standby VIP`);
};

export const observeStart = (world: World, host: Host, stored: VoterRecord | null): void => {
  const durable = world.ledger.durableTerms.get(host.name) ?? 0;
  if (stored && stored.maxTerm < durable)
    violation(
      world,
      'term-fell',
      `${host.name} starts with term ${stored.maxTerm}, after it had told others of ${durable}`,
    );
};

/** After each step of a core: `before` is null for a witness and at a start. */
export const observe = (world: World, host: Host, agent: Agent, before: NodeState | null): void => {
  observeTerm(world, host, agent);
  const { state } = agent;
  if (!state || (host.index !== 0 && host.index !== 1)) return;
  const { ledger } = world;
  const { owner } = state;
  if (owner && before && before.owner?.term !== owner.term) {
    if (isPair(world)) checkEvidence(world, host, before, owner.term);
    const known = ledger.owners.get(owner.term);
    if (known !== undefined && known !== host.name)
      violation(world, 'two-owners-of-a-term', `${known} and ${host.name} both owned term ${owner.term}`);
    ledger.owners.set(owner.term, host.name);
    ledger.dataTerms[host.index] = before.voter.record?.dataTerm ?? 0;
    ledger.knownServed[host.index] = before.voter.record?.servedTerm ?? 0;
  }
  // A lease that was over when its term was won opens nothing, and ends at the next event.
  const held = before?.owner?.term === owner?.term;
  if (owner && held && localTime(world, host) >= owner.leaseUntil && SERVING.includes(state.role))
    violation(world, 'acts-without-lease', `${host.name} is ${state.role}, and its lease ran out`);
  const wonAlone = !held && ledger.split.alone.has(owner?.term ?? 0);
  if (owner && !wonAlone && owner.leaseUntil > (before?.owner?.leaseUntil ?? 0))
    checkBacked(world, host, owner.leaseUntil, owner.term);
  if (owner?.served) ledger.inSync[host.index] = owner.sync;
  if (state.role !== before?.role) {
    observeRole(world, state, before);
    noteCrash(world, agent, before);
  }
  if (before && !SERVING.includes(before.role) && before.fencing === null) checkShut(world, host, before.role);
};

/** A pair's term without the peer's vote: only as the evidence rules have it. */
const checkEvidence = (world: World, host: Host, before: NodeState, term: number): void => {
  const peer = otherNode(world, host).name;
  world.ledger.split.newest.set(host.name, term);
  if (before.election?.answers.get(peer)?.granted === true) return;
  const why = noteWonAlone(world, host, term, before.order !== null);
  if (why !== '') violation(world, 'evidence-ignored', `${host.name} took term ${term} alone, though ${why}`);
};

/** Of promises and leases of two clocks: what is lost in their arithmetic. */
const ROUNDING_MS = 1e-3;

/**
 * The heart of the first invariant: whenever an owner counts on a lease, a majority of the voters is bound for at least as
 * long, each by its own clock. One that is down, mute or without a record binds itself no less.
 */
const checkBacked = (world: World, host: Host, leaseUntil: number, term: number): void => {
  const end = host.clock.when(leaseUntil);
  if (isTainted(world, host) || !Number.isFinite(end) || world.now >= end) return;
  const bound = world.hosts.filter((other) => isBound(host, other, term, end)).length;
  if (bound * 2 > world.hosts.length) return;
  if (isPair(world) && isBackedByGateways(world, host, leaseUntil)) return;
  violation(
    world,
    'lease-not-backed',
    `${host.name} counts on term ${term} until ${end.toFixed(3)}, and ${bound} voters are bound for so long`,
  );
};

const isBound = (owner: Host, voter: Host, term: number, end: number): boolean => {
  const state = voter.agent?.voter ?? voter.agent?.state?.voter;
  if (!state?.record) return true;
  if (state.record.maxTerm > term || state.record.holder !== owner.name)
    return voter.clock.when(state.muteUntil) >= end;
  return voter.clock.when(Math.max(state.promiseUntil, state.muteUntil)) >= end - ROUNDING_MS;
};

const SERVING: readonly Role[] = ['promoting', 'active', 'handing-off'];

const observeTerm = (world: World, host: Host, agent: Agent): void => {
  const { asked } = world.ledger;
  if (agent.state) asked.add(`${host.name} ${agent.state.askedTerm}`);
  const record = agent.voter ? agent.voter.record : agent.state?.voter.record;
  if (!record) return;
  const known = world.ledger.terms.get(host.name);
  if (known?.life === agent.life && known.term === record.maxTerm) return;
  if (known?.life === agent.life && record.maxTerm < known.term)
    violation(world, 'term-fell', `${host.name} went from term ${known.term} back to ${record.maxTerm}`);
  // Voter 6: by a vote of its own or the BEAT of an owner, and both name who asked for that term.
  const rose = known?.life === agent.life && record.maxTerm > known.term;
  if (rose && record.holder !== null && !asked.has(`${record.holder} ${record.maxTerm}`))
    violation(
      world,
      'term-not-asked',
      `${host.name} has term ${record.maxTerm} of ${record.holder}, who never asked for it`,
    );
  world.ledger.terms.set(host.name, { life: agent.life, term: record.maxTerm });
};

const observeRole = (world: World, state: NodeState, before: NodeState | null): void => {
  const { ledger } = world;
  if (state.role === 'fencing') ledger.counts.fences += 1;
  if (state.fencing?.reason.startsWith('handed-off') && before?.owner) {
    ledger.handedOffTerm = before.owner.term;
    ledger.counts.handoffs += 1;
  }
};

/** What is neither owner nor just fencing shut its VIP when it became so; a kernel that refused is no fault of the core until it is asked again. */
const checkShut = (world: World, host: Host, role: Role): void => {
  if (!isPassing(world, host) || isTainted(world, host)) return;
  if (world.now < host.kernel.stuckUntil) return;
  violation(world, 'passes-without-role', `${host.name} is ${role} and passes client traffic`);
};

export const observeEffect = (world: World, host: Host, _agent: Agent, effect: Effect): void => {
  if (effect.type === 'persist') {
    const onDisk = host.disk.record?.maxTerm ?? 0;
    if (effect.record.maxTerm < onDisk)
      violation(world, 'term-fell', `${host.name} writes term ${effect.record.maxTerm} over ${onDisk}`);
    return;
  }
  if (effect.type !== 'journal' || effect.entry.kind !== 'transition') return;
  const { from, to, cause, text } = effect.entry;
  if ((from === 'active' || from === 'handing-off') && to !== 'active') checkDisplaced(world, host, cause, text);
};

/** A majority has owned a term between the two: a voter that hears of it, however late, follows it (protocol.md, Voters 6). */
const isSuperseded = (world: World, promised: number, asked: number): boolean =>
  [...world.ledger.owners.keys()].some((term) => term > promised && term < asked);

/** Who gives a term back has nothing of an earlier one: it asked for the later one as a node that owns none. */
const noteRelease = (world: World, host: Host, term: number): void => {
  world.ledger.released.set(host.name, Math.max(term, world.ledger.released.get(host.name) ?? 0));
};

export const observeSend = (world: World, host: Host, to: string, message: Message): void => {
  // Others act on it from now on, so it must outlive this process.
  const told = message.kind === 'vote' ? message.verdict.granted : message.kind === 'beat' && message.owner;
  if (told && (message.kind === 'vote' || message.kind === 'beat')) {
    const known = world.ledger.durableTerms.get(host.name) ?? 0;
    if (message.term > known) world.ledger.durableTerms.set(host.name, message.term);
  }
  if (message.kind === 'release') noteRelease(world, host, message.term);
  if (message.kind === 'ack') notePromise(world, host, to, message.term);
  if (message.kind !== 'vote' || !message.verdict.granted) return;
  const promised = world.ledger.promises.get(host.name);
  if (
    promised &&
    promised.to !== to &&
    world.now < promised.until - ROUNDING_MS &&
    (world.ledger.released.get(promised.to) ?? 0) < promised.term &&
    !isSuperseded(world, promised.term, message.term)
  )
    violation(
      world,
      'broke-promise',
      `${host.name} votes for ${to}, having promised itself to ${promised.to} until ${promised.until.toFixed(3)}`,
    );
  const key = `${host.name} ${message.term}`;
  const known = world.ledger.votes.get(key);
  if (known !== undefined && known !== to && !world.ledger.recordLost.has(host.name))
    violation(world, 'voted-twice', `${host.name} granted term ${message.term} to ${known} and to ${to}`);
  world.ledger.votes.set(key, to);
};

/** Counted from the receipt of the BEAT, which the voter's state remembers; the answer may have waited for the disk. */
const notePromise = (world: World, host: Host, to: string, term: number): void => {
  const state = host.agent?.voter ?? host.agent?.state?.voter;
  if (!state) return;
  const until = host.clock.when(state.promiseUntil);
  world.ledger.promises.set(host.name, { to, term, until });
};

export const noteCommand = (world: World, _command: Command): void => {
  world.ledger.lastCommandAt = world.now;
};

export const noteLostRecord = (world: World, host: Host): void => {
  world.ledger.recordLost.add(host.name);
  world.ledger.durableTerms.delete(host.name);
};
