/**
 * What a pair without a witness promises, and where it ends (protocol.md, Two nodes without a witness). An owner's lease
 * stands on the peer's vote; or on gateways that answer while the peer is silent and its database is silent or was made
 * read-only. Two owners are a split, and no violation, only where one of them could not reach the other's database, or where
 * both took over at once.
 */

import type { Evidence } from '../../src/core/event.js';
import { countedLease } from '../../src/core/timing.js';
import { type Host, isPassing, localTime, otherNode, type World } from './world.js';

/** The last that a node found out, by its own clock. */
interface Known {
  readonly evidence: Evidence;
  readonly at: number;
}

export interface Split {
  /** By node: what it found out with its peer's database asked; and when a gateway last answered it, by its own clock. */
  readonly known: Map<string, Known>;
  readonly gatewayAt: Map<string, number>;
  /** By node: when its peer last made its database read-only. */
  readonly fencedAt: Map<string, number>;
  /** Terms won without the peer's vote: by its silence, or by an operator's word. */
  readonly alone: Map<number, 'blind' | 'fenced'>;
  /** By node: the newest term it won. */
  readonly newest: Map<string, number>;
  /** Two owners at once: what each commits is lost to the other. */
  happened: boolean;
  bothSince: number | null;
  /** The same of the standby VIP. */
  bothStandbySince: number | null;
}

export const createSplit = (): Split => ({
  known: new Map(),
  gatewayAt: new Map(),
  fencedAt: new Map(),
  alone: new Map(),
  newest: new Map(),
  happened: false,
  bothSince: null,
  bothStandbySince: null,
});

export const isPair = (world: World): boolean => world.settings.witnesses.length === 0;

export const noteEvidence = (world: World, host: Host, evidence: Evidence, fencePeer: boolean): void => {
  const { split } = world.ledger;
  const at = localTime(world, host);
  if (evidence.gateways === 'answer') split.gatewayAt.set(host.name, at);
  if (fencePeer) split.known.set(host.name, { evidence, at });
  if (evidence.peerDatabase === 'made-read-only') split.fencedAt.set(otherNode(world, host).name, world.now);
};

/** A term was won without the peer's vote. Answers why that breaks the rules; empty: it does not. */
export const noteWonAlone = (world: World, host: Host, term: number, ordered: boolean): string => {
  const { split } = world.ledger;
  const known = split.known.get(host.name);
  const recent = known !== undefined && localTime(world, host) - known.at < 2 * world.leaseMs + EVIDENCE_SLACK_MS;
  split.alone.set(term, ordered || known?.evidence.peerDatabase === 'silent' ? 'blind' : 'fenced');
  if (ordered) return '';
  if (!recent) return 'it knew nothing of its peer but that it was silent';
  if (known.evidence.gateways !== 'answer') return 'no gateway answered it';
  if (known.evidence.peerDatabase === 'refuses') return "its peer's database lived and was not made read-only";
  return '';
};

/** Between the evidence and the votes: what the disk takes, and an election that is repeated. */
const EVIDENCE_SLACK_MS = 3_000;

/** A lease that the peer does not back: a gateway has answered since the BEAT that it is counted from. */
export const isBackedByGateways = (world: World, host: Host, leaseUntil: number): boolean => {
  const sentAt = leaseUntil - countedLease(world.leaseMs);
  return (world.ledger.split.gatewayAt.get(host.name) ?? Number.NEGATIVE_INFINITY) >= sentAt - ROUNDING_MS;
};

const ROUNDING_MS = 1e-3;

/** Both pass client traffic: excused where the evidence had nothing to go on, and for a moment where it had. */
export const isExcused = (world: World, a: Host, b: Host): boolean => {
  const { split } = world.ledger;
  split.bothSince ??= world.now;
  if (hasBlindOwner(world, a, b) || fencedEachOther(world, a, b)) {
    split.happened = true;
    return world.now < world.settings.healAt + world.leaseMs + HEALED_MS;
  }
  const writers = [a, b].filter((host) => host.server?.up && !host.server.readOnly && !isOpenedByHand(world, host));
  return writers.length < 2 && world.now - split.bothSince < longestFenced(world);
};

/** Opened by an operator's hand after the peer had made it read-only: the agent has its address until the lease ends. */
export const isOpenedByHand = (world: World, { name }: Host): boolean => {
  const fencedAt = world.ledger.split.fencedAt.get(name) ?? Number.POSITIVE_INFINITY;
  return world.plan.faults.some(
    (fault) => fault.kind === 'made-writable' && fault.host === name && fault.at > fencedAt && fault.at <= world.now,
  );
};

const hasBlindOwner = (world: World, ...hosts: readonly Host[]): boolean =>
  hosts.some(({ name }) => world.ledger.split.alone.get(world.ledger.split.newest.get(name) ?? 0) === 'blind');

/** Both found the other silent at once, and each had made the other's server read-only before either opened its own. */
const fencedEachOther = (world: World, ...hosts: readonly Host[]): boolean =>
  hosts.every(({ name }) => world.ledger.split.alone.has(world.ledger.split.newest.get(name) ?? 0));

/** After all is healed the older owner hears of the other by its next BEAT. */
const HEALED_MS = 2_000;

/** An active whose database was made read-only sees it by its next polls, and fences; or its lease ends. */
const longestFenced = (world: World): number => world.leaseMs + 4 * Math.max(100, world.settings.intervalMs) + 1_500;

export const noteBothGone = (world: World): void => {
  const [a, b] = world.nodes;
  if (world.ledger.split.bothSince !== null && !(isPassing(world, a) && isPassing(world, b)))
    world.ledger.split.bothSince = null;
};

export const noteStandbyVips = (world: World, both: boolean): void => {
  const { split } = world.ledger;
  split.bothStandbySince = both ? (split.bothStandbySince ?? world.now) : null;
};

/** Two owners may each have it: as long as they may both pass traffic for the VIP. */
export const isStandbyVipExcused = (world: World, a: Host, b: Host): boolean => {
  const { split } = world.ledger;
  if (hasBlindOwner(world, a, b)) return world.now < world.settings.healAt + world.leaseMs + HEALED_MS;
  const wonAlone = [a, b].some(({ name }) => split.alone.has(split.newest.get(name) ?? 0));
  return wonAlone && world.now - (split.bothStandbySince ?? world.now) < longestFenced(world);
};
