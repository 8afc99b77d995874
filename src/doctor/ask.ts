/** Asks the other members for the doctor: over TCP, over the agents' channel, and, where no agent runs here, by heartbeat. */

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DOCTOR, parseFacts } from '../agent/facts.js';
import type { VipdConfig } from '../config/types.js';
import { createAgentChannel } from '../net/agent-channel.js';
import { createPaths } from '../net/paths.js';
import { createLink } from '../wire/link.js';
import { messageOf } from './finding.js';
import type { Heard } from './members.js';
import type { PeerAnswer } from './subject.js';

/** On one network an answer takes under a millisecond; a lost SYN is sent again after one second. */
const CONNECT_MS = 1_500;
const ANSWER_MS = 5_000;
const GREETING_MS = 1_000;
const GREETING_EVERY_MS = 100;
const now = (): number => performance.now();

export type TcpAnswer = 'open' | 'refused' | 'silent' | { readonly error: string };

/** Whether something listens there, from our own address of the group. */
export const askTcp = (config: VipdConfig, port: number): Promise<TcpAnswer> =>
  new Promise((resolve) => {
    const socket = connect({ host: config.peer.address, port, localAddress: config.self.address });
    const end = (answer: TcpAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end('silent'), CONNECT_MS);
    socket.once('connect', () => end('open'));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') end('refused');
      // EHOSTUNREACH: nobody answers for the address on the link.
      else if (error.code === 'EHOSTUNREACH' || error.code === 'ETIMEDOUT') end('silent');
      else end({ error: error.message });
    });
  });

export const askPeerAgent = async (config: VipdConfig): Promise<PeerAnswer> => {
  const answer = await askTcp(config, config.agents.port);
  if (answer === 'silent' || answer === 'refused') return { kind: answer };
  if (answer !== 'open') return { kind: 'unasked', why: answer.error };
  const channel = createAgentChannel({
    listen: { address: config.self.address, port: config.agents.port },
    group: config.group,
    self: config.self.name,
    peer: config.peer.name,
    peerAddress: { address: config.peer.address, port: config.agents.port },
    keys: config.keys,
    handlers: {},
    nowMs: now,
    log: () => undefined,
  });
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const facts = parseFacts(
      await channel.ask(DOCTOR, {}, { signal, onData: () => Promise.resolve(), onNote: () => undefined }),
    );
    if (facts === null)
      return { kind: 'not-trusted', why: 'it answers in words of another version; run the same vipd on both nodes' };
    return { kind: 'facts', facts, askedWallMs: Date.now() };
  } catch (cause) {
    return { kind: 'not-trusted', why: messageOf(cause) };
  } finally {
    await channel.close();
  }
};

/** Whether a member is heard here, and whether it answered, so that it hears this node. */
export interface Greeted {
  readonly here: Heard;
  readonly there: Heard;
}

const SILENT: Greeted = { here: 'silent', there: 'silent' };

/**
 * Sends each member a frame that names no session of its, which it answers with HELLO and which has no other effect
 * (wire/session.ts). For a host without an agent: it takes the heartbeat port. Rejects where that cannot be had.
 */
export const greetMembers = async (config: VipdConfig): Promise<ReadonlyMap<string, Greeted>> => {
  const { heartbeat, self, peer, witnesses } = config;
  const members = [peer, ...witnesses.map((witness) => ({ ...witness }))];
  const heard = new Map<string, Greeted>(members.map(({ name }) => [name, SILENT]));
  const link = createLink({
    group: config.group,
    self: self.name,
    peers: members.map(({ name }) => name),
    keys: config.keys,
    randomBytes,
    nowMs: now,
  });
  const paths = createPaths({
    port: heartbeat.port,
    paths: [
      {
        local: self.address,
        remotes: Object.fromEntries(members.map(({ name, address }) => [name, address])),
        ports: Object.fromEntries(witnesses.map(({ name, port }) => [name, port])),
      },
    ],
    onDatagram: (datagram) => {
      const opened = link.open(datagram);
      if (opened.type === 'greeted') heard.set(opened.from, { here: 'heard', there: 'heard' });
      // What it sends to the agent that is not here: genuine, and for an earlier session.
      if (opened.type === 'hello') heard.set(opened.to, { ...(heard.get(opened.to) ?? SILENT), here: 'heard' });
    },
    onError: () => undefined,
  });
  await paths.start();
  try {
    for (let waitedMs = 0; waitedMs < GREETING_MS; waitedMs += GREETING_EVERY_MS) {
      const mute = [...heard].filter(([, { there }]) => there === 'silent');
      if (mute.length === 0) break;
      for (const [name] of mute) {
        // Once it has answered it is left alone: the next frame would count.
        const frame = link.seal(name, { kind: 'poll?', term: 0, dataTerm: 0, leaseMs: heartbeat.leaseMs });
        if (frame !== null) paths.send(name, frame);
      }
      await sleep(GREETING_EVERY_MS);
    }
  } finally {
    paths.close();
  }
  return heard;
};
