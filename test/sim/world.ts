/** The simulated world: true time, hosts with clocks of their own, and what has happened so far. */

import type { Event } from '../../src/core/event.js';
import type { Message } from '../../src/core/message.js';
import type { NodeState } from '../../src/core/state.js';
import type { VoterState } from '../../src/core/voter.js';
import type { Association } from '../../src/wire/session.js';
import { type Clock, createClock } from './clock.js';
import type { Core } from './core.js';
import { createDisk, type Disk } from './disk.js';
import type { Fault } from './fault.js';
import { createGuarding, createKernel, type GuardFault, type Guarding, type Kernel, passes } from './kernel.js';
import type { Ledger } from './ledger.js';
import type { Plan } from './plan.js';
import { createQueue, type Queue } from './queue.js';
import { createRandom, type Random } from './random.js';
import { createServer, type Server } from './server.js';
import { hostsOf, type Settings } from './settings.js';

/** A process of vipd: the agent of a node, or a witness. */
export interface Agent {
  readonly life: number;
  state: NodeState | null;
  voter: VoterState | null;
  /** SIGSTOP: what arrives waits here. */
  stopped: boolean;
  /** The next event's effects are cut off by a SIGSTOP. */
  midway: boolean;
  readonly inbox: (() => void)[];
  /** Effects decided before a SIGSTOP and not carried out yet. */
  deferred: (() => void)[];
  wakeToken: number;
  due: number;
  readonly associations: Map<string, Association>;
  readonly lastSent: Map<string, Message>;
  /** Database steps, one at a time. */
  readonly steps: { readonly id: number; readonly start: () => void }[];
  stepRunning: boolean;
  readonly cancelled: Set<number>;
}

export interface Host {
  readonly name: string;
  readonly index: number;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly kernel: Kernel;
  /** The same for the standby VIP. */
  readonly standbyKernel: Kernel;
  /** Null: a witness. */
  readonly server: Server | null;
  powered: boolean;
  boots: number;
  lives: number;
  agent: Agent | null;
  /** How many faults of the kind hold now. */
  frozen: number;
  stops: number;
  linksDown: number;
  checkFails: number;
  slowUpToMs: number;
  readonly failing: (readonly [step: string, hangs: boolean])[];
  /** What happened to a frozen machine waits. */
  readonly suspended: (() => void)[];
  /** Until then, by its own clock, what it does is not covered: it was frozen (protocol.md, What it does not cover). */
  taintedUntil: number;
}

export interface World {
  readonly core: Core;
  readonly plan: Plan;
  readonly settings: Settings;
  readonly leaseMs: number;
  /** What voters are asked to promise. */
  readonly promiseMs: number;
  readonly guarding: Guarding;
  readonly hosts: readonly Host[];
  readonly nodes: readonly [Host, Host];
  readonly queue: Queue;
  readonly random: Random;
  now: number;
  /** Faults of the network that hold now. */
  network: readonly Fault[];
  /** Of everything that happened, in order: two runs that agree in it were the same. */
  hash: number;
  events: number;
  readonly trace: string[] | null;
  readonly ledger: Ledger;
  nextCommand: number;
}

export interface WorldOptions {
  readonly core: Core;
  readonly plan: Plan;
  readonly guardFault: GuardFault | null;
  readonly traced: boolean;
  readonly ledger: Ledger;
}

export const createWorld = ({ core, plan, guardFault, traced, ledger }: WorldOptions): World => {
  const { settings } = plan;
  const leaseMs = settings.intervalMs * settings.deadAfter;
  const hosts = hostsOf(settings).map((name, index) => createHost(settings, name, index));
  const [first, second] = hosts;
  if (!first || !second) throw new RangeError('a group has two nodes');
  return {
    core,
    plan,
    settings,
    leaseMs,
    promiseMs: settings.guard === 'address' ? core.addressPromiseMs(leaseMs) : leaseMs,
    guarding: createGuarding(settings.guard, leaseMs, core.addressLifetimeSeconds(leaseMs), guardFault),
    hosts,
    nodes: [first, second],
    queue: createQueue(),
    random: createRandom(plan.seed, 3),
    now: 0,
    network: [],
    hash: 0x811c9dc5 | 0,
    events: 0,
    trace: traced ? [] : null,
    ledger,
    nextCommand: 1,
  };
};

const createHost = (settings: Settings, name: string, index: number): Host => {
  const drawn = settings.clocks[index];
  return {
    name,
    index,
    clock: createClock(drawn?.offsetMs ?? 0, drawn?.rate ?? 1),
    disk: createDisk(),
    kernel: createKernel(),
    standbyKernel: createKernel(),
    server: index === 0 || index === 1 ? createServer(index) : null,
    powered: true,
    boots: 0,
    lives: 0,
    agent: null,
    frozen: 0,
    stops: 0,
    linksDown: 0,
    checkFails: 0,
    slowUpToMs: 0,
    failing: [],
    suspended: [],
    taintedUntil: Number.NEGATIVE_INFINITY,
  };
};

export const hostNamed = (world: World, name: string): Host => {
  const found = world.hosts.find((host) => host.name === name);
  if (!found) throw new RangeError(`no host ${name}`);
  return found;
};

export const otherNode = (world: World, host: Host): Host => world.nodes[host.index === 0 ? 1 : 0];

export const at = (world: World, delayMs: number, run: () => void): void => world.queue.push(world.now + delayMs, run);

/** Something on a host: waits while its machine is frozen, and is gone when its power is. */
export const atHost = (world: World, host: Host, delayMs: number, run: () => void): void => {
  const { boots } = host;
  at(world, delayMs, () => {
    if (host.boots !== boots) return;
    if (host.frozen > 0) host.suspended.push(() => host.boots === boots && run());
    else run();
  });
};

export const localTime = (world: World, host: Host): number => host.clock.local(world.now);

export const isTainted = (world: World, host: Host): boolean => localTime(world, host) < host.taintedUntil;

/** Client traffic for the VIP gets through to this host. */
export const isPassing = (world: World, host: Host): boolean => isReached(world, host, host.kernel);

/** The same for the standby VIP. */
export const isPassingStandby = (world: World, host: Host): boolean => isReached(world, host, host.standbyKernel);

const isReached = (world: World, host: Host, kernel: Kernel): boolean =>
  host.powered && host.frozen === 0 && host.linksDown === 0 && passes(kernel, world.guarding, localTime(world, host));

export const log = (world: World, who: string, text: string): void => {
  world.trace?.push(`${world.now.toFixed(3).padStart(11)} ${who.padEnd(4)} ${text}`);
};

const FNV_PRIME = 0x01000193;

/** FNV-1a over whole numbers. */
export const note = (world: World, value: number): void => {
  world.hash = Math.imul(world.hash ^ value, FNV_PRIME);
};

export const noteText = (world: World, text: string): void => {
  let hash = world.hash;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  world.hash = hash;
};

/** An event's place in the hash: microseconds, whose, and what. */
export const noteEvent = (world: World, host: Host, event: Event): void => {
  world.events += 1;
  note(world, Math.floor(world.now * 1_000));
  note(world, host.index);
  noteText(world, event.type === 'message' ? event.message.kind : event.type);
};
