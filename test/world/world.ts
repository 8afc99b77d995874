/** Two nodes, their witnesses, a network and a clock in memory: the real cores, everything else told what to do. */

import type { Effect, Step } from '../../src/core/effect.js';
import type { Command, Event } from '../../src/core/event.js';
import type { Message } from '../../src/core/message.js';
import { standbyVipUntil } from '../../src/core/standby-vip.js';
import { startNode } from '../../src/core/start.js';
import { step } from '../../src/core/step.js';
import type { CoreConfig } from '../../src/core/types.js';
import { wakeAt } from '../../src/core/wake.js';
import { createWitness, stepWitness } from '../../src/core/witness.js';
import { commit, createServer, replicate, reportOf } from './database.js';
import { type Host, host, log, passes, passesStandby, type Scheduled, type World } from './host.js';
import { gather, tryStep } from './steps.js';

const NODES = ['db1', 'db2'] as const;
const LATENCY_MS = 1;
const STEP_MS = 2;
const DISK_MS = 1;
const POLL_MS = 100;
/** A step that hangs is reported by the shell at its deadline. */
const STEP_DEADLINE_MS = 5_000;

export const createWorld = (witnesses: readonly string[], overrides: Partial<CoreConfig> = {}): World => {
  const config = (self: string): CoreConfig => ({
    group: 'orders',
    self,
    boot: 'boot',
    peer: self === 'db1' ? 'db2' : 'db1',
    witnesses,
    priority: self === 'db1' ? 100 : 90,
    peerPriority: self === 'db1' ? 90 : 100,
    intervalMs: 100,
    leaseMs: 300,
    promiseMs: 300,
    gateways: witnesses.length === 0,
    semiSync: 'off',
    checks: { database: { fall: 2, rise: 1 }, disk: { fall: 2, rise: 1 } },
    cooldownMs: 60_000,
    maxFailovers: 3,
    failoverWindowMs: 600_000,
    catchUpTimeoutMs: 3_000,
    salvage: false,
    maxLossMs: 5_000,
    hookPhases: [],
    fence: null,
    standbyVip: null,
    ...overrides,
  });
  const world: World = {
    hosts: new Map(),
    config,
    witnesses,
    now: 0,
    cuts: new Set(),
    trace: [],
    queue: [],
    sequence: 0,
    nextCommand: 1,
  };
  for (const [index, name] of [...NODES, ...witnesses].entries()) world.hosts.set(name, createHost(name, index + 1));
  return world;
};

const createHost = (name: string, id: number): Host => ({
  name,
  state: null,
  voter: null,
  disk: null,
  diskFails: false,
  frozen: false,
  vip: false,
  guardUntil: 0,
  standbyVip: false,
  standbyGuardUntil: 0,
  server: createServer(id),
  life: 0,
  boots: 0,
  failing: new Map(),
  hanging: new Set(),
  slow: new Map(),
  cancelled: new Set(),
  evidence: { gateways: 'answer', peerDatabase: 'silent', detail: 'gateways answer, its database does not' },
  inbox: [],
  wakeToken: 0,
});

const at = (world: World, delay: number, run: () => void): void => {
  world.sequence += 1;
  const item: Scheduled = { at: world.now + delay, order: world.sequence, run };
  const index = world.queue.findIndex((q) => q.at > item.at);
  if (index < 0) world.queue.push(item);
  else world.queue.splice(index, 0, item);
};

export const runFor = (world: World, ms: number): void => {
  const end = world.now + ms;
  for (let next = world.queue[0]; next && next.at <= end; next = world.queue[0]) {
    world.queue.shift();
    world.now = next.at;
    next.run();
    assertOneWriter(world);
  }
  world.now = end;
};

/** The first invariant, checked after every single thing that happens. */
const assertOneWriter = (world: World): void => {
  const open = NODES.map((name) => host(world, name)).filter(
    (h) => passes(world, h) && h.server.up && !h.server.readOnly,
  );
  if (open.length > 1) throw new Error(`two writers at ${world.now}\n${world.trace.join('\n')}`);
  if (NODES.every((name) => passesStandby(world, host(world, name))))
    throw new Error(`the standby VIP twice at ${world.now}\n${world.trace.join('\n')}`);
};

const isNode = (name: string): boolean => name === 'db1' || name === 'db2';

export const startAgent = (world: World, name: string): void => {
  const h = host(world, name);
  h.life += 1;
  h.frozen = false;
  if (!isNode(name)) {
    h.voter = createWitness({ name, nodes: [...NODES], record: h.disk }, world.now);
    return log(world, name, h.disk ? 'witness started' : 'witness started, without a record');
  }
  log(world, name, h.disk ? 'agent started' : 'agent started, without a record');
  const begun = startNode({ ...world.config(name), boot: `boot ${h.boots}` }, h.disk, world.now);
  h.state = begun.state;
  perform(world, h, begun.effects);
  deliver(world, h, { type: 'check', name: 'disk', ok: true, detail: 'fine' });
  poll(world, h, h.life);
  wake(world, h);
};

/** The process is gone; what the kernel and the database hold stays. */
export const killAgent = (world: World, name: string): void => {
  const h = host(world, name);
  h.life += 1;
  h.state = null;
  h.voter = null;
  log(world, name, 'agent killed');
};

/** Power off: everything but the disk is gone. */
export const killHost = (world: World, name: string): void => {
  const h = host(world, name);
  h.life += 1;
  h.state = null;
  h.voter = null;
  h.vip = false;
  h.standbyVip = false;
  h.boots += 1;
  h.server.up = false;
  h.server.received = new Map(h.server.committed);
  log(world, name, 'host dead');
};

/** The server starts as my.cnf has it: read-only, replication stopped. */
export const startDatabase = (world: World, name: string): void => {
  const { server } = host(world, name);
  Object.assign(server, { up: true, hanging: false, readOnly: true, io: false, sql: false, semiSync: false });
  log(world, name, 'database started');
};

const poll = (world: World, h: Host, life: number): void => {
  if (h.life !== life || !h.state) return;
  const other = host(world, h.name === 'db1' ? 'db2' : 'db1');
  const reachable = !world.cuts.has(`${other.name}>${h.name}`) && !world.cuts.has('replication');
  replicate(h.server, other.server, reachable);
  if (!h.frozen) deliver(world, h, { type: 'database', report: reportOf(h.server, other.server, reachable) });
  at(world, POLL_MS, () => poll(world, h, life));
};

/** Clients write through the VIP wherever it is; replication follows at once. */
export const write = (world: World, count: number): number => {
  let accepted = 0;
  for (const name of NODES) {
    const h = host(world, name);
    for (let i = 0; i < count && passes(world, h); i += 1) if (commit(h.server)) accepted += 1;
  }
  for (const name of NODES) {
    const replica = host(world, name);
    const source = host(world, name === 'db1' ? 'db2' : 'db1');
    replicate(
      replica.server,
      source.server,
      !world.cuts.has(`${source.name}>${name}`) && !world.cuts.has('replication'),
    );
  }
  return accepted;
};

export const deliver = (world: World, h: Host, event: Event): void => {
  if (h.frozen) return;
  if (h.voter && (event.type === 'message' || event.type === 'persisted')) {
    const { state, effects } = stepWitness(h.voter, event, world.now);
    h.voter = state;
    return perform(world, h, effects);
  }
  if (!h.state) return;
  const { state, effects } = step(h.state, event, world.now);
  h.state = state;
  if (state.owner) h.guardUntil = state.owner.leaseUntil;
  renewStandbyGuard(world, h, standbyVipUntil(state));
  perform(world, h, effects);
  wake(world, h);
};

/** As in the kernel, what has run out is not refreshed: only `standby-vip-on` opens it. */
const renewStandbyGuard = (world: World, h: Host, until: number): void => {
  if (passesStandby(world, h) && until > h.standbyGuardUntil) h.standbyGuardUntil = until;
};

const wake = (world: World, h: Host): void => {
  if (!h.state || h.frozen) return;
  h.wakeToken += 1;
  const token = h.wakeToken;
  const due = Math.max(0.1, wakeAt(h.state, world.now) - world.now);
  at(world, due, () => {
    if (token === h.wakeToken) deliver(world, h, { type: 'tick' });
  });
};

/** A stopped process: it sees nothing until it goes on, then everything at once, fencing first. */
export const freeze = (world: World, name: string): void => {
  host(world, name).frozen = true;
  log(world, name, 'agent stopped (SIGSTOP)');
};

export const thaw = (world: World, name: string): void => {
  const h = host(world, name);
  h.frozen = false;
  log(world, name, 'agent goes on (SIGCONT)');
  for (const { from, message } of h.inbox.splice(0)) deliver(world, h, { type: 'message', from, message });
  deliver(world, h, { type: 'tick' });
};

const perform = (world: World, h: Host, effects: readonly Effect[]): void => {
  for (const effect of effects) performOne(world, h, effect);
};

const performOne = (world: World, h: Host, effect: Effect): void => {
  const { life } = h;
  const answer = (delay: number, event: Event): void =>
    at(world, delay, () => {
      if (h.life === life) deliver(world, h, event);
    });
  switch (effect.type) {
    case 'send':
      return transmit(world, h.name, effect.to, effect.message);
    case 'persist':
      if (!h.diskFails) h.disk = effect.record;
      return answer(DISK_MS, {
        type: 'persisted',
        id: effect.id,
        ok: !h.diskFails,
        detail: h.diskFails ? 'no space left on device' : '',
      });
    case 'vip-off': {
      const refused = h.failing.get('vip-off');
      if (refused !== undefined)
        return answer(0, { type: 'outcome', id: effect.id, outcome: { ok: false, detail: refused } });
      if (h.vip) log(world, h.name, 'VIP off');
      h.vip = false;
      return answer(0, { type: 'outcome', id: effect.id, outcome: { ok: true, detail: 'VIP off' } });
    }
    case 'standby-vip-off':
      if (h.standbyVip) log(world, h.name, 'standby VIP off');
      h.standbyVip = false;
      return answer(STEP_MS, {
        type: 'outcome',
        id: effect.id,
        outcome: { ok: true, detail: 'standby VIP off' },
      });
    case 'run':
      return runStep(world, h, effect.id, effect.step, answer);
    case 'cancel':
      h.cancelled.add(effect.id);
      return;
    case 'journal': {
      const { entry } = effect;
      const move =
        entry.kind === 'transition'
          ? `${entry.from} -> ${entry.to} (${entry.cause}) `
          : `${entry.kind} ${entry.cause}: `;
      return log(world, h.name, `${move}${entry.text}`);
    }
    case 'reply':
      return log(
        world,
        h.name,
        `answers #${effect.id}: ${effect.done ? (effect.ok ? 'done' : 'refused') : '...'} ${effect.text}`,
      );
    case 'exit':
      h.life += 1;
      h.state = null;
      return log(world, h.name, 'agent left');
  }
};

const runStep = (
  world: World,
  h: Host,
  id: number,
  todo: Step,
  answer: (delay: number, event: Event) => void,
): void => {
  if (todo.name === 'hook') log(world, h.name, `hooks of ${todo.phase}: ${todo.reason}`);
  if (todo.name === 'gather-evidence')
    answer(STEP_MS, { type: 'evidence', id, evidence: gather(world, h, todo.fencePeer) });
  if (h.hanging.has(todo.name)) return;
  const { life } = h;
  // A step that waits looks again until its deadline, as the shell's does.
  const attempt = (until: number): void => {
    if (h.life !== life || h.cancelled.has(id)) return;
    const outcome = tryStep(world, h, todo);
    if (outcome) return deliver(world, h, { type: 'outcome', id, outcome });
    if (world.now < until) return at(world, STEP_MS, () => attempt(until));
    deliver(world, h, { type: 'outcome', id, outcome: { ok: false, detail: 'not finished within its deadline' } });
  };
  at(world, h.slow.get(todo.name) ?? STEP_MS, () => attempt(world.now + STEP_DEADLINE_MS));
};

const transmit = (world: World, from: string, to: string, message: Message): void => {
  if (world.cuts.has(`${from}>${to}`) || world.cuts.has(`${from}>${to}:${message.kind}`)) return;
  at(world, LATENCY_MS, () => {
    const target = host(world, to);
    if (!target.frozen) return deliver(world, target, { type: 'message', from, message });
    target.inbox.push({ from, message });
  });
};

export const command = (world: World, name: string, said: Command): void => {
  const id = world.nextCommand;
  world.nextCommand += 1;
  log(world, name, `operator #${id}: ${JSON.stringify(said)}`);
  deliver(world, host(world, name), { type: 'command', id, command: said });
};
