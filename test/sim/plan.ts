/** Draws the faults and commands of a run from its seed, all of them before it begins, so that they can be left out one by one. */

import type { Step } from '../../src/core/effect.js';
import type { Command } from '../../src/core/event.js';
import type { Fault, Kind } from './fault.js';
import { createRandom, type Random } from './random.js';
import { drawSettings, hostsOf, NODES, type Settings } from './settings.js';
import { drawStandbyVipFaults } from './standby-vip-faults.js';

export interface Plan {
  readonly seed: number;
  readonly settings: Settings;
  readonly faults: readonly Fault[];
}

export const drawPlan = (seed: number): Plan => {
  const settings = drawSettings(seed);
  const random = createRandom(seed, 2);
  const count = random.whole(1, 9);
  const faults: Fault[] = [];
  let recordLost = false;
  if (random.chance(0.35)) faults.push(...random.pick(RECIPES)(random, settings));
  for (let i = 0; i < count; i += 1) {
    const drawn = drawFault(random, settings);
    // Rule 5 of the voter bears the loss of one record: two at once may hide a term.
    const losesRecord = drawn.kind === 'record-lost' || (drawn.kind === 'power-off' && drawn.torn);
    if (losesRecord && recordLost) continue;
    recordLost ||= losesRecord;
    faults.push(drawn);
    // Trouble seldom comes alone: a second one close to the first reaches more than two apart.
    if (random.chance(0.35)) faults.push(drawNear(random, settings, drawn));
  }
  faults.push(...drawStandbyVipFaults(seed, settings));
  const kept = faults.map((fault) => ({ ...fault, forMs: Math.min(fault.forMs, settings.healAt - fault.at) }));
  return { seed, settings, faults: kept.filter((fault) => fault.at < settings.healAt).sort((a, b) => a.at - b.at) };
};

type Recipe = (random: Random, settings: Settings) => readonly Fault[];

/** Faults that are dangerous together only: the world would seldom draw them so by itself. */
const RECIPES: readonly Recipe[] = [
  /** An owner that was stopped goes on just as it is cut off. */
  (random, settings) => {
    const { at, lease } = moment(random, settings);
    const host = random.pick(['db1', 'db1', 'db2']);
    const stoppedMs = Math.floor(random.between(0.2, 1.5) * lease);
    return [
      { at, forMs: stoppedMs, kind: 'agent-stop', host, midway: random.chance(0.7) },
      { at: at + Math.floor(random.between(0, stoppedMs)), forMs: 2 * lease, kind: 'isolate', host },
    ];
  },
  /** The nodes do not hear each other, and the witness forgets what it held in memory. */
  (random, settings) => {
    const { at, lease } = moment(random, settings);
    const [from, to] = random.pick([
      ['db1', 'db2'],
      ['db2', 'db1'],
    ] as const);
    const later = at + Math.floor(random.between(1, 2.5) * lease);
    return [
      { at, forMs: 5 * lease, kind: 'cut', from, to, of: 'all' },
      {
        at: later,
        forMs: Math.floor(random.between(0.02, 0.3) * lease),
        kind: 'agent-kill',
        host: thirdOf(settings),
        cleanup: false,
      },
    ];
  },
  /** Answers come late, and then the owner is cut off. */
  (random, settings) => {
    const { at, lease } = moment(random, settings);
    const upToMs = Math.floor(random.between(0.1, 0.6) * lease);
    const later = at + Math.floor(random.between(0.5, 1.5) * lease);
    return [
      ...[thirdOf(settings), 'db2'].map((from) => ({ at, forMs: 4 * lease, kind: 'delay', from, upToMs }) as const),
      { at: later, forMs: 2 * lease, kind: 'cut', from: 'db1', to: thirdOf(settings), of: 'frames' },
      { at: later, forMs: 2 * lease, kind: 'cut', from: 'db1', to: 'db2', of: 'frames' },
    ];
  },
  /** A standby whose data is old, and whose owner is gone. */
  (random, settings) => {
    const { at, lease } = moment(random, settings);
    const later = at + Math.floor(random.between(0.2, 3) * lease);
    return [
      { at, forMs: 4 * lease, kind: 'cut', from: 'db1', to: 'db2', of: random.pick(['all', 'replication']) },
      { at: later, forMs: 3 * lease, kind: random.chance(0.5) ? 'power-off' : 'isolate', host: 'db1', torn: false },
    ];
  },
  /** An agent dies beside a database that lives and cannot be made read-only. */
  (random, settings) => {
    const { at, lease } = moment(random, settings);
    const host = random.pick(['db1', 'db1', 'db2']);
    return [
      { at, forMs: 5 * lease, kind: 'steps-fail', host, step: 'database-fence', hangs: random.chance(0.5) },
      { at: at + 1, forMs: 4 * lease, kind: 'agent-kill', host, cleanup: false },
    ];
  },
  /** A vote is slow to reach the disk, and its voter dies. */
  (random, settings) => {
    const { at, lease } = moment(random, settings);
    const host = random.pick([thirdOf(settings), 'db1', 'db2']);
    const later = at + Math.floor(random.between(1, 2) * lease);
    return [
      { at, forMs: 3 * lease, kind: 'disk-slow', host, upToMs: Math.floor(lease / 2) },
      { at, forMs: 2 * lease, kind: 'isolate', host: 'db1' },
      { at: later, forMs: Math.floor(lease / 4), kind: 'agent-kill', host, cleanup: false },
    ];
  },
];

/** The voter that decides between the two nodes; without a witness the standby. */
const thirdOf = (settings: Settings): string => settings.witnesses[0] ?? 'db2';

const moment = (random: Random, settings: Settings): { readonly at: number; readonly lease: number } => ({
  at: random.whole(settings.calmUntil, Math.max(settings.calmUntil, settings.healAt - 4_000)),
  lease: settings.intervalMs * settings.deadAfter,
});

const drawFault = (random: Random, settings: Settings): Fault => {
  const at = random.whole(settings.calmUntil, settings.healAt - 500);
  return place(random, settings, at, drawKind(random, settings));
};

const drawNear = (random: Random, settings: Settings, first: Fault): Fault => {
  const lease = settings.intervalMs * settings.deadAfter;
  const at = Math.floor(first.at + random.between(0, 2 * lease));
  const kind = drawKind(random, settings);
  return place(
    random,
    settings,
    at,
    kind.kind === 'record-lost' || kind.kind === 'power-off' ? { kind: 'isolate', host: kind.host } : kind,
  );
};

/** Durations cluster around the lease, where they matter; some are long. */
const place = (random: Random, settings: Settings, at: number, kind: Kind): Fault => {
  const lease = settings.intervalMs * settings.deadAfter;
  const longest = Math.max(50, settings.healAt - at);
  const drawn = random.chance(0.7) ? random.between(0.1, 2.5) * lease : random.between(20, longest);
  return { at, forMs: isInstant(kind) ? 0 : Math.floor(Math.min(longest, drawn)), ...kind };
};

const isInstant = ({ kind }: Kind): boolean =>
  kind === 'record-lost' ||
  kind === 'vip-lost' ||
  kind === 'made-read-only' ||
  kind === 'made-writable' ||
  kind === 'operator';

const STEPS: readonly Step['name'][] = [
  'database-fence',
  'database-demote',
  'database-preflight',
  'database-catch-up',
  'database-open',
  'database-follow',
  'database-open-reverse',
  'database-semi-sync',
  'database-stop-receiver',
  'database-stop-channel',
  'database-events-on',
  'salvage',
  'vip-probe',
  'vip-on',
  'hook',
];

/** How often each kind is drawn, of the sum of all. */
const WEIGHTS: readonly (readonly [number, (random: Random, hosts: readonly string[]) => Kind])[] = [
  [12, (r, hosts) => drawCut(r, hosts)],
  [8, (r, hosts) => ({ kind: 'isolate', host: r.pick(hosts) })],
  [2, (r) => ({ kind: 'gateways-silent', host: r.pick(NODES) })],
  [5, (r, hosts) => ({ kind: 'loss', from: r.pick(hosts), rate: r.pick([0.1, 0.5, 0.9]) })],
  [4, (r, hosts) => ({ kind: 'delay', from: r.pick(hosts), upToMs: r.pick([50, 300, 1_500]) })],
  [3, (r, hosts) => ({ kind: 'duplicate', from: r.pick(hosts), rate: 0.5 })],
  [8, (r, hosts) => ({ kind: 'agent-kill', host: r.pick(hosts), cleanup: r.chance(0.5) })],
  [10, (r, hosts) => ({ kind: 'agent-stop', host: r.pick(hosts), midway: r.chance(0.5) })],
  [2, (r, hosts) => ({ kind: 'machine-freeze', host: r.pick(hosts) })],
  [7, (r, hosts) => ({ kind: 'power-off', host: r.pick(hosts), torn: r.chance(0.15) })],
  [3, (r, hosts) => ({ kind: 'record-lost', host: r.pick(hosts) })],
  [7, (r) => ({ kind: 'mysqld-kill', host: r.pick(NODES) })],
  [3, (r) => ({ kind: 'mysqld-hang', host: r.pick(NODES) })],
  [4, (r) => ({ kind: 'steps-slow', host: r.pick(NODES), upToMs: r.pick([200, 1_000, 3_000]) })],
  [6, (r) => ({ kind: 'steps-fail', host: r.pick(NODES), step: r.pick(STEPS), hangs: r.chance(0.3) })],
  [2, (r) => ({ kind: 'applier-stuck', host: r.pick(NODES) })],
  [3, (r) => ({ kind: 'channel-slow', host: r.pick(NODES) })],
  [5, (r, hosts) => ({ kind: 'disk-slow', host: r.pick(hosts), upToMs: r.pick([50, 500, 2_000]) })],
  [2, (r, hosts) => ({ kind: 'disk-full', host: r.pick(hosts) })],
  [3, (r) => ({ kind: 'check-fails', host: r.pick(NODES) })],
  [3, (r) => ({ kind: 'link-down', host: r.pick(NODES) })],
  [1, (r) => ({ kind: 'vip-lost', host: r.pick(NODES), restored: r.chance(0.5) })],
  [2, (r) => ({ kind: 'vip-stuck', host: r.pick(NODES) })],
  [1, (r) => ({ kind: 'made-read-only', host: r.pick(NODES) })],
  [1, (r) => ({ kind: 'made-writable', host: r.pick(NODES) })],
  [14, (r) => ({ kind: 'operator', host: r.pick(NODES), command: drawCommand(r) })],
];

const TOTAL = WEIGHTS.reduce((sum, [weight]) => sum + weight, 0);

const drawKind = (random: Random, settings: Settings): Kind => {
  let left = random.between(0, TOTAL);
  for (const [weight, draw] of WEIGHTS) {
    left -= weight;
    if (left < 0) return draw(random, hostsOf(settings));
  }
  return { kind: 'isolate', host: NODES[0] };
};

const drawCut = (random: Random, hosts: readonly string[]): Kind => {
  const from = random.pick(hosts);
  const to = random.pick(hosts.filter((host) => host !== from));
  return { kind: 'cut', from, to, of: random.pick(['all', 'frames', 'frames', 'replication']) };
};

const drawCommand = (random: Random): Command => {
  const switchover: Command = {
    name: 'switchover',
    dryRun: random.chance(0.1),
    force: random.chance(0.2),
    timeoutMs: 0,
  };
  return random.pick<Command>([
    switchover,
    switchover,
    switchover,
    { name: 'promote', acceptLoss: random.chance(0.4) },
    { name: 'pause', forMs: random.pick([-1, 1_000, 4_000]) },
    { name: 'resume' },
    { name: 'maintenance', on: true },
    { name: 'maintenance', on: false },
    { name: 'stop' },
  ]);
};
