/** Every kind of message comes back from its bytes as it was, and what cannot fit is cut by the rules of body.ts. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beatOf } from '../core/beat.fixture.js';
import type { Beat, Message, Verdict } from '../core/message.js';
import * as body from './body.js';
import { BufferWriter } from './buffer-writer.js';
import { decodeBody } from './decode.js';
import { encodeBody } from './encode.js';
import {
  encodeAddress,
  endBody,
  FRAME_MAX_BYTES,
  MAC_BYTES,
  NAME_MAX_BYTES,
  readHeader,
  writeHeader,
} from './layout.js';
import { HEALTHS, HOLDS, type NumberTable, OPENINGS, REFUSALS, ROLES, WISH_OUTCOMES } from './tables.js';
import { WireError } from './wire-error.js';

const names = encodeAddress({ group: 'orders', sender: 'db1', addressee: 'db2' });
const longestName = 'n'.repeat(NAME_MAX_BYTES);
const longestNames = encodeAddress({ group: longestName, sender: longestName, addressee: longestName });
const stamp = { senderLife: 1n, senderSession: 2n, receiverSession: 3n, sequence: 4 };

const encode = (message: Message, address = names): Buffer => {
  const writer = new BufferWriter(FRAME_MAX_BYTES - MAC_BYTES);
  writeHeader(writer, message.kind, stamp, message.term, address);
  encodeBody(writer, message);
  endBody(writer, address);
  return Buffer.concat([writer.written(), Buffer.alloc(MAC_BYTES)]);
};

const decode = (datagram: Buffer): Message => {
  const header = readHeader(datagram);
  if (header.kind === 'hello') throw new Error('HELLO is no message');
  return decodeBody(datagram, header, header.kind);
};

const roundTrip = (message: Message): Message => decode(encode(message));

const oneOf = <Name extends string>(table: NumberTable<Name>): fc.Arbitrary<Name> =>
  fc.constantFrom(...(Object.keys(table.numberOf) as Name[]));
const count = fc.maxSafeNat();
const millis = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((ms) => ms + 0);
const millisOrNone = fc.oneof(millis, fc.constant(-1));
const text = (maxBytes: number) =>
  fc.string({ unit: 'grapheme', maxLength: maxBytes }).filter((value) => Buffer.byteLength(value) <= maxBytes);
const position = text(100);
const name = text(NAME_MAX_BYTES);

const beat: fc.Arbitrary<Beat> = fc.record({
  kind: fc.constant('beat' as const),
  beat: count,
  role: oneOf(ROLES),
  term: count,
  owner: fc.boolean(),
  leaseMs: millis,
  dataTerm: count,
  servedTerm: count,
  sync: fc.boolean(),
  priority: fc.integer(),
  health: oneOf(HEALTHS),
  cause: text(body.CAUSE_MAX_BYTES),
  unfit: text(body.UNFIT_MAX_BYTES),
  holds: fc.array(oneOf(HOLDS), { maxLength: body.HOLDS_MAX }),
  position,
  readOnly: fc.boolean(),
  replicating: fc.boolean(),
  lagMs: millisOrNone,
  progress: text(body.PROGRESS_MAX_BYTES),
  pause: fc.record({ version: count, on: fc.boolean(), leftMs: millisOrNone }),
  finalPosition: position,
  applied: position,
  sinceMs: millis,
  because: oneOf(OPENINGS),
  wish: fc.record({ id: count, dryRun: fc.boolean(), force: fc.boolean(), timeoutMs: millis }),
  wishAnswer: fc.record({ id: count, outcome: oneOf(WISH_OUTCOMES), text: text(body.WISH_TEXT_MAX_BYTES) }),
  standbyVip: fc.boolean(),
});

const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.record({
    granted: fc.constant(true as const),
    lastPosition: position,
    servedTerm: count,
    sync: fc.boolean(),
  }),
  fc.record({
    granted: fc.constant(false as const),
    why: oneOf(REFUSALS),
    holder: name,
    maxTerm: count,
    servedTerm: count,
    leftMs: millis,
  }),
);

const arbitraries = {
  beat,
  ack: fc.record({ kind: fc.constant('ack' as const), beat: count, term: count, leaseMs: millis }),
  grant: fc.record({ kind: fc.constant('grant' as const), beat: count, term: count, leaseMs: millis }),
  'poll?': fc.record({ kind: fc.constant('poll?' as const), term: count, dataTerm: count, leaseMs: millis }),
  poll: fc.record({ kind: fc.constant('poll' as const), term: count, verdict }),
  'vote?': fc.record({ kind: fc.constant('vote?' as const), term: count, dataTerm: count, leaseMs: millis }),
  vote: fc.record({ kind: fc.constant('vote' as const), term: count, verdict }),
  'served?': fc.record({ kind: fc.constant('served?' as const), term: count, sync: fc.boolean() }),
  served: fc.record({ kind: fc.constant('served' as const), term: count, sync: fc.boolean() }),
  release: fc.record({
    kind: fc.constant('release' as const),
    term: count,
    finalPosition: position,
    successor: name,
    reason: text(body.REASON_MAX_BYTES),
    unserved: fc.boolean(),
    servedTerm: count,
    sync: fc.boolean(),
  }),
  released: fc.record({ kind: fc.constant('released' as const), term: count }),
} satisfies { readonly [Kind in Message['kind']]: fc.Arbitrary<Extract<Message, { kind: Kind }>> };

const anyBeat = (changes: Partial<Beat>): Beat =>
  beatOf({ beat: 7, term: 3, dataTerm: 3, servedTerm: 3, sync: true, lagMs: -1, sinceMs: 1000.5, ...changes });

const causeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof WireError) return error.cause;
    throw error;
  }
  return 'none';
};

describe('encode and decode', () => {
  it.each(Object.entries(arbitraries))('bring %s back as it was', (_kind, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        expect(roundTrip(message)).toEqual(message);
      }),
    );
  });

  it('refuse every body that is shorter or longer than its fields', () => {
    fc.assert(
      fc.property(fc.oneof(...Object.values(arbitraries)), fc.nat(), fc.boolean(), (message, at, longer) => {
        const frame = encode(message);
        const header = readHeader(frame);
        const bodyBytes = header.bodyEnd - header.bodyStart;
        fc.pre(longer || bodyBytes > 0);
        const bodyEnd = longer ? header.bodyEnd + 1 : header.bodyStart + (at % bodyBytes);
        const kind = message.kind;
        expect(causeOf(() => decodeBody(frame, { ...header, bodyEnd }, kind))).not.toBe('none');
      }),
    );
  });

  it('carry a position of 1 kB in a BEAT between hosts of ordinary names', () => {
    const position = 'p'.repeat(1000);
    expect(roundTrip(anyBeat({ position }))).toEqual(anyBeat({ position }));
  });

  it('send a position that does not fit as unknown, never in part', () => {
    const tooLong = 'p'.repeat(body.POSITION_MAX_BYTES + 1);
    expect(roundTrip(anyBeat({ position: tooLong }))).toEqual(anyBeat({ position: '' }));
    const release: Message = {
      kind: 'release',
      term: 1,
      finalPosition: tooLong,
      successor: 'db2',
      reason: 'r',
      unserved: false,
      servedTerm: 0,
      sync: false,
    };
    expect(roundTrip(release)).toEqual({ ...release, finalPosition: '' });
    const vote: Message = {
      kind: 'vote',
      term: 1,
      verdict: { granted: true, lastPosition: tooLong, servedTerm: 0, sync: false },
    };
    expect(roundTrip(vote)).toEqual({ ...vote, verdict: { ...vote.verdict, lastPosition: '' } });
  });

  it('give the room to the final position first, then to the applied one, then to the present one', () => {
    const long = 'p'.repeat(900);
    const short = 's'.repeat(60);
    expect(roundTrip(anyBeat({ finalPosition: long, applied: long, position: short }))).toEqual(
      anyBeat({ finalPosition: long, applied: '', position: short }),
    );
    expect(roundTrip(anyBeat({ applied: long, position: long }))).toEqual(anyBeat({ applied: long, position: '' }));
  });

  it('cut free texts at a whole character, and never to nothing', () => {
    const euros = '€'.repeat(200);
    const cut = (maxBytes: number): string => '€'.repeat(Math.floor(maxBytes / 3));
    const told = anyBeat({
      cause: euros,
      unfit: euros,
      progress: euros,
      wishAnswer: { id: 1, outcome: 'refused', text: euros },
    });
    expect(roundTrip(told)).toEqual({
      ...told,
      cause: cut(body.CAUSE_MAX_BYTES),
      unfit: cut(body.UNFIT_MAX_BYTES),
      progress: cut(body.PROGRESS_MAX_BYTES),
      wishAnswer: { id: 1, outcome: 'refused', text: cut(body.WISH_TEXT_MAX_BYTES) },
    });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (unfit) => {
        expect((roundTrip(anyBeat({ unfit })) as Beat).unfit).not.toBe('');
      }),
    );
  });

  it('fit the longest message into a frame, with room for an ordinary position', () => {
    const long = 'x'.repeat(2000);
    const position = `mariadb:${'0-4294967295-18446744073709551615,'.repeat(8)}`;
    const frame = encode(
      anyBeat({
        holds: Array.from({ length: body.HOLDS_MAX }, () => 'paused' as const),
        cause: long,
        unfit: long,
        progress: long,
        wishAnswer: { id: 1, outcome: 'refused', text: long },
        finalPosition: long,
        applied: long,
        position,
      }),
      longestNames,
    );
    expect(frame.length).toBeLessThanOrEqual(FRAME_MAX_BYTES);
    expect((decode(frame) as Beat).position).toBe(position);
  });

  it.each<[string, Message]>([
    ['a term that is no whole number', { kind: 'released', term: 1.5 }],
    ['a negative term', { kind: 'released', term: -1 }],
    ['a lease that is not finite', { kind: 'ack', beat: 1, term: 1, leaseMs: Number.POSITIVE_INFINITY }],
    ['a lease that is no number', { kind: 'ack', beat: 1, term: 1, leaseMs: Number.NaN }],
    ['a negative lag other than -1', anyBeat({ lagMs: -2 })],
    ['a priority beyond 32 bits', anyBeat({ priority: 2 ** 31 })],
    [
      'more holds than there are',
      anyBeat({ holds: Array.from({ length: body.HOLDS_MAX + 1 }, () => 'alone' as const) }),
    ],
    [
      'a name that is too long',
      {
        kind: 'release',
        term: 1,
        finalPosition: '',
        successor: `${longestName}n`,
        reason: '',
        unserved: false,
        servedTerm: 0,
        sync: false,
      },
    ],
  ])('refuse to write %s', (_what, message) => {
    expect(['bad-value', 'bad-text']).toContain(causeOf(() => encode(message)));
  });

  it.each<[string, Message, number, readonly number[]]>([
    ['a lease that is no number', { kind: 'ack', beat: 1, term: 1, leaseMs: 1 }, 8, [0x7f, 0xf8]],
    ['an infinite lease', { kind: 'ack', beat: 1, term: 1, leaseMs: 1 }, 8, [0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['a negative lease', { kind: 'ack', beat: 1, term: 1, leaseMs: 1 }, 8, [0xbf]],
    ['a count beyond 2^53', { kind: 'ack', beat: 1, term: 1, leaseMs: 1 }, 0, [0x00, 0x20]],
    ['unknown flags', { kind: 'served', term: 1, sync: false }, 0, [0x80]],
    ['an unknown role', anyBeat({}), 8, [99]],
    ['role number 0', anyBeat({}), 8, [0]],
    [
      'text that is not UTF-8',
      {
        kind: 'release',
        term: 1,
        finalPosition: '',
        successor: 'db',
        reason: '',
        unserved: false,
        servedTerm: 0,
        sync: false,
      },
      10,
      [0xff],
    ],
    [
      'a length beyond the end',
      {
        kind: 'release',
        term: 1,
        finalPosition: '',
        successor: 'db',
        reason: '',
        unserved: false,
        servedTerm: 0,
        sync: false,
      },
      9,
      [60],
    ],
    [
      'a length beyond the limit',
      {
        kind: 'release',
        term: 1,
        finalPosition: '',
        successor: 'db',
        reason: '',
        unserved: false,
        servedTerm: 0,
        sync: false,
      },
      9,
      [64],
    ],
  ])('refuse to read %s', (_what, message, at, bytes) => {
    const frame = encode(message);
    frame.set(bytes, readHeader(frame).bodyStart + at);
    expect(['bad-value', 'bad-text', 'truncated']).toContain(causeOf(() => decode(frame)));
  });
});
