/** Frames between this node and every other voter: sealed and opened, over every path, for the core's messages. */

import { randomBytes } from 'node:crypto';
import type { VipdConfig } from '../config/types.js';
import type { Event } from '../core/event.js';
import type { Message } from '../core/message.js';
import type { Instant, VoterName } from '../core/types.js';
import type { Logger } from '../host/log.js';
import { createPaths, type PathOptions, type PathStats, type Remote } from '../net/paths.js';
import { createLink, type Link } from '../wire/link.js';
import { createFrameVoter } from '../witness/voter.js';
import type { LongPositions } from './long-positions.js';

export interface Heartbeats {
  readonly link: Link;
  /** Rejects where no path can be opened: a busy port, an address that is not there. */
  readonly start: () => Promise<void>;
  /** To any voter; never waits. */
  readonly send: (to: VoterName, message: Message) => void;
  readonly paths: () => readonly PathStats[];
  /** When the peer was heard last, by the path that it was heard on. */
  readonly heard: ReadonlyMap<string, Instant>;
  readonly close: () => void;
}

export interface HeartbeatsOptions {
  readonly config: VipdConfig;
  readonly now: () => Instant;
  readonly emit: (event: Event) => void;
  /** What a frame is too short for. */
  readonly positions: Pick<LongPositions, 'shorten' | 'restore'>;
  readonly log: Logger;
}

export const createHeartbeats = ({ config, now, emit, positions, log }: HeartbeatsOptions): Heartbeats => {
  const peer = config.peer.name;
  const others = [peer, ...config.witnesses.map((witness) => witness.name)];
  const lastSent = new Map<VoterName, Message>();
  const heard = new Map<string, Instant>();
  let unsealed = 0;

  const link = createLink({
    group: config.group,
    self: config.self.name,
    peers: others,
    keys: config.keys,
    randomBytes,
    nowMs: now,
  });

  const receive = (datagram: Buffer, remote: Remote): void => {
    const opened = link.open(datagram);
    // The copy that came by another path first does not make this one deaf.
    const genuine = opened.type === 'message' || (opened.type === 'dropped' && opened.cause === 'duplicate');
    if (genuine && opened.from === peer) heard.set(remote.path, now());
    switch (opened.type) {
      case 'message':
        return emit({ type: 'message', from: opened.from, message: positions.restore(opened.message) });
      case 'hello':
        // On every path: the one it came by may be deaf the other way.
        return paths.send(opened.to, opened.datagram);
      case 'greeted': {
        const last = lastSent.get(opened.from);
        return last ? transmit(opened.from, last) : undefined;
      }
      case 'dropped':
        if (opened.cause === 'bad-mac') log.debug({ cause: opened.cause, from: remote.address }, 'frame dropped');
        return;
    }
  };

  const paths = createPaths({
    port: config.heartbeat.port,
    paths: pathsOf(config),
    onDatagram: receive,
    onError: (error, path) => log.warn({ path }, error.message),
  });

  const transmit = (to: VoterName, message: Message): void => {
    lastSent.set(to, message);
    const datagram = link.seal(to, message);
    if (datagram) return paths.send(to, datagram);
    unsealed += 1;
    log.error({ to, kind: message.kind, unsealed }, 'a message could not be put into a frame');
  };
  const voters = new Map(others.map((name) => [name, createFrameVoter(name, transmit)]));

  return {
    link,
    start: paths.start,
    send: (to, message) => voters.get(to)?.send(positions.shorten(message)),
    paths: paths.stats,
    heard,
    close: paths.close,
  };
};

/** The path between the nodes' own addresses also reaches the witnesses; the others link the nodes only. */
const pathsOf = (config: VipdConfig): readonly PathOptions[] => {
  const witnesses = Object.fromEntries(config.witnesses.map((witness) => [witness.name, witness.address]));
  const ports = Object.fromEntries(config.witnesses.map((witness) => [witness.name, witness.port]));
  const first = {
    local: config.self.address,
    remotes: { [config.peer.name]: config.peer.address, ...witnesses },
    ports,
  };
  const further = config.heartbeat.paths.map((path) => ({
    local: path.self.address,
    remotes: { [config.peer.name]: path.peer.address },
  }));
  return [first, ...further];
};
