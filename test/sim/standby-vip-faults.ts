/** Faults that are dangerous together for the standby VIP only; drawn from a seed of their own, so that other plans stay as they are. */

import type { Fault } from './fault.js';
import { createRandom, type Random } from './random.js';
import type { Settings } from './settings.js';

/** How often a group that has a standby VIP meets one of them. */
const CHANCE = 0.4;

export const drawStandbyVipFaults = (seed: number, settings: Settings): readonly Fault[] => {
  const random = createRandom(seed, 7);
  if (!settings.standbyVip || !random.chance(CHANCE)) return [];
  const at = random.whole(settings.calmUntil, Math.max(settings.calmUntil, settings.healAt - 4_000));
  return random.pick(RECIPES)(random, at, settings.intervalMs * settings.deadAfter);
};

type Recipe = (random: Random, at: number, leaseMs: number) => readonly Fault[];

const RECIPES: readonly Recipe[] = [
  /** Grants come late, and then the nodes do not hear each other. */
  (random, at, leaseMs) => {
    const later = at + Math.floor(random.between(0.6, 1.5) * leaseMs);
    const upToMs = Math.floor(random.between(0.2, 0.8) * leaseMs);
    return [{ at, forMs: 3 * leaseMs, kind: 'delay', from: 'db1', upToMs }, ...cutBoth(random, later, 3 * leaseMs)];
  },
  /** The standby has to give it up, and cannot take it off. */
  (random, at, leaseMs) => [
    { at, forMs: 2 * leaseMs, kind: 'vip-stuck', host: 'db2' },
    {
      at: at + Math.floor(random.between(0, leaseMs)),
      forMs: 0,
      kind: 'operator',
      host: 'db2',
      command: { name: 'maintenance', on: true },
    },
    { at: at + 3 * leaseMs, forMs: 0, kind: 'operator', host: 'db2', command: { name: 'maintenance', on: false } },
  ],
  /** The standby is stopped just as it decides, and the nodes do not hear each other. */
  (random, at, leaseMs) => [
    { at, forMs: Math.floor(random.between(0.2, 2) * leaseMs), kind: 'agent-stop', host: 'db2', midway: true },
    ...cutBoth(random, at + Math.floor(random.between(0, leaseMs)), 2 * leaseMs),
  ],
  /** It lags for a moment: it gives up what was granted, while grants are on their way. */
  (random, at, leaseMs) => [
    { at, forMs: 3 * leaseMs, kind: 'delay', from: random.pick(['db1', 'db2']), upToMs: leaseMs },
    { at, forMs: Math.floor(random.between(500, 2_000)), kind: 'check-fails', host: 'db2' },
    { at: at + Math.floor(random.between(0, 2) * leaseMs), forMs: 3 * leaseMs, kind: 'applier-stuck', host: 'db2' },
  ],
  /** A planned move under late frames: both ask and grant in turn. */
  (random, at, leaseMs) => [
    { at, forMs: 4_000, kind: 'delay', from: random.pick(['db1', 'db2']), upToMs: leaseMs },
    {
      at: at + Math.floor(random.between(0, leaseMs)),
      forMs: 0,
      kind: 'operator',
      host: random.pick(['db1', 'db2']),
      command: { name: 'switchover', dryRun: false, force: true, timeoutMs: 0 },
    },
  ],
];

const cutBoth = (random: Random, at: number, forMs: number): readonly Fault[] => {
  const of = 'frames' as const;
  const cuts: readonly Fault[] = [
    { at, forMs, kind: 'cut', from: 'db1', to: 'db2', of },
    { at, forMs, kind: 'cut', from: 'db2', to: 'db1', of },
  ];
  return random.chance(0.4) ? [random.pick(cuts)] : cuts;
};
