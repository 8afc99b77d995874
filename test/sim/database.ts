/** Clients that write through the VIP, and the channel between the two servers. */

import { noticeServerGone } from './agent.js';
import { recordAcknowledged } from './losses.js';
import { replicationReaches } from './network.js';
import { answers, boot, commit, pull, type Server, type Waiting } from './server.js';
import { at, atHost, type Host, isPassing, log, otherNode, type World } from './world.js';

/** The channel looks for news this often even if nobody commits; and brings what is committed this soon. */
const PUMP_EVERY_MS = 90;
const CHANNEL_MS: readonly [number, number] = [0.3, 6];
/** Writes that reached a hanging server and are carried out when it goes on. */
const QUEUED_WRITES = 2;

export const startClients = (world: World): void => {
  const writeAgain = (): void => {
    for (const host of world.nodes) write(world, host);
    at(world, world.settings.writeEveryMs, writeAgain);
  };
  at(world, world.settings.writeEveryMs, writeAgain);
  const pumpAgain = (): void => {
    for (const host of world.nodes) pump(world, host);
    at(world, PUMP_EVERY_MS, pumpAgain);
  };
  at(world, PUMP_EVERY_MS, pumpAgain);
};

const write = (world: World, host: Host): void => {
  const { server } = host;
  if (!server || !isPassing(world, host) || !answers(server) || server.readOnly) return;
  const waiting = { sequence: commit(server), connections: host.kernel.connections };
  if (server.semiSync) server.waiting.push(waiting);
  else acknowledge(world, host, waiting);
  const replica = otherNode(world, host);
  at(world, world.random.between(...CHANNEL_MS), () => pump(world, replica));
};

/** The client hears that its write is committed, if its connection still stands. */
export const acknowledge = (world: World, host: Host, waiting: Waiting): void => {
  if (!isPassing(world, host) || waiting.connections !== host.kernel.connections) return;
  recordAcknowledged(world, host, waiting.sequence);
};

/** The replica pulls; what it received it acknowledges to a source that waits for it. */
const pump = (world: World, host: Host): void => {
  const source = otherNode(world, host);
  const { server } = host;
  if (!server || !source.server || !host.powered || host.frozen > 0) return;
  pull(server, source.server, replicationReaches(world), world.now);
  if (source.server.waiting.length === 0 || !server.io || !replicationReaches(world)) return;
  const received = server.received[source.server.index];
  const { server: waitingServer } = source;
  atHost(world, source, world.random.between(...CHANNEL_MS), () => {
    if (!replicationReaches(world) || !answers(waitingServer)) return;
    letGo(world, source, waitingServer, received);
  });
};

const letGo = (world: World, host: Host, server: Server, received: number): void => {
  if (server.waiting.length === 0) return;
  const heard = server.waiting.filter((waiting) => waiting.sequence <= received);
  server.waiting = server.waiting.filter((waiting) => waiting.sequence > received);
  for (const waiting of heard) acknowledge(world, host, waiting);
};

/** mysqld is gone; its service manager starts it anew after `restartMs`. */
export const killServer = (world: World, host: Host, restartMs: number | null): void => {
  const { server } = host;
  if (!server?.up) return;
  server.up = false;
  server.waiting = [];
  log(world, host.name, 'mysqld is gone');
  noticeServerGone(world, host);
  if (restartMs !== null) atHost(world, host, restartMs, () => startServer(world, host));
};

export const startServer = (world: World, host: Host): void => {
  const { server } = host;
  if (!server || server.up || !host.powered) return;
  boot(server);
  log(world, host.name, 'mysqld started');
};

/** A server that was stopped goes on, and first does what had reached it. */
export const wakeServer = (world: World, host: Host): void => {
  const { server } = host;
  if (!server || server.hanging > 0 || !server.up) return;
  for (let i = 0; i < QUEUED_WRITES && !server.readOnly && world.random.chance(0.5); i += 1) commit(server);
};
