/** Carries frames between hosts as an unkind network does, and lets through what the real rules of the wire let count. */

import type { Message } from '../../src/core/message.js';
import type { FrameHeader } from '../../src/wire/layout.js';
import {
  type Association,
  admit,
  createAssociation,
  greet,
  stampHello,
  stampNext,
  takeHelloToken,
} from '../../src/wire/session.js';
import type { Fault } from './fault.js';
import { type Agent, at, type Host, localTime, type World } from './world.js';

type Frame =
  | { readonly header: FrameHeader; readonly message: Message }
  | { readonly header: FrameHeader; readonly answered: { readonly life: bigint; readonly sequence: number } };

/** What the socket's buffer keeps for a process that does not read; the rest is lost. */
const SOCKET_BUFFER_FRAMES = 400;
/** How late the second copy of a duplicated frame may be. */
const DUPLICATE_LATER_MS = 300;

/** A slow path mostly keeps the order; the wire drops what is overtaken. */
const DELAY_STEADY = 0.9;

export type Receive = (host: Host, agent: Agent, from: string, message: Message) => void;

/** Nothing gets from one host to the other now. */
export const isCut = (world: World, from: Host, to: Host, what: 'frames' | 'replication'): boolean => {
  if (!from.powered || !to.powered || from.linksDown > 0 || to.linksDown > 0) return true;
  for (const fault of world.network) {
    if (fault.kind === 'isolate' && (fault.host === from.name || fault.host === to.name)) return true;
    if (fault.kind !== 'cut' || fault.from !== from.name || fault.to !== to.name) continue;
    if (fault.of === 'all' || fault.of === what) return true;
  }
  return false;
};

/** A gateway answers this host. */
export const hasGateways = (world: World, host: Host): boolean =>
  host.powered &&
  host.linksDown === 0 &&
  !world.network.some(
    (fault) => (fault.kind === 'isolate' || fault.kind === 'gateways-silent') && fault.host === host.name,
  );

/** The channel between the servers is a TCP connection: it needs both ways. */
export const replicationReaches = (world: World): boolean => {
  const [a, b] = world.nodes;
  return a.frozen === 0 && b.frozen === 0 && !isCut(world, a, b, 'replication') && !isCut(world, b, a, 'replication');
};

export const createAssociations = (world: World, host: Host): Map<string, Association> => {
  const randomBytes = (length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i += 1) bytes[i] = world.random.whole(0, 255);
    return bytes;
  };
  const others = world.hosts.filter((other) => other !== host && (host.server !== null || other.server !== null));
  return new Map(others.map((other) => [other.name, createAssociation(randomBytes, localTime(world, host))]));
};

export const sendMessage = (
  world: World,
  host: Host,
  agent: Agent,
  to: string,
  message: Message,
  receive: Receive,
): void => {
  const association = agent.associations.get(to);
  if (!association) return;
  agent.lastSent.set(to, message);
  const header = headerOf(host.name, to, message.kind, stampNext(association));
  transmit(world, host, to, { header, message }, receive);
};

const headerOf = (
  sender: string,
  addressee: string,
  kind: FrameHeader['kind'],
  stamp: Pick<FrameHeader, 'senderLife' | 'senderSession' | 'receiverSession' | 'sequence'>,
): FrameHeader => ({
  senderLife: stamp.senderLife,
  senderSession: stamp.senderSession,
  receiverSession: stamp.receiverSession,
  sequence: stamp.sequence,
  group: 'orders',
  sender,
  addressee,
  kind,
  term: 0,
  bodyStart: 0,
  bodyEnd: 0,
});

const transmit = (world: World, from: Host, toName: string, frame: Frame, receive: Receive): void => {
  const to = world.hosts.find((host) => host.name === toName);
  if (!to || isCut(world, from, to, 'frames')) return;
  const { random } = world;
  let delay = random.between(...world.settings.latencyMs);
  let again = false;
  for (const fault of world.network) {
    if (!affects(fault, from)) continue;
    if (fault.kind === 'loss' && random.chance(fault.rate)) return;
    if (fault.kind === 'delay') delay += random.between(fault.upToMs * DELAY_STEADY, fault.upToMs);
    if (fault.kind === 'duplicate' && random.chance(fault.rate)) again = true;
  }
  at(world, delay, () => arrive(world, from, to, frame, receive));
  if (again) at(world, delay + random.between(0, DUPLICATE_LATER_MS), () => arrive(world, from, to, frame, receive));
};

const affects = (fault: Fault, from: Host): boolean =>
  (fault.kind === 'loss' || fault.kind === 'delay' || fault.kind === 'duplicate') && fault.from === from.name;

const arrive = (world: World, from: Host, to: Host, frame: Frame, receive: Receive): void => {
  const { agent } = to;
  if (!agent || isCut(world, from, to, 'frames')) return;
  const take = (): void => {
    if (to.agent === agent) open(world, to, agent, frame, receive);
  };
  if (to.frozen > 0) {
    if (to.suspended.length < SOCKET_BUFFER_FRAMES) to.suspended.push(take);
  } else if (agent.stopped) {
    if (agent.inbox.length < SOCKET_BUFFER_FRAMES) agent.inbox.push(take);
  } else take();
};

const open = (world: World, host: Host, agent: Agent, frame: Frame, receive: Receive): void => {
  // A frozen machine that goes on hands over to a process that may be stopped.
  if (agent.stopped) {
    agent.inbox.push(() => host.agent === agent && open(world, host, agent, frame, receive));
    return;
  }
  const association = agent.associations.get(frame.header.sender);
  if (!association) return;
  const randomBytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => world.random.whole(0, 255)));
  if ('answered' in frame) {
    const greeting = greet(association, frame.header, frame.answered, randomBytes);
    const last = agent.lastSent.get(frame.header.sender);
    if (greeting === 'greeted' && last && host.server)
      sendMessage(world, host, agent, frame.header.sender, last, receive);
    return;
  }
  const admission = admit(association, frame.header, randomBytes);
  if (admission === 'counts') return receive(host, agent, frame.header.sender, frame.message);
  if (admission !== 'other-session' || !takeHelloToken(association, localTime(world, host))) return;
  const answered = { life: frame.header.senderLife, sequence: frame.header.sequence };
  const header = headerOf(host.name, frame.header.sender, 'hello', stampHello(association));
  transmit(world, host, frame.header.sender, { header, answered }, receive);
};
