/** The steps a core asks for: slow, failing or hanging as the world has it, and done even if nobody is left to hear of it. */

import type { Step } from '../../src/core/effect.js';
import type { Outcome } from '../../src/core/event.js';
import { deliver } from './agent.js';
import { noteSalvageAsked, noteSalvaged } from './crashes.js';
import { acknowledge, killServer } from './database.js';
import { gatherEvidence } from './evidence.js';
import { addAddress, openGuard } from './kernel.js';
import { observeServing } from './losses.js';
import { isCut, replicationReaches } from './network.js';
import { powerOff, powerOn } from './power.js';
import { answers, apply, contains, parseCommits, pull, type Server, textOf } from './server.js';
import { type Agent, at, atHost, type Host, localTime, log, otherNode, type World } from './world.js';

type DatabaseStep = Extract<Step, { name: `database-${string}` | 'salvage' }>;

/** Null: not yet; asked again until the deadline. */
type Attempt = Outcome | null;

const PROMPT_MS = 2_000;
const FENCE_MS = 5_000;
const LOOK_AGAIN_MS = 7;
const FENCE_PEER_MS: readonly [number, number] = [20, 1_500];
const BACK_AFTER_FENCE_MS: readonly [number, number] = [500, 3_000];

export const runStep = (world: World, host: Host, agent: Agent, id: number, step: Step): void => {
  const answer = (outcome: Outcome): void => deliver(world, host, agent, { type: 'outcome', id, outcome });
  switch (step.name) {
    case 'vip-on':
      return vipOn(world, host, agent, answer);
    case 'standby-vip-on':
      return standbyVipOn(world, host, agent, id, answer);
    case 'vip-probe':
    case 'hook':
      return atHost(world, host, duration(world, host), () =>
        answer(troubled(host, step.name) ?? { ok: true, detail: 'done' }),
      );
    case 'fence-peer':
      return fencePeer(world, host, agent, id, step.timeoutMs, answer);
    case 'gather-evidence':
      return gatherEvidence(world, host, agent, id, step.fencePeer, answer);
    default:
      if (step.name === 'salvage') noteSalvageAsked(world, agent);
      agent.steps.push({ id, start: () => runDatabase(world, host, agent, id, step, answer) });
      return nextStep(agent);
  }
};

/** The command is a process of its own: it goes on when the agent is stopped, and is killed when it is given up. */
const fencePeer = (
  world: World,
  host: Host,
  agent: Agent,
  id: number,
  timeoutMs: number,
  answer: (outcome: Outcome) => void,
): void => {
  const { random } = world;
  const hangs = random.chance(0.1);
  const fails = random.chance(0.2);
  atHost(world, host, hangs ? timeoutMs : random.between(...FENCE_PEER_MS), () => {
    if (agent.cancelled.has(id)) return;
    if (hangs || fails) return answer({ ok: false, detail: hangs ? 'no end in time' : 'exit 1' });
    const other = otherNode(world, host);
    if (other.powered) {
      log(world, other.name, 'power cut by the fence command');
      powerOff(world, other, false);
      at(world, random.between(...BACK_AFTER_FENCE_MS), () => powerOn(world, other));
    }
    answer({ ok: true, detail: 'off' });
  });
};

export const cancelStep = (agent: Agent, id: number): void => {
  agent.cancelled.add(id);
};

/** One at a time on a server, in the order asked for (src/mysql/database.ts). */
const nextStep = (agent: Agent): void => {
  if (agent.stepRunning) return;
  const next = agent.steps.shift();
  if (!next) return;
  agent.stepRunning = true;
  next.start();
};

const duration = (world: World, host: Host): number =>
  world.random.between(...world.settings.stepMs) + world.random.between(0, host.slowUpToMs);

const troubled = (host: Host, name: Step['name']): Outcome | undefined => {
  const found = host.failing.find(([step]) => step === name);
  if (!found) return undefined;
  return { ok: false, detail: found[1] ? 'not finished within its deadline' : 'refused by the world' };
};

const vipOn = (world: World, host: Host, agent: Agent, answer: (outcome: Outcome) => void): void => {
  const until = agent.state?.owner?.leaseUntil ?? 0;
  const trouble = troubled(host, 'vip-on');
  if (trouble || !openGuard(host.kernel, world.guarding, localTime(world, host), until)) {
    atHost(world, host, 0.1, () =>
      answer(trouble ?? { ok: false, detail: 'the lease was too short to open the guard' }),
    );
    return;
  }
  const add = (): void => {
    if (host.agent !== agent) return;
    if (agent.stopped) {
      agent.inbox.push(add);
      return;
    }
    if (!addAddress(host.kernel, world.guarding, localTime(world, host)))
      return answer({ ok: false, detail: 'the lease ran out while the VIP was put on' });
    log(world, host.name, 'VIP on');
    observeServing(world, host, agent);
    answer({ ok: true, detail: 'VIP on' });
  };
  atHost(world, host, world.random.between(0.2, 3), add);
};

/** Who else answers for it is asked first; the lease is read after that. */
const standbyVipOn = (world: World, host: Host, agent: Agent, id: number, answer: (outcome: Outcome) => void): void => {
  const { standbyKernel, clock } = host;
  const add = (): void => {
    if (host.agent !== agent) return;
    if (agent.stopped) {
      agent.inbox.push(add);
      return;
    }
    if (!addAddress(standbyKernel, world.guarding, clock.local(world.now)))
      return answer({ ok: false, detail: 'the lease ran out while the standby VIP was put on' });
    log(world, host.name, 'standby VIP on');
    world.ledger.counts.standbyVips += 1;
    answer({ ok: true, detail: 'standby VIP on' });
  };
  const open = (): void => {
    if (host.agent !== agent) return;
    if (agent.stopped) {
      agent.inbox.push(open);
      return;
    }
    if (agent.cancelled.has(id)) return;
    const until = agent.state ? world.core.standbyVipUntil(agent.state) : 0;
    const trouble = troubled(host, 'vip-on');
    if (trouble || !openGuard(standbyKernel, world.guarding, clock.local(world.now), until))
      return answer(trouble ?? { ok: false, detail: 'the lease was too short to open the guard' });
    atHost(world, host, world.random.between(0.2, 3), add);
  };
  atHost(world, host, duration(world, host), open);
};

const runDatabase = (
  world: World,
  host: Host,
  agent: Agent,
  id: number,
  step: DatabaseStep,
  answer: (outcome: Outcome) => void,
): void => {
  const { server } = host;
  if (!server) return;
  const end = (outcome: Outcome): void => {
    agent.stepRunning = false;
    if (!agent.cancelled.has(id)) {
      if (step.name === 'salvage') noteSalvaged(world, outcome.ok);
      answer(outcome);
    }
    nextStep(agent);
  };
  const began = world.now;
  const limit = deadlineOf(world, step);
  const attempt = (): void => {
    const orphaned = host.agent !== agent;
    // A process that died in the middle: its statement had reached the server, or not.
    if (orphaned && world.random.chance(0.5)) return;
    if (agent.cancelled.has(id)) return end({ ok: false, detail: 'given up' });
    const outcome = tryOnce(world, host, server, step);
    if (orphaned) {
      if (step.name === 'database-fence' || step.name === 'database-demote') world.ledger.shutByTheDead.add(host.name);
      return;
    }
    if (outcome) return end(outcome);
    if (world.now - began >= limit) return end(atDeadline(world, host, server, step));
    atHost(world, host, LOOK_AGAIN_MS, attempt);
  };
  atHost(world, host, duration(world, host), attempt);
};

const deadlineOf = (world: World, step: DatabaseStep): number => {
  if (step.name === 'database-demote') return step.timeoutMs;
  if (step.name === 'database-fence' || step.name === 'database-open') return FENCE_MS;
  // The core gives a catch-up up when it makes no progress; the shell's own limit comes later.
  return step.name === 'database-catch-up' ? Math.max(FENCE_MS, 2 * world.leaseMs) : PROMPT_MS;
};

/** A server that hangs while it is to be fenced is killed (mysql.kill_on_hang). */
const atDeadline = (world: World, host: Host, server: Server, step: DatabaseStep): Outcome => {
  if (step.name === 'database-fence' && server.hanging > 0) {
    killServer(world, host, FENCE_MS);
    return { ok: true, detail: 'killed, since it hung' };
  }
  return { ok: false, detail: 'not finished within its deadline' };
};

const tryOnce = (world: World, host: Host, server: Server, step: DatabaseStep): Attempt => {
  if (!server.up)
    return step.name === 'database-fence' ? { ok: true, detail: 'down' } : { ok: false, detail: 'connection refused' };
  if (!answers(server)) return null;
  const trouble = host.failing.find(([name]) => name === step.name);
  if (trouble) return trouble[1] ? null : { ok: false, detail: 'refused by the world' };
  return carryOut(world, host, server, step);
};

const carryOut = (world: World, host: Host, server: Server, step: DatabaseStep): Attempt => {
  switch (step.name) {
    case 'database-fence':
      return fenceNow(world, host, server);
    case 'database-demote':
      // Read-only waits for commits under way, and those for the standby's acknowledgement; semi-sync stays in force.
      if (server.waiting.length > 0) return null;
      return readOnly(server);
    case 'database-preflight':
      return { ok: true, detail: 'nothing blocks' };
    case 'database-open':
      server.readOnly = false;
      return { ok: true, detail: 'writable' };
    case 'database-catch-up':
      return catchUp(world, host, server, step);
    case 'database-follow':
      return follow(world, host, server, step.activePosition);
    case 'database-open-reverse':
      startChannel(world, host, server);
      return { ok: true, detail: 'reverse channel open' };
    case 'database-semi-sync':
      switchSemiSync(world, host, server, step.on);
      return { ok: true, detail: step.on ? 'on' : 'off' };
    case 'database-stop-receiver':
      server.io = false;
      return { ok: true, detail: 'receiver stopped' };
    case 'database-stop-channel':
      server.io = false;
      server.sql = false;
      return { ok: true, detail: 'channel stopped' };
    case 'salvage':
      return salvage(world, host, server);
    case 'database-events-on':
      return { ok: true, detail: 'events on' };
  }
};

/**
 * It lets go of what semi-sync held back. Exempt: clients hear of it where the kernel was asked to shut the VIP and has
 * refused, also when it would obey by now and is not asked again yet.
 */
const fenceNow = (world: World, host: Host, server: Server): Outcome => {
  if (!host.kernel.holding) server.waiting = [];
  switchSemiSync(world, host, server, false);
  return readOnly(server);
};

/** From the other host: sessions that wait for the standby are killed first, and their clients hear nothing. */
export const fenceOfPeer = (server: Server): Outcome => {
  server.semiSync = false;
  server.waiting = [];
  return readOnly(server);
};

const readOnly = (server: Server): Outcome => {
  server.readOnly = true;
  return { ok: true, detail: 'read-only', position: textOf(server.committed) };
};

/** Switched off, it lets go of the commits it held: their clients hear of them, where they still are. */
const switchSemiSync = (world: World, host: Host, server: Server, on: boolean): void => {
  server.semiSync = on;
  if (on) return;
  for (const waiting of server.waiting) acknowledge(world, host, waiting);
  server.waiting = [];
};

/** A connection that cannot be made now is tried again by the receiver itself. */
const startChannel = (world: World, host: Host, server: Server): boolean => {
  const reaches = replicationReaches(world) && (otherNode(world, host).server?.up ?? false);
  server.io = true;
  server.sql = true;
  if (!reaches) server.cutSince = Number.NEGATIVE_INFINITY;
  return reaches;
};

const catchUp = (
  world: World,
  host: Host,
  server: Server,
  step: Extract<DatabaseStep, { name: 'database-catch-up' }>,
): Attempt => {
  const other = otherNode(world, host).server;
  if (other) pull(server, other, replicationReaches(world), world.now);
  if (server.stuck > 0) return null;
  if (step.resume && step.target !== null && !server.io && !contains(server.committed, parseCommits(step.target)))
    startChannel(world, host, server);
  if (step.target !== null && !contains(server.committed, parseCommits(step.target))) return null;
  // What was received is applied even where the channel does not run.
  const { sql } = server;
  server.sql = true;
  apply(server, world.now);
  server.sql = sql;
  if (step.stop) {
    server.io = false;
    server.sql = false;
  }
  return { ok: true, detail: 'caught up', position: textOf(server.committed) };
};

/** The peer's agent ships what its dead server's binary logs have and this server has not. */
const salvage = (world: World, host: Host, server: Server): Outcome => {
  const other = otherNode(world, host);
  const reached = other.agent !== null && !other.agent.stopped && other.frozen === 0 && bothWays(world, host, other);
  if (!reached || !other.server) return { ok: false, detail: `the agent of ${other.name} does not answer` };
  server.received = [
    Math.max(server.received[0], other.server.committed[0]),
    Math.max(server.received[1], other.server.committed[1]),
  ];
  server.committed = [...server.received];
  return { ok: true, detail: 'salvaged', position: textOf(server.committed) };
};

const bothWays = (world: World, a: Host, b: Host): boolean =>
  !isCut(world, a, b, 'frames') && !isCut(world, b, a, 'frames');

/** Of its own more than the active: diverged. Of the active's more than a BEAT told: the BEAT is old. */
const follow = (world: World, host: Host, server: Server, activePosition: string): Outcome => {
  const active = parseCommits(activePosition);
  const own = server.index;
  const peers = own === 0 ? 1 : 0;
  if (server.committed[own] > active[own])
    return { ok: false, detail: `diverged: 0-${own + 1}-${server.committed[own]}` };
  if (server.committed[peers] > active[peers] && !server.io)
    return { ok: false, detail: 'the position told is older than this server' };
  return startChannel(world, host, server)
    ? { ok: true, detail: 'replicating' }
    : { ok: false, detail: 'the source does not answer yet' };
};
