/** What a link takes and what it drops, and that nothing which arrives can break it. */

import { createHmac, randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { Message } from '../core/message.js';
import { FRAME_MAX_BYTES, MAC_BYTES, peekGroup } from './layout.js';
import { createLink, type Link, type LinkOptions } from './link.js';

const KEY = Buffer.alloc(32, 'first');
const NEXT_KEY = Buffer.alloc(32, 'second');

const MESSAGES: readonly Message[] = [
  {
    kind: 'beat',
    beat: 7,
    role: 'active',
    term: 3,
    owner: true,
    leaseMs: 300,
    dataTerm: 3,
    servedTerm: 3,
    sync: true,
    priority: 100,
    health: 'failed',
    cause: 'disk',
    unfit: 'failed',
    holds: ['cooldown', 'paused'],
    position: 'mariadb:0-1-42',
    readOnly: false,
    replicating: true,
    lagMs: -1,
    progress: 'applying',
    pause: { version: 2, on: true, leftMs: 500 },
    finalPosition: 'mariadb:0-1-42',
    applied: '',
    sinceMs: 1000.5,
    because: 'released',
    wish: { id: 1, dryRun: false, force: true, timeoutMs: 1000 },
    wishAnswer: { id: 1, outcome: 'running', text: 'on its way' },
    standbyVip: true,
  },
  { kind: 'ack', beat: 7, term: 3, leaseMs: 300 },
  { kind: 'grant', beat: 7, term: 3, leaseMs: 300 },
  { kind: 'poll?', term: 4, dataTerm: 3, leaseMs: 300 },
  { kind: 'poll', term: 4, verdict: { granted: true, lastPosition: 'mariadb:0-1-42', servedTerm: 3, sync: true } },
  { kind: 'vote?', term: 4, dataTerm: 3, leaseMs: 300 },
  {
    kind: 'vote',
    term: 4,
    verdict: { granted: false, why: 'promised', holder: 'db1', maxTerm: 3, servedTerm: 3, leftMs: 120.25 },
  },
  { kind: 'served?', term: 4, sync: true },
  { kind: 'served', term: 4, sync: false },
  {
    kind: 'release',
    term: 4,
    finalPosition: 'mariadb:0-1-43',
    successor: 'db2',
    reason: 'switchover',
    unserved: false,
    servedTerm: 0,
    sync: true,
  },
  { kind: 'released', term: 4 },
];
const [BEAT, ACK] = MESSAGES as [Message, Message];

const link = (self: string, changes: Partial<LinkOptions> = {}): Link =>
  createLink({
    group: 'orders',
    self,
    peers: ['db1', 'db2', 'w1'].filter((name) => name !== self),
    keys: [KEY],
    randomBytes,
    nowMs: () => 0,
    ...changes,
  });

const seal = (from: Link, to: string, message: Message): Buffer => {
  const datagram = from.seal(to, message);
  if (datagram === null) throw new Error('not sealed');
  return datagram;
};

/** db1 and db2, who know each other's sessions. */
const acquainted = (): { readonly db1: Link; readonly db2: Link } => {
  const db1 = link('db1');
  const db2 = link('db2');
  const answer = db2.open(seal(db1, 'db2', ACK));
  if (answer.type !== 'hello') throw new Error(`a first frame was ${answer.type}`);
  expect(db1.open(answer.datagram)).toEqual({ type: 'greeted', from: 'db2' });
  expect(db2.open(seal(db1, 'db2', ACK))).toEqual({ type: 'message', from: 'db1', message: ACK });
  expect(db1.open(seal(db2, 'db1', ACK))).toEqual({ type: 'message', from: 'db2', message: ACK });
  return { db1, db2 };
};

const remac = (datagram: Buffer): Buffer => {
  const bytes = datagram.subarray(0, datagram.length - MAC_BYTES);
  return Buffer.concat([bytes, createHmac('sha256', KEY).update(bytes).digest()]);
};

const dropped = (cause: string, from?: string) => ({ type: 'dropped', cause, ...(from === undefined ? {} : { from }) });

/** mulberry32: small, seeded, good enough to make garbage. */
const generator = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
};

describe('a link', () => {
  it('carries every kind of message, each once', () => {
    const { db1, db2 } = acquainted();
    for (const message of MESSAGES) {
      const datagram = seal(db1, 'db2', message);
      expect(datagram.length).toBeLessThanOrEqual(FRAME_MAX_BYTES);
      expect(db2.open(datagram)).toEqual({ type: 'message', from: 'db1', message });
      expect(db2.open(datagram)).toEqual(dropped('duplicate', 'db1'));
    }
    expect(db2.counters).toMatchObject({ accepted: MESSAGES.length + 1, duplicate: MESSAGES.length });
  });

  it('tells the second copy by another path from an older frame', () => {
    const { db1, db2 } = acquainted();
    const [first, second] = [seal(db1, 'db2', ACK), seal(db1, 'db2', ACK)];
    expect(db2.open(second).type).toBe('message');
    expect(db2.open(second)).toEqual(dropped('duplicate', 'db1'));
    expect(db2.open(first)).toEqual(dropped('replay', 'db1'));
  });

  it("tells for each peer how many messages it sent, and how many of the peer's it accepted up to which number", () => {
    const { db1, db2 } = acquainted();
    const frames = [BEAT, ACK, BEAT].map((message) => seal(db1, 'db2', message));
    const [first, , third] = frames as [Buffer, Buffer, Buffer];
    // The second is lost on the way. What is dropped counts nowhere.
    for (const datagram of [first, first, third, first, third.subarray(1), seal(link('db1'), 'db2', ACK)])
      db2.open(datagram);
    // Two more were sent to make acquaintance: the first had no session to name.
    expect(db1.frames().db2).toEqual({ sent: 5, accepted: 1, newest: 1 });
    expect(db2.frames().db1).toEqual({ sent: 1, accepted: 3, newest: 5 });
    expect(db2.frames().w1).toEqual({ sent: 0, accepted: 0, newest: 0 });
  });

  it('goes on counting what it accepted when a peer restarts, whose numbers start anew', () => {
    const { db1, db2 } = acquainted();
    seal(db1, 'db2', ACK);
    const restarted = link('db1');
    for (let n = 0; n < 3; n++) {
      const answer = db2.open(seal(restarted, 'db2', ACK));
      if (answer.type === 'hello') restarted.open(answer.datagram);
    }
    expect(db2.frames().db1).toMatchObject({ accepted: 2, newest: 3 });
  });

  it('drops every frame that was cut short, and every frame with one bit changed', () => {
    const { db1, db2 } = acquainted();
    for (const message of MESSAGES) {
      const datagram = seal(db1, 'db2', message);
      for (let length = 0; length < datagram.length; length++) {
        expect(db2.open(datagram.subarray(0, length)).type).toBe('dropped');
      }
      for (let bit = 0; bit < 8 * datagram.length; bit++) {
        const changed = Buffer.from(datagram);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const { type } = db2.open(changed);
        if (type !== 'dropped') throw new Error(`${message.kind} with bit ${bit} changed was ${type}`);
      }
      expect(db2.open(datagram).type).toBe('message');
    }
  });

  it('drops what is for another group, another member, from a stranger, or under another key', () => {
    const db2 = link('db2');
    const from = (changes: Partial<LinkOptions>, to = 'db2', self = 'db1'): Buffer =>
      seal(link(self, { peers: ['db1', 'db2', 'w1', 'w9'].filter((name) => name !== self), ...changes }), to, ACK);
    expect(db2.open(from({ group: 'other' }))).toEqual(dropped('other-group'));
    expect(db2.open(from({}, 'w1'))).toEqual(dropped('other-addressee', 'db1'));
    expect(db2.open(from({}, 'db2', 'w9'))).toEqual(dropped('unknown-sender'));
    expect(db2.open(from({ keys: [NEXT_KEY] }))).toEqual(dropped('bad-mac', 'db1'));
    expect(db2.open(from({}, 'db1', 'db2'))).toEqual(dropped('unknown-sender'));
    expect(db2.counters).toMatchObject({
      'other-group': 1,
      'other-addressee': 1,
      'unknown-sender': 2,
      'bad-mac': 1,
      accepted: 0,
      hello: 0,
    });
  });

  it('drops another version of the format, and an unknown kind, however well sealed', () => {
    const { db1, db2 } = acquainted();
    for (const [at, cause] of [
      [0, 'other-version'],
      [1, 'unknown-kind'],
    ] as const) {
      const datagram = seal(db1, 'db2', ACK);
      datagram[at] = 99;
      expect(db2.open(remac(datagram))).toEqual(dropped(cause));
    }
  });

  it('goes on without a break while a key is rotated, member by member', () => {
    const { db1, db2 } = acquainted();
    const bothHear = (): void => {
      expect(db2.open(seal(db1, 'db2', BEAT)).type).toBe('message');
      expect(db1.open(seal(db2, 'db1', BEAT)).type).toBe('message');
    };
    db1.setKeys([KEY, NEXT_KEY]);
    bothHear();
    db2.setKeys([NEXT_KEY, KEY]);
    bothHear();
    db1.setKeys([NEXT_KEY]);
    bothHear();
    db2.setKeys([NEXT_KEY]);
    bothHear();
    db1.setKeys([KEY]);
    expect(db2.open(seal(db1, 'db2', BEAT))).toEqual(dropped('bad-mac', 'db1'));
  });

  it('keeps its keys where new ones cannot be used', () => {
    const { db1, db2 } = acquainted();
    expect(() => db1.setKeys([])).toThrow('no heartbeat key');
    expect(db2.open(seal(db1, 'db2', BEAT)).type).toBe('message');
  });

  it('seals nothing for a stranger, or with a number out of range, and stays of use', () => {
    const { db1, db2 } = acquainted();
    expect(db1.seal('w9', ACK)).toBeNull();
    expect(db1.seal('db2', { kind: 'released', term: -1 })).toBeNull();
    expect(db1.counters.unsealable).toBe(2);
    expect(db2.open(seal(db1, 'db2', BEAT)).type).toBe('message');
  });

  it('learns the sessions both ways from one HELLO, so that a witness can answer the first BEAT it takes', () => {
    const node = link('db1');
    const witness = link('w1');
    const hello = witness.open(seal(node, 'w1', BEAT));
    if (hello.type !== 'hello') throw new Error(hello.type);
    node.open(hello.datagram);
    expect(witness.open(seal(node, 'w1', BEAT)).type).toBe('message');
    expect(node.open(seal(witness, 'db1', ACK)).type).toBe('message');
  });

  it('answers with at most 16 bytes more than the frame that asked had, so that it is no amplifier', () => {
    for (const message of MESSAGES) {
      const asked = seal(link('db1'), 'db2', message);
      const answer = link('db2').open(asked);
      if (answer.type !== 'hello') throw new Error(answer.type);
      expect(answer.datagram.length).toBeLessThanOrEqual(asked.length + 16);
    }
  });

  it.each([
    ['an empty group', { group: '' }],
    ['a name that is too long', { peers: ['n'.repeat(64)] }],
    ['no key', { keys: [] }],
  ])('is not made with %s', (_what, changes) => {
    expect(() => link('db1', changes)).toThrow();
  });
});

describe('the group of a datagram', () => {
  it('is told before any key is known, and null for what is no frame', () => {
    const datagram = seal(link('db1'), 'w1', ACK);
    expect(peekGroup(datagram)).toBe('orders');
    expect(peekGroup(datagram.subarray(1))).toBeNull();
    expect(peekGroup(Buffer.alloc(0))).toBeNull();
    expect(peekGroup(Buffer.alloc(FRAME_MAX_BYTES + 1))).toBeNull();
  });
});

describe('garbage', () => {
  it('of any bytes is dropped and counted, 20,000 frames of it', () => {
    const random = generator(1);
    const { db2 } = acquainted();
    const before = db2.counters.accepted;
    for (let i = 0; i < 20_000; i++) {
      const datagram = Buffer.alloc(random(1400));
      for (let at = 0; at < datagram.length; at++) datagram[at] = random(256);
      // Half of it gets past the first look.
      if (i % 2 === 0 && datagram.length > 1) datagram.set([1, 1 + random(11)]);
      expect(db2.open(datagram).type).toBe('dropped');
    }
    expect(db2.counters.accepted).toBe(before);
  });

  it('under the right key reaches the decoder, and is a message of ours or dropped', () => {
    const random = generator(2);
    const { db1, db2 } = acquainted();
    const seen = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      const datagram = seal(db1, 'db2', MESSAGES[i % MESSAGES.length] ?? ACK);
      for (let change = random(4); change >= 0; change--) {
        datagram[random(datagram.length - MAC_BYTES)] = random(3) === 0 ? 0xff : random(256);
      }
      const cut = random(4) === 0 ? datagram.subarray(0, datagram.length - random(40)) : datagram;
      const opened = db2.open(remac(cut));
      seen.add(opened.type === 'dropped' ? opened.cause : opened.type);
      if (opened.type === 'hello') db1.open(opened.datagram);
    }
    for (const outcome of [
      'message',
      'hello-limit',
      'bad-value',
      'truncated',
      'trailing-bytes',
      'unknown-kind',
      'other-group',
    ]) {
      expect(seen).toContain(outcome);
    }
  });

  it('leaves nothing behind in memory', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { db1, db2 } = acquainted();
    const flood = (): void => {
      for (let i = 0; i < 5_000; i++) {
        const stranger = seal(link('db1', i % 2 === 0 ? {} : { keys: [NEXT_KEY] }), 'db2', BEAT);
        db2.open(stranger);
        db2.open(stranger.subarray(0, i % stranger.length));
        db2.open(seal(db1, 'db2', BEAT));
      }
    };
    flood();
    collect();
    const before = process.memoryUsage().heapUsed;
    const counters = Object.keys(db2.counters);
    flood();
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(500_000);
    expect(Object.keys(db2.counters)).toEqual(counters);
  });
});
