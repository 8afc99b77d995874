/** Makes a fault happen, and ends it. */

import { deliver, resumeAgent, startAgent, tellLink } from './agent.js';
import { killServer, startServer, wakeServer } from './database.js';
import { crash } from './disk.js';
import { describeFault, type Fault } from './fault.js';
import { openAtMostMs, shutKernel } from './kernel.js';
import { noteCommand, noteLostRecord } from './ledger.js';
import { powerOff, powerOn, remainsOf } from './power.js';
import { type Agent, at, atHost, type Host, hostNamed, localTime, log, note, type World } from './world.js';

/** A VIP that could not be taken off is tried again after 100 ms; at a start it is not, and the kernel's own time ends it. */
const ASKED_AGAIN_MS = 500;
/** The service manager starts a process that died again after this long. */
const RESTART_MS = 150;

export const schedule = (world: World, fault: Fault): void => {
  at(world, fault.at - world.now, () => {
    if (world.trace) log(world, 'FAULT', describeFault(fault).trim());
    note(world, fault.at);
    begin(world, fault);
  });
  if (fault.forMs > 0) at(world, fault.at + fault.forMs - world.now, () => end(world, fault));
};

const begin = (world: World, fault: Fault): void => {
  switch (fault.kind) {
    case 'cut':
    case 'isolate':
    case 'gateways-silent':
    case 'loss':
    case 'delay':
    case 'duplicate':
      world.network = [...world.network, fault];
      return;
    default:
      return beginAt(world, hostNamed(world, fault.host), fault);
  }
};

type HostFault = Extract<Fault, { host: string }>;

const beginAt = (
  world: World,
  host: Host,
  fault: Exclude<HostFault, { kind: 'isolate' | 'gateways-silent' }>,
): void => {
  switch (fault.kind) {
    case 'agent-kill':
      return killAgent(world, host, fault.cleanup);
    case 'agent-stop':
      return stopAgent(host, fault.midway);
    case 'machine-freeze':
      return freeze(world, host);
    case 'power-off':
      return powerOff(world, host, fault.torn);
    case 'record-lost':
      killAgent(world, host, true);
      host.disk.record = null;
      noteLostRecord(world, host);
      return atHost(world, host, RESTART_MS, () => startAgent(world, host));
    case 'mysqld-kill':
      return killServer(world, host, null);
    case 'mysqld-hang':
      if (host.server) host.server.hanging += 1;
      return;
    case 'steps-slow':
      host.slowUpToMs = fault.upToMs;
      return;
    case 'steps-fail':
      host.failing.push([fault.step, fault.hangs]);
      return;
    case 'applier-stuck':
      if (host.server) host.server.stuck += 1;
      return;
    case 'channel-slow':
      if (host.server) host.server.narrow += 1;
      return;
    case 'disk-slow':
      host.disk.slowUpToMs = fault.upToMs;
      return;
    case 'disk-full':
      host.disk.full += 1;
      return;
    case 'check-fails':
      host.checkFails += 1;
      return;
    case 'link-down':
      host.linksDown += 1;
      return tellLink(world, host);
    case 'vip-lost':
      return loseVip(world, host, fault.restored);
    case 'vip-stuck':
      for (const kernel of [host.kernel, host.standbyKernel])
        Object.assign(kernel, { stuck: true, stuckUntil: Number.POSITIVE_INFINITY });
      return;
    case 'made-read-only':
    case 'made-writable':
      if (!host.server?.up) return;
      host.server.readOnly = fault.kind === 'made-read-only';
      if (fault.kind === 'made-writable') noteOpenedInMove(world, host);
      return;
    case 'operator':
      return say(world, host, fault.command);
  }
};

const noteOpenedInMove = ({ ledger }: World, { agent }: Host): void => {
  const { role, owner } = agent?.state ?? {};
  if (role === 'handing-off' && owner) ledger.openedTerm = owner.term;
};

const end = (world: World, fault: Fault): void => {
  log(world, 'FAULT', `ended: ${fault.kind} of ${fault.at}`);
  switch (fault.kind) {
    case 'cut':
    case 'isolate':
    case 'gateways-silent':
    case 'loss':
    case 'delay':
    case 'duplicate':
      world.network = world.network.filter((other) => other !== fault);
      return;
    default:
      return endAt(world, hostNamed(world, fault.host), fault);
  }
};

const endAt = (world: World, host: Host, fault: Exclude<HostFault, { kind: 'isolate' | 'gateways-silent' }>): void => {
  switch (fault.kind) {
    case 'agent-kill':
      startAgent(world, host);
      return;
    case 'agent-stop':
      host.stops -= 1;
      if (host.stops === 0 && host.agent?.stopped) resume(world, host, host.agent);
      else if (host.agent && host.stops === 0) host.agent.midway = false;
      return;
    case 'machine-freeze':
      return thaw(world, host);
    case 'power-off':
      return powerOn(world, host);
    case 'mysqld-kill':
      return startServer(world, host);
    case 'mysqld-hang':
      if (host.server) host.server.hanging -= 1;
      return wakeServer(world, host);
    case 'steps-slow':
      host.slowUpToMs = 0;
      return;
    case 'steps-fail': {
      const index = host.failing.findIndex(([step]) => step === fault.step);
      if (index >= 0) host.failing.splice(index, 1);
      return;
    }
    case 'applier-stuck':
      if (host.server) host.server.stuck -= 1;
      return;
    case 'channel-slow':
      if (host.server) host.server.narrow -= 1;
      return;
    case 'disk-slow':
      host.disk.slowUpToMs = 0;
      return;
    case 'disk-full':
      host.disk.full -= 1;
      return;
    case 'check-fails':
      host.checkFails -= 1;
      return;
    case 'link-down':
      host.linksDown -= 1;
      return tellLink(world, host);
    case 'vip-stuck':
      for (const kernel of [host.kernel, host.standbyKernel]) {
        kernel.stuck = false;
        kernel.stuckUntil = world.now + ASKED_AGAIN_MS + openAtMostMs(world.guarding, world.leaseMs);
      }
      return;
    case 'record-lost':
    case 'vip-lost':
    case 'made-read-only':
    case 'made-writable':
    case 'operator':
      return;
  }
};

const killAgent = (world: World, host: Host, cleanup: boolean): void => {
  if (!host.agent) return;
  host.agent = null;
  host.kernel.holding = false;
  host.standbyKernel.holding = false;
  crash(host.disk, remainsOf(world, false));
  log(world, host.name, 'process killed');
  if (!cleanup || !host.server) return;
  // ExecStopPost=vipd cleanup: acts only if no agent holds the lock.
  atHost(world, host, world.random.between(5, 80), () => {
    if (host.agent) return;
    shutKernel(host.standbyKernel);
    if (shutKernel(host.kernel)) log(world, host.name, 'cleanup: VIP off');
    if (host.server?.up) host.server.readOnly = true;
  });
};

const stopAgent = (host: Host, midway: boolean): void => {
  host.stops += 1;
  if (!host.agent || host.agent.stopped) return;
  if (midway) host.agent.midway = true;
  else host.agent.stopped = true;
};

const resume = (world: World, host: Host, agent: Agent): void => {
  if (host.frozen > 0)
    host.suspended.push(() => host.agent === agent && agent.stopped && resumeAgent(world, host, agent));
  else resumeAgent(world, host, agent);
};

const freeze = (world: World, host: Host): void => {
  if (!host.powered) return;
  host.frozen += 1;
  if (host.frozen > 1) return;
  host.taintedUntil = localTime(world, host) + openAtMostMs(world.guarding, world.leaseMs);
  host.clock.stand(world.now);
};

const thaw = (world: World, host: Host): void => {
  if (host.frozen === 0) return;
  host.frozen -= 1;
  if (host.frozen > 0) return;
  host.clock.go(world.now);
  for (const run of host.suspended.splice(0)) run();
};

const loseVip = (world: World, host: Host, restored: boolean): void => {
  const { agent, kernel, standbyKernel } = host;
  if (agent && standbyKernel.holding && !restored) {
    standbyKernel.addressUntil = Number.NEGATIVE_INFINITY;
    atHost(world, host, 0.5, () => deliver(world, host, agent, { type: 'standby-vip-lost', detail: 'taken off' }));
  }
  if (!agent || !kernel.holding) return;
  if (!restored) kernel.addressUntil = Number.NEGATIVE_INFINITY;
  atHost(world, host, 0.5, () => deliver(world, host, agent, { type: 'vip-lost', address: '10.99.0.100', restored }));
};

const say = (world: World, host: Host, command: Extract<Fault, { kind: 'operator' }>['command']): void => {
  const { agent } = host;
  if (!agent) return;
  const id = world.nextCommand;
  world.nextCommand += 1;
  noteCommand(world, command);
  deliver(world, host, agent, { type: 'command', id, command });
};

/** The end of all faults: whoever is down is started, and an operator may say that all is well. */
export const heal = (world: World): void => {
  log(world, 'FAULT', 'everything is healed');
  for (const host of world.hosts) {
    powerOn(world, host);
    startServer(world, host);
    startAgent(world, host);
  }
  if (!world.settings.operatorHeals) return;
  for (const host of world.nodes) {
    say(world, host, { name: 'resume' });
    say(world, host, { name: 'maintenance', on: false });
  }
};
