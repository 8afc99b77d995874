/** A process of vipd in the world: the real core, and a shell that carries its effects out as the agent's loop does. */

import type { Effect } from '../../src/core/effect.js';
import type { Event } from '../../src/core/event.js';
import type { Message } from '../../src/core/message.js';
import type { WitnessEvent } from '../../src/core/witness.js';
import { begin, crash, enqueue } from './disk.js';
import { type Kernel, refreshGuard, shutKernel } from './kernel.js';
import { checkOneWriter, observe, observeEffect, observeSend, observeStart, violation } from './ledger.js';
import { createAssociations, sendMessage } from './network.js';
import { reportOf } from './server.js';
import { configOf, NODES } from './settings.js';
import { cancelStep, runStep } from './steps.js';
import {
  type Agent,
  at,
  atHost,
  type Host,
  localTime,
  log,
  noteEvent,
  noteText,
  otherNode,
  type World,
} from './world.js';

/** A timer fires a little late; it is never armed for less (the loop's grain). */
const TIMER_GRAIN_MS = 0.5;
const TIMER_LATE_MS = 1.5;
/** The check of a hanging server gives up after this long. */
const HANGING_MS = 1_000;
const CHECK_EVERY_MS = 500;
const POLL_LEAST_MS = 100;
/** Loops of one host within an instant: more is a core that asks for itself for ever. */
/** An operator who stopped an agent starts it again after this long. */
const STOPPED_MS: readonly [number, number] = [200, 4_000];
const EVENTS_AT_ONCE = 1_000;

export const startAgent = (world: World, host: Host): void => {
  if (host.agent || !host.powered) return;
  host.lives += 1;
  const agent: Agent = {
    life: host.lives,
    state: null,
    voter: null,
    stopped: false,
    midway: false,
    inbox: [],
    deferred: [],
    wakeToken: 0,
    due: Number.POSITIVE_INFINITY,
    associations: createAssociations(world, host),
    lastSent: new Map(),
    steps: [],
    stepRunning: false,
    cancelled: new Set(),
  };
  host.agent = agent;
  const stored = host.disk.record;
  log(world, host.name, stored ? 'process started' : 'process started without a record');
  observeStart(world, host, stored);
  const local = localTime(world, host);
  if (!host.server) {
    agent.voter = world.core.createWitness({ name: host.name, nodes: NODES, record: stored }, local);
    return;
  }
  const begun = world.core.startNode(configOf(world.settings, world.promiseMs, host.name, host.boots), stored, local);
  agent.state = begun.state;
  observe(world, host, agent, null);
  for (const effect of begun.effects) perform(world, host, agent, effect);
  poll(world, host, agent);
  check(world, host, agent);
  dispatch(world, host, agent, { type: 'tick' });
};

/** Hands an event to the process: at once, or when it goes on. */
export const deliver = (world: World, host: Host, agent: Agent, event: Event): void => {
  if (host.agent !== agent) return;
  if (agent.stopped) agent.inbox.push(() => deliver(world, host, agent, event));
  else dispatch(world, host, agent, event);
};

const dispatch = (world: World, host: Host, agent: Agent, event: Event): void => {
  const queue: Event[] = [event];
  for (let i = 0; queue.length > 0; i += 1) {
    const next = queue.shift();
    if (!next || host.agent !== agent) return;
    if (i > EVENTS_AT_ONCE) return violation(world, 'core-loops', `${host.name} never comes to rest`);
    noteEvent(world, host, next);
    const refused = agent.voter ? stepVoter(world, host, agent, next) : stepNode(world, host, agent, next);
    queue.unshift(...refused);
  }
  arm(world, host, agent);
};

const stepVoter = (world: World, host: Host, agent: Agent, event: Event): readonly Event[] => {
  if (!agent.voter || (event.type !== 'message' && event.type !== 'persisted')) return [];
  const heard = world.settings.shortPromises && host.name === 'w1' ? halved(event) : event;
  const { state, effects } = world.core.stepWitness(agent.voter, heard, localTime(world, host));
  agent.voter = state;
  observe(world, host, agent, null);
  carryOut(world, host, agent, [], effects);
  return [];
};

/** A voter of another kind, whose leases cannot be as long as it is asked for. */
const halved = (event: WitnessEvent): WitnessEvent =>
  event.type === 'message' && event.message.kind === 'beat'
    ? { ...event, message: { ...event.message, leaseMs: event.message.leaseMs / 2 } }
    : event;

/** Answers what the core has to hear of at once: a guard refused a renewal. */
const stepNode = (world: World, host: Host, agent: Agent, event: Event): readonly Event[] => {
  const before = agent.state;
  if (!before) return [];
  const readAt = localTime(world, host);
  const { state, effects } = world.core.step(before, event, readAt);
  agent.state = state;
  observe(world, host, agent, before);
  const refused: Event[] = [];
  const renew: (() => void)[] = [];
  const renewal = (kernel: Kernel, lease: number, leaseBefore: number, shut: Event): void => {
    if (lease <= leaseBefore) return;
    renew.push(() => {
      if (refreshGuard(kernel, world.guarding, localTime(world, host), readAt, lease)) return;
      if (agent.deferred.length > 0) deliver(world, host, agent, shut);
      else refused.push(shut);
    });
  };
  renewal(host.kernel, state.owner?.leaseUntil ?? 0, before.owner?.leaseUntil ?? 0, GUARD_SHUT);
  const { standbyVipUntil } = world.core;
  renewal(host.standbyKernel, standbyVipUntil(state), standbyVipUntil(before), STANDBY_GUARD_SHUT);
  carryOut(world, host, agent, renew, effects);
  return refused;
};

const GUARD_SHUT: Event = { type: 'vip-lost', address: 'the guard had shut', restored: false };
const STANDBY_GUARD_SHUT: Event = { type: 'standby-vip-lost', detail: 'the guard had shut' };

/** In order; a SIGSTOP in the middle leaves the rest for later. */
const carryOut = (
  world: World,
  host: Host,
  agent: Agent,
  first: readonly (() => void)[],
  effects: readonly Effect[],
): void => {
  if (agent.midway && first.length + effects.length > 0) {
    const todo = [...first, ...effects.map((effect) => () => perform(world, host, agent, effect))];
    return stopMidway(world, host, agent, todo);
  }
  for (const run of first) run();
  for (const effect of effects) perform(world, host, agent, effect);
};

const stopMidway = (world: World, host: Host, agent: Agent, todo: readonly (() => void)[]): void => {
  agent.midway = false;
  const done = world.random.whole(0, todo.length - 1);
  for (const run of todo.slice(0, done)) run();
  agent.deferred = todo.slice(done);
  agent.stopped = true;
  // The timer that would have been set after them is overdue when it wakes, and tells of the stall (agent/loop.ts).
  if (agent.state) agent.due = world.core.wakeAt(agent.state, localTime(world, host));
  agent.wakeToken += 1;
  log(world, host.name, `SIGSTOP after ${done} of ${todo.length} effects`);
};

/** SIGCONT: what was begun is finished; timers run before packets are read, as libuv does it. */
export const resumeAgent = (world: World, host: Host, agent: Agent): void => {
  agent.stopped = false;
  agent.midway = false;
  const { deferred } = agent;
  for (const run of deferred) {
    run();
    checkOneWriter(world);
  }
  agent.deferred = [];
  const late = localTime(world, host) - agent.due;
  if (agent.state && late > 0) {
    const stalled = late > world.settings.intervalMs;
    dispatch(world, host, agent, stalled ? { type: 'stall', forMs: late } : { type: 'tick' });
  }
  for (const run of agent.inbox.splice(0)) run();
};

const arm = (world: World, host: Host, agent: Agent): void => {
  if (!agent.state || agent.stopped || host.agent !== agent) return;
  const local = localTime(world, host);
  const due = world.core.wakeAt(agent.state, local);
  if (due === agent.due) return;
  agent.due = due;
  agent.wakeToken += 1;
  const token = agent.wakeToken;
  const wait = Math.max(TIMER_GRAIN_MS, host.clock.when(due) - world.now) + world.random.between(0, TIMER_LATE_MS);
  if (!Number.isFinite(wait)) return;
  atHost(world, host, wait, () => {
    if (host.agent !== agent || token !== agent.wakeToken || agent.stopped) return;
    const late = localTime(world, host) - agent.due;
    agent.due = Number.POSITIVE_INFINITY;
    dispatch(world, host, agent, late > world.settings.intervalMs ? { type: 'stall', forMs: late } : { type: 'tick' });
  });
};

const receive =
  (world: World) =>
  (host: Host, agent: Agent, from: string, message: Message): void =>
    deliver(world, host, agent, { type: 'message', from, message });

const perform = (world: World, host: Host, agent: Agent, effect: Effect): void => {
  if (host.agent !== agent) return;
  observeEffect(world, host, agent, effect);
  switch (effect.type) {
    case 'send':
      observeSend(world, host, effect.to, effect.message);
      return sendMessage(world, host, agent, effect.to, effect.message, receive(world));
    case 'persist':
      if (enqueue(host.disk, effect.id, effect.record)) write(world, host, agent);
      return;
    case 'vip-off':
      return vipOff(world, host, agent, host.kernel, effect.id);
    case 'standby-vip-off':
      return vipOff(world, host, agent, host.standbyKernel, effect.id);
    case 'run':
      return runStep(world, host, agent, effect.id, effect.step);
    case 'cancel':
      return cancelStep(agent, effect.id);
    case 'journal':
      noteText(world, effect.entry.cause);
      if (world.trace) log(world, host.name, tell(effect.entry));
      return;
    case 'reply':
      return log(
        world,
        host.name,
        `answers #${effect.id}: ${effect.done ? (effect.ok ? 'done' : 'refused') : '...'} ${effect.text}`,
      );
    case 'exit':
      host.agent = null;
      host.kernel.holding = false;
      host.standbyKernel.holding = false;
      crash(host.disk, 'new');
      log(world, host.name, 'process left');
      return atHost(world, host, world.random.between(...STOPPED_MS), () => startAgent(world, host));
  }
};

const tell = (entry: Extract<Effect, { type: 'journal' }>['entry']): string =>
  entry.kind === 'transition'
    ? `${entry.from} -> ${entry.to} (${entry.cause}) ${entry.text}`
    : `${entry.kind} ${entry.cause}: ${entry.text}`;

const vipOff = (world: World, host: Host, agent: Agent, kernel: Kernel, id: number): void => {
  const ok = shutKernel(kernel);
  const what = kernel === host.kernel ? 'VIP' : 'standby VIP';
  log(world, host.name, ok ? `${what} off` : `${what} could not be taken off`);
  const outcome = ok ? { ok, detail: 'VIP off' } : { ok, detail: 'the kernel refused' };
  atHost(world, host, world.random.between(0.05, 2), () =>
    deliver(world, host, agent, { type: 'outcome', id, outcome }),
  );
};

/** One write after the other; whoever asked during one shares the next. */
const write = (world: World, host: Host, agent: Agent): void => {
  const { disk } = host;
  const writing = begin(disk);
  if (!writing) return;
  const delay = world.random.between(...world.settings.diskMs) + world.random.between(0, disk.slowUpToMs);
  atHost(world, host, delay, () => {
    if (disk.writing !== writing) return;
    const ok = disk.full === 0;
    if (ok) disk.record = writing.record;
    disk.writing = null;
    const detail = ok ? '' : 'no space left on device';
    for (const id of writing.waiters) deliver(world, host, agent, { type: 'persisted', id, ok, detail });
    if (host.agent === agent && disk.next) write(world, host, agent);
  });
};

/** The database's check: what it saw is told a moment later. */
const poll = (world: World, host: Host, agent: Agent): void => {
  const { server } = host;
  if (host.agent !== agent || !server) return;
  const other = otherNode(world, host).server;
  if (!other) return;
  const report = reportOf(server, other, world.now);
  const late = report.state === 'hanging' ? HANGING_MS : world.random.between(0.2, 3);
  const every = Math.max(POLL_LEAST_MS, world.settings.intervalMs);
  atHost(world, host, late, () => {
    if (agent.stopped) agent.inbox.push(() => deliver(world, host, agent, { type: 'database', report }));
    else deliver(world, host, agent, { type: 'database', report });
  });
  atHost(world, host, Math.max(every, late), () => poll(world, host, agent));
};

/** End of file on the connection: news at once. */
export const noticeServerGone = (world: World, host: Host): void => {
  const { agent } = host;
  if (!agent || !host.server) return;
  atHost(world, host, world.random.between(0.2, 2), () =>
    deliver(world, host, agent, { type: 'database', report: { state: 'down', detail: 'connection refused' } }),
  );
};

const check = (world: World, host: Host, agent: Agent): void => {
  if (host.agent !== agent) return;
  const ok = host.checkFails === 0;
  const known = agent.state?.checks.get('disk');
  const isNews = known?.health !== (ok ? 'ok' : 'failed');
  if (!agent.stopped && isNews)
    deliver(world, host, agent, { type: 'check', name: 'disk', ok, detail: ok ? 'fine' : 'broken' });
  atHost(world, host, CHECK_EVERY_MS, () => check(world, host, agent));
};

export const tellLink = (world: World, host: Host): void => {
  const { agent } = host;
  if (!agent?.state) return;
  at(world, 0.1, () => {
    const up = host.linksDown === 0;
    deliver(world, host, agent, { type: 'link', name: 'eth0', up });
    deliver(world, host, agent, { type: 'standby-vip-usable', why: up ? '' : 'eth0 is down' });
  });
};
