/** What a run is played with: the group's configuration, its clocks and its network, drawn from the seed. */

import type { CoreConfig } from '../../src/core/types.js';
import { createRandom, type Random } from './random.js';

export const NODES = ['db1', 'db2'] as const;

export interface Settings {
  /** None: silence is judged by gateways and the peer's database. */
  readonly witnesses: readonly string[];
  readonly intervalMs: number;
  readonly deadAfter: number;
  readonly semiSync: CoreConfig['semiSync'];
  readonly maxLossMs: CoreConfig['maxLossMs'];
  readonly salvage: boolean;
  readonly cooldownMs: number;
  readonly maxFailovers: number;
  readonly hookPhases: CoreConfig['hookPhases'];
  readonly fence: CoreConfig['fence'];
  /** By host, in the order of `hosts`. */
  readonly clocks: readonly { readonly offsetMs: number; readonly rate: number }[];
  /** One way, of a healthy network. */
  readonly latencyMs: readonly [number, number];
  readonly stepMs: readonly [number, number];
  readonly diskMs: readonly [number, number];
  /** A client writes this often. */
  readonly writeEveryMs: number;
  /** Faults happen between these times. */
  readonly calmUntil: number;
  readonly healAt: number;
  /** The first witness promises half of what it is asked, and says so. */
  readonly shortPromises: boolean;
  /** After healing, an operator ends pause and maintenance. */
  readonly operatorHeals: boolean;
  readonly guard: 'nftables' | 'address';
  readonly standbyVip: CoreConfig['standbyVip'];
}

/**
 * Two clocks differ by less than ρ (protocol.md): with each this close to true time, (1+x)/(1-x) is just below 1/(1-ρ).
 */
export const MAX_DRIFT = 0.005;

/** It moves to the standby only once that has been fit for a while. */
const STANDBY_VIP_ARRIVES_MS = 2_500;

export const hostsOf = (settings: Settings): readonly string[] => [...NODES, ...settings.witnesses];

export const drawSettings = (seed: number): Settings => {
  const random = createRandom(seed, 1);
  const witnesses = drawWitnesses(random);
  const intervalMs = random.pick([100, 200, 300, 500, 700]);
  const standbyVip = drawStandbyVip(createRandom(seed, 6));
  const calmUntil = random.whole(1_500, 3_000) + intervalMs * 5 + (standbyVip ? STANDBY_VIP_ARRIVES_MS : 0);
  return {
    witnesses,
    intervalMs,
    deadAfter: random.pick([3, 3, 3, 4, 5]),
    semiSync: random.pick(['off', 'manage', 'manage']),
    maxLossMs: random.pick([5_000, 5_000, 1_000, 0, 'any']),
    salvage: random.chance(0.7),
    cooldownMs: random.pick([0, 5_000, 60_000]),
    maxFailovers: random.pick([3, 100, 100]),
    hookPhases: random.chance(0.2) ? ['pre-promote', 'pre-demote', 'post-demote', 'post-promote'] : [],
    fence: drawFence(createRandom(seed, 5)),
    clocks: [...NODES, ...witnesses].map(() => drawClock(random)),
    latencyMs: random.pick([
      [0.1, 0.5],
      [0.2, 5],
      [1, 20],
    ]),
    stepMs: random.pick([
      [1, 5],
      [2, 40],
    ]),
    diskMs: random.pick([
      [0.5, 3],
      [1, 15],
    ]),
    writeEveryMs: random.pick([40, 90, 250]),
    calmUntil,
    healAt: calmUntil + random.whole(6_000, 14_000),
    shortPromises: random.chance(0.06),
    operatorHeals: random.chance(0.6),
    guard: random.chance(0.85) ? 'nftables' : 'address',
    standbyVip,
  };
};

const drawFence = (random: Random): Settings['fence'] =>
  random.chance(0.2) ? { required: random.chance(0.7), timeoutMs: 2_000 } : null;

const drawStandbyVip = (random: Random): Settings['standbyVip'] =>
  random.chance(0.5) ? { maxLagMs: random.pick([500, 3_000, 10_000]) } : null;

const drawWitnesses = (random: Random): readonly string[] => {
  const kind = random.float();
  if (kind < 0.7) return ['w1'];
  return kind < 0.85 ? ['w1', 'w2', 'w3'] : [];
};

/** The bound is where faults show, so half of the clocks run at it. */
const drawClock = (random: Random): { readonly offsetMs: number; readonly rate: number } => {
  const drift = random.chance(0.5) ? random.pick([-MAX_DRIFT, MAX_DRIFT]) : random.between(-MAX_DRIFT, MAX_DRIFT);
  return { offsetMs: Math.floor(random.between(1_000, 10_000_000)), rate: 1 + drift };
};

/** `promiseMs`: what voters are asked to promise. */
export const configOf = (settings: Settings, promiseMs: number, self: string, boots = 0): CoreConfig => ({
  group: 'orders',
  self,
  boot: `boot ${boots}`,
  peer: self === 'db1' ? 'db2' : 'db1',
  witnesses: settings.witnesses,
  priority: self === 'db1' ? 100 : 90,
  peerPriority: self === 'db1' ? 90 : 100,
  intervalMs: settings.intervalMs,
  leaseMs: settings.intervalMs * settings.deadAfter,
  promiseMs,
  // A pair without a witness is refused without gateways (src/config/rules-members.ts).
  gateways: settings.witnesses.length === 0,
  semiSync: settings.semiSync,
  checks: { database: { fall: 2, rise: 1 }, disk: { fall: 2, rise: 1 } },
  cooldownMs: settings.cooldownMs,
  maxFailovers: settings.maxFailovers,
  failoverWindowMs: 600_000,
  catchUpTimeoutMs: 3_000,
  maxLossMs: settings.maxLossMs,
  salvage: settings.salvage,
  hookPhases: settings.hookPhases,
  fence: settings.fence,
  standbyVip: settings.standbyVip,
});
