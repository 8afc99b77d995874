/** Plays a plan from beginning to end, and judges it. */

import type { HoldName } from '../../src/core/types.js';
import { startAgent } from './agent.js';
import { type Core, realCore } from './core.js';
import { startClients } from './database.js';
import { heal, schedule } from './inject.js';
import type { GuardFault } from './kernel.js';
import { type Counts, checkOneWriter, createLedger, type Violation, violation } from './ledger.js';
import type { Plan } from './plan.js';
import { at, createWorld, type Host, isPassing, isPassingStandby, log, type World } from './world.js';

export interface RunOptions {
  readonly core?: Core;
  readonly guardFault?: GuardFault;
  readonly traced?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: Violation | null;
  /** Of everything that happened, in order. */
  readonly hash: number;
  readonly events: number;
  readonly simulatedMs: number;
  readonly counts: Counts;
  /** Empty unless asked for. */
  readonly trace: readonly string[];
  /** What an operator has to end, where nobody is active at the end. */
  readonly heldBy: readonly HoldName[];
}

/** Once healed, somebody must be active by then. */
const SETTLED_MS = 25_000;
const SETTLED_LEASES = 20;
/** And stay so for this long: a node that returns must displace nobody. */
const STABLE_MS = 1_500;
const STABLE_LEASES = 3;
const JUDGE_EVERY_MS = 100;
/** More than this in one run is a core that runs in circles. */
const EVENTS_LIMIT = 400_000;

export const runPlan = (plan: Plan, options: RunOptions = {}): RunResult => {
  const ledger = createLedger();
  const { core = realCore, guardFault = null, traced = false } = options;
  const world = createWorld({ core, plan, guardFault, traced, ledger });
  for (const host of world.hosts) at(world, world.random.between(0, 300), () => startAgent(world, host));
  startClients(world);
  for (const fault of plan.faults) schedule(world, fault);
  at(world, plan.settings.healAt, () => heal(world));
  const heldBy = play(world);
  return {
    seed: plan.seed,
    violation: ledger.violation,
    hash: world.hash >>> 0,
    events: world.events,
    simulatedMs: world.now,
    counts: ledger.counts,
    trace: world.trace ?? [],
    heldBy,
  };
};

const play = (world: World): readonly HoldName[] => {
  const { settings, ledger, queue } = world;
  const until = settings.healAt + SETTLED_MS + SETTLED_LEASES * world.leaseMs;
  const stableFor = Math.max(STABLE_MS, STABLE_LEASES * world.leaseMs);
  let stableSince: number | null = null;
  let judgeAt = settings.healAt + JUDGE_EVERY_MS;
  while (ledger.violation === null) {
    const due = queue.pop();
    if (!due) break;
    world.now = due.at;
    attempt(world, due.run);
    checkOneWriter(world);
    if (world.events > EVENTS_LIMIT) violation(world, 'core-loops', `${EVENTS_LIMIT} events in one run`);
    if (world.now < judgeAt) continue;
    judgeAt = world.now + JUDGE_EVERY_MS;
    stableSince = isSettled(world) ? (stableSince ?? world.now) : null;
    if (stableSince !== null && world.now - stableSince >= stableFor) return [];
    if (world.now >= until) return judgeUnsettled(world);
  }
  return [];
};

/** A core that throws has contradicted itself. */
const attempt = (world: World, run: () => void): void => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    violation(world, 'core-threw', error.stack ?? error.message);
  }
};

const actives = (world: World): readonly Host[] =>
  world.nodes.filter((host) => host.agent?.state?.role === 'active' && isServing(world, host));

const isSettled = (world: World): boolean => {
  const roles = world.nodes.map((host) => host.agent?.state?.role);
  return actives(world).length === 1 && roles.includes('standby') && isStandbyVipSettled(world);
};

/** On one node: on the standby, where nothing speaks against it. */
const isStandbyVipSettled = (world: World): boolean => {
  if (!world.settings.standbyVip) return true;
  const passing = world.nodes.filter((host) => isPassingStandby(world, host));
  const eligible = world.nodes.some(
    ({ agent }) => agent?.state?.role === 'standby' && typeof agent.state.standbyVip?.eligibleSince === 'number',
  );
  const [holder] = passing;
  return passing.length === 1 && (!eligible || holder?.agent?.state?.role === 'standby');
};

/** Clients can write through it; but another hand's read-only stays, where no standby is fit or `moves.cooldown` lasts. */
const isServing = (world: World, host: Host): boolean =>
  isPassing(world, host) && host.server?.up === true && (!host.server.readOnly || wasMadeReadOnly(world, host));

/** By a hand; or by a slow fence of an agent that was killed, and whose next one opened meanwhile. */
const wasMadeReadOnly = (world: World, { name }: Host): boolean =>
  world.plan.faults.some(
    (fault) => (fault.kind === 'made-read-only' || fault.kind === 'steps-slow') && fault.host === name,
  );

/**
 * Holds that only an operator ends; with one of them on every node, nobody may become active by itself. A node without a
 * record waits for the data of the other, which is in no hurry where it is kept from standing; both may not wait so.
 */
const OPERATORS_HOLDS: readonly HoldName[] = [
  'paused',
  'maintenance',
  'stale',
  'quarantined',
  'flapping',
  'loss',
  'replication',
  'hook',
  'no-record',
];

const judgeUnsettled = (world: World): readonly HoldName[] => {
  for (const host of world.nodes) log(world, host.name, describe(host));
  const stuck = world.nodes.find(
    (host) => host.agent?.state?.role === 'fencing' || host.agent?.state?.role === 'starting',
  );
  if (stuck) {
    violation(
      world,
      'fence-does-not-end',
      `${stuck.name} is still ${stuck.agent?.state?.role}, long after all was healed`,
    );
    return [];
  }
  if (actives(world).length === 1 && !isStandbyVipSettled(world)) {
    const where = world.nodes.map((host) => `${host.name}: ${host.agent?.state?.standbyVip?.phase ?? 'not running'}`);
    violation(
      world,
      'standby-vip-nowhere',
      `long after all was healed it is not where it should be: ${where.join(', ')}`,
    );
    return [];
  }
  const held = world.nodes.map((host) => OPERATORS_HOLDS.filter((name) => host.agent?.state?.holds.has(name)));
  if (held.every((names) => names.length > 0) && held.some((names) => names.some((name) => name !== 'no-record')))
    return held.flat();
  violation(world, 'no-active', `nobody is active long after all was healed: ${world.nodes.map(describe).join('; ')}`);
  return [];
};

const describe = (host: Host): string => {
  const state = host.agent?.state;
  if (!state) return `${host.name} is not running`;
  return `${host.name} is ${state.role}, term ${state.voter.record?.maxTerm ?? '-'}, holds: ${[...state.holds.keys()].join(' ') || 'none'}`;
};
