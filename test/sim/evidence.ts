/** What a node of a pair without a witness finds out about a silent peer: gateways, and the peer's database (src/agent/evidence.ts). */

import type { Evidence, Outcome } from '../../src/core/event.js';
import { deliver } from './agent.js';
import { hasGateways, replicationReaches } from './network.js';
import { answers, textOf } from './server.js';
import { noteEvidence } from './split.js';
import { fenceOfPeer } from './steps.js';
import { type Agent, atHost, type Host, log, otherNode, type World } from './world.js';

/** As the shell has them: how long it waits for a gateway, for a connection, and for the peer's database to be read-only. */
const GATEWAY_MS = 50;
const CONNECT_MS = 200;
const FENCE_PEER_MS = 5_000;
const LOOK_AGAIN_MS = 7;

type Told = (evidence: Evidence) => void;

export const gatherEvidence = (
  world: World,
  host: Host,
  agent: Agent,
  id: number,
  fencePeer: boolean,
  answer: (outcome: Outcome) => void,
): void => {
  askGateways(world, host, (gateways) => {
    const tell: Told = (evidence) => {
      log(world, host.name, `evidence: gateways ${evidence.gateways}, database of the peer ${evidence.peerDatabase}`);
      noteEvidence(world, host, evidence, fencePeer);
      deliver(world, host, agent, { type: 'evidence', id, evidence });
      answer({ ok: true, detail: evidence.detail });
    };
    // A node that is cut off itself takes nobody's database away.
    if (fencePeer && gateways === 'answer') askDatabase(world, host, gateways, tell);
    else tell({ gateways, peerDatabase: 'silent', detail: 'gateways asked' });
  });
};

const askGateways = (world: World, host: Host, tell: (gateways: Evidence['gateways']) => void): void => {
  const delay = world.random.between(...world.settings.latencyMs);
  atHost(world, host, delay, () => {
    if (hasGateways(world, host)) tell('answer');
    else atHost(world, host, GATEWAY_MS, () => tell('silent'));
  });
};

/** A server that hangs accepts connections all the same: the kernel does it for it. */
const askDatabase = (world: World, host: Host, gateways: Evidence['gateways'], tell: Told): void => {
  const peer = otherNode(world, host);
  const end = (peerDatabase: Evidence['peerDatabase'], position = ''): void =>
    tell({ gateways, peerDatabase, detail: peerDatabase, ...(position === '' ? {} : { position }) });
  if (!replicationReaches(world)) return atHost(world, host, CONNECT_MS, () => end('silent'));
  if (!peer.server?.up) return end('silent');
  const began = world.now;
  const attempt = (): void => {
    const { server } = peer;
    if (!replicationReaches(world) || !server) return end('refuses');
    if (!server.up) return end('silent');
    const refused = peer.failing.some(([step]) => step === 'database-fence');
    if (answers(server) && !refused) {
      fenceOfPeer(server);
      return end('made-read-only', textOf(server.committed));
    }
    if (refused || world.now - began >= FENCE_PEER_MS) return end('refuses');
    atHost(world, host, LOOK_AGAIN_MS, attempt);
  };
  atHost(world, host, world.random.between(...world.settings.stepMs), attempt);
};
