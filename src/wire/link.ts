/** A member's end of the wire: seals messages to its peers, and opens what comes from them. */

import type { Message } from '../core/message.js';
import { createKeyRing } from './authenticate.js';
import { BufferWriter } from './buffer-writer.js';
import { decodeBody, decodeHello } from './decode.js';
import { encodeBody, encodeHello } from './encode.js';
import {
  encodeAddress,
  endBody,
  FRAME_MAX_BYTES,
  type FrameHeader,
  MAC_BYTES,
  readHeader,
  type Stamp,
  writeHeader,
} from './layout.js';
import {
  type Association,
  admit,
  createAssociation,
  greet,
  type RandomBytes,
  stampHello,
  stampNext,
  takeHelloToken,
} from './session.js';
import type { FrameKind } from './tables.js';
import { WIRE_CAUSES, type WireCause, WireError } from './wire-error.js';

export interface LinkOptions {
  /** At most 63 bytes, as every name here. */
  readonly group: string;
  readonly self: string;
  readonly peers: readonly string[];
  /** The first signs, all verify. */
  readonly keys: readonly Buffer[];
  /** Cryptographically strong: sessions must not be guessed. */
  readonly randomBytes: RandomBytes;
  /** A monotonic clock, in milliseconds. */
  readonly nowMs: () => number;
}

/** Why a datagram was dropped. */
export type DropCause = WireCause | SessionCause;

const SESSION_CAUSES = [
  'other-group',
  'other-addressee',
  /** Names no peer of ours. */
  'unknown-sender',
  /** Changed on its way, or sealed with a key we do not have. */
  'bad-mac',
  /** The last frame again: what several paths are expected to bring. */
  'duplicate',
  'replay',
  /** Names another session of ours, and HELLO was answered too often of late. */
  'hello-limit',
  /** A HELLO that answers nothing we lately sent. */
  'hello-unasked',
  /** A HELLO that tells what we know. */
  'hello-repeated',
] as const;

type SessionCause = (typeof SESSION_CAUSES)[number];

/** Counters that are no drop causes. `hello`: frames answered with HELLO. `unsealable`: seal() returned null. */
const DONE = ['sealed', 'unsealable', 'accepted', 'greeted', 'hello'] as const;

type Counter = (typeof DONE)[number] | DropCause;

export type Opened =
  | { readonly type: 'message'; readonly from: string; readonly message: Message }
  /** Send `datagram` to `to`, on every path: the one this frame came by may be deaf the other way. */
  | { readonly type: 'hello'; readonly to: string; readonly datagram: Buffer }
  /** We now know the peer's present session: what was sent last may be sealed and sent again at once. */
  | { readonly type: 'greeted'; readonly from: string }
  /** `from` is only what the frame claims where the cause is bad-mac; it is always one of our peers. */
  | { readonly type: 'dropped'; readonly cause: DropCause; readonly from?: string };

/** What went to and came from one peer. */
export interface PeerFrames {
  /** Messages for it that were given a sequence, since our start. */
  readonly sent: number;
  /** Its messages that counted here, since our start. */
  readonly accepted: number;
  /** The sequence of the newest of these; 0: none since it, or we, started. The peer counts what it sends us from 1. */
  readonly newest: number;
}

export interface Link {
  /**
   * One frame for this peer, or null where `to` is no peer or a value in the message is out of range. The same datagram
   * may be sent on several paths; the second copy is dropped. Before the peer's session is known it provokes a HELLO.
   */
  seal(to: string, message: Message): Buffer | null;
  /** What a received datagram is. Never throws, whatever the bytes. */
  open(datagram: Buffer): Opened;
  /** By name: sealed, unsealable, accepted, greeted, hello, and each drop cause. */
  readonly counters: Readonly<Record<string, number>>;
  /** By the name of the peer. All of it is of one instant. */
  frames(): Readonly<Record<string, PeerFrames>>;
  /** Keys as read again; sessions stay. Throws an Error, and keeps the old ones, where they cannot be used. */
  setKeys(keys: readonly Buffer[]): void;
  /** The first peer whose newest frame that counted was signed with none of these keys; null: there is none. */
  signsWithout(keys: readonly Buffer[]): string | null;
}

interface Peer {
  readonly name: string;
  readonly names: Buffer;
  readonly association: Association;
  signer: Buffer | null;
  accepted: number;
}

/** Throws an Error where a name or the keys cannot be used. What it keeps is of fixed size for each peer. */
export const createLink = (options: LinkOptions): Link => {
  const { group, self, randomBytes, nowMs } = options;
  const peers = new Map(
    options.peers.map((name): [string, Peer] => {
      const names = encodeAddress({ group, sender: self, addressee: name });
      return [name, { name, names, association: createAssociation(randomBytes, nowMs()), signer: null, accepted: 0 }];
    }),
  );
  const counters = Object.fromEntries([...DONE, ...SESSION_CAUSES, ...WIRE_CAUSES].map((name) => [name, 0])) as Record<
    Counter,
    number
  >;
  const writer = new BufferWriter(FRAME_MAX_BYTES - MAC_BYTES);
  let ring = createKeyRing(options.keys);

  const sealFrame = (peer: Peer, kind: FrameKind, stamp: Stamp, term: number, writeBody: () => void): Buffer => {
    writer.reset();
    writeHeader(writer, kind, stamp, term, peer.names);
    writeBody();
    endBody(writer, peer.names);
    const frame = writer.written();
    return Buffer.concat([frame, ring.sign(frame)], frame.length + MAC_BYTES);
  };

  const drop = (cause: DropCause, from?: Peer): Opened => {
    counters[cause] += 1;
    return from === undefined ? { type: 'dropped', cause } : { type: 'dropped', cause, from: from.name };
  };

  const answerHello = (peer: Peer, header: FrameHeader): Opened => {
    if (!takeHelloToken(peer.association, nowMs())) return drop('hello-limit', peer);
    counters.hello += 1;
    const answered = { life: header.senderLife, sequence: header.sequence };
    const datagram = sealFrame(peer, 'hello', stampHello(peer.association), 0, () => encodeHello(writer, answered));
    return { type: 'hello', to: peer.name, datagram };
  };

  const openHello = (peer: Peer, header: FrameHeader, datagram: Buffer): Opened => {
    const greeting = greet(peer.association, header, decodeHello(datagram, header), randomBytes);
    if (greeting !== 'greeted') return drop(`hello-${greeting}`, peer);
    counters.greeted += 1;
    return { type: 'greeted', from: peer.name };
  };

  const openFrame = (datagram: Buffer): Opened => {
    const header = readHeader(datagram);
    if (header.group !== group) return drop('other-group');
    const peer = peers.get(header.sender);
    if (peer === undefined) return drop('unknown-sender');
    if (header.addressee !== self) return drop('other-addressee', peer);
    const signer = ring.signerOf(datagram);
    if (signer === null) return drop('bad-mac', peer);
    if (header.kind === 'hello') return openHello(peer, header, datagram);
    const admission = admit(peer.association, header, randomBytes);
    if (admission === 'other-session') return answerHello(peer, header);
    if (admission !== 'counts') return drop(admission, peer);
    const message = decodeBody(datagram, header, header.kind);
    counters.accepted += 1;
    peer.accepted += 1;
    peer.signer = signer;
    return { type: 'message', from: peer.name, message };
  };

  return {
    counters,
    frames: () =>
      Object.fromEntries(
        [...peers].map(([name, { association, accepted }]) => [
          name,
          { sent: association.sequence, accepted, newest: association.lastSequence },
        ]),
      ),
    seal: (to, message) => {
      const peer = peers.get(to);
      try {
        if (peer === undefined) throw new WireError('bad-value', 'addressee');
        const stamp = stampNext(peer.association);
        const datagram = sealFrame(peer, message.kind, stamp, message.term, () => encodeBody(writer, message));
        counters.sealed += 1;
        return datagram;
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        counters.unsealable += 1;
        return null;
      }
    },
    open: (datagram) => {
      try {
        return openFrame(datagram);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        return drop(error.cause);
      }
    },
    setKeys: (keys) => {
      ring = createKeyRing(keys);
    },
    signsWithout: (keys) => {
      for (const { name, signer } of peers.values())
        if (signer !== null && !keys.some((key) => key.equals(signer))) return name;
      return null;
    },
  };
};
