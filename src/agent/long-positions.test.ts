/** Long positions between two agents: whole at the other end, once the base was fetched, and never half. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { beatOf } from '../core/beat.fixture.js';
import type { Beat, Message } from '../core/message.js';
import { containsPosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import { POSITION_MAX_BYTES } from '../wire/body.js';
import { createLongPositions, LONG_POSITION_MAX_CHARS, type LongPositions, POSITION } from './long-positions.js';

const uuid = (n: number): string => `${String(n % 10)}a99${String(n).padStart(4, '0')}-9a00-4000-8000-00000000000a`;
const mysqlSet = (sources: number, last: number): Position =>
  `mysql:${Array.from({ length: sources }, (_, n) => `${uuid(n)}:1-${n === 3 ? last : 7}`).join(',')}`;
const mariadbSet = (sources: number, last: number): Position =>
  `mariadb:${Array.from({ length: sources }, (_, n) => `0-${4_000_000_000 + n}-${1_000_000 + (n === 3 ? last : n)}`).join(',')}`;
const SETS = { mysql: mysqlSet, mariadb: mariadbSet } as const;
const FLAVOURS = ['mysql', 'mariadb'] as const;

const beat = (changes: Partial<Beat>): Beat => beatOf({ beat: 7, term: 3, dataTerm: 3, servedTerm: 3, ...changes });

interface Agents {
  readonly db1: LongPositions;
  readonly db2: LongPositions;
  /** Digests that were asked for. */
  readonly asked: unknown[];
  readonly warned: string[];
  now: number;
  /** What db1 is asked for fails like this. */
  failure: Error | undefined;
  /** Answers something else. */
  forged: string | undefined;
}

const twoAgents = (): Agents => {
  const agents = { asked: [] as unknown[], warned: [] as string[], now: 0, failure: undefined, forged: undefined };
  const make = (peer: () => LongPositions): LongPositions =>
    createLongPositions({
      ask: async (purpose, request) => {
        expect(purpose).toBe(POSITION);
        agents.asked.push(request);
        if (both.failure !== undefined) throw both.failure;
        return both.forged ?? (await peer().handler(request));
      },
      now: () => both.now,
      warn: (text) => agents.warned.push(text),
    });
  const db1: LongPositions = make(() => both.db2);
  const db2: LongPositions = make(() => both.db1);
  const both: Agents = Object.assign(agents, { db1, db2 });
  return both;
};

/** What is asked for has been answered. */
const fetched = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const positionsOf = (message: Message): readonly string[] => {
  if (message.kind !== 'beat') throw new Error('no beat');
  return [message.position, message.finalPosition, message.applied];
};

/** As the other node's core sees it. */
const arrives = (from: LongPositions, to: LongPositions, changes: Partial<Beat>): readonly string[] => {
  const sent = from.shorten(beat(changes));
  for (const text of positionsOf(sent)) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(POSITION_MAX_BYTES);
  return positionsOf(to.restore(sent));
};

const same = (a: Position, b: Position): boolean => containsPosition(a, b) && containsPosition(b, a);

test('what fits is sent as it is, and nothing is asked for', () => {
  const { db1, db2, asked } = twoAgents();
  expect(arrives(db1, db2, { position: 'mysql:a:1-5' })).toEqual(['mysql:a:1-5', '', '']);
  expect(asked).toEqual([]);
});

test.each(FLAVOURS)(
  '%s: unknown until the base is there, then each position is whole, by one question',
  async (flavour) => {
    const { db1, db2, asked } = twoAgents();
    const of = SETS[flavour];
    expect(arrives(db1, db2, { position: of(80, 1) })).toEqual(['', '', '']);
    await fetched();
    for (let last = 1; last < 50; last += 7) {
      const [position = ''] = arrives(db1, db2, { position: of(80, last) });
      expect(same(position, of(80, last))).toBe(true);
    }
    expect(asked).toHaveLength(1);
  },
);

test.each(FLAVOURS)('%s: a set that lost something, or grew by much, gets a base of its own', async (flavour) => {
  const { db1, db2, asked } = twoAgents();
  const of = SETS[flavour];
  for (const position of [of(80, 9), of(60, 9), of(80, 9), of(99, 9)]) {
    arrives(db1, db2, { position });
    await fetched();
    expect(same(arrives(db1, db2, { position })[0] ?? '', position)).toBe(true);
  }
  expect(asked).toHaveLength(3);
});

test.each(FLAVOURS)('%s: a final position comes back applied in the words in which it was told', async (flavour) => {
  const { db1, db2 } = twoAgents();
  // As a server may list it: not in the order in which positions are written here.
  const final = SETS[flavour](80, 44).replace(
    /^(\w+:)(.*)$/,
    (_, name: string, body: string) => `${name}${body.split(',').reverse().join(',')}`,
  );
  arrives(db1, db2, { finalPosition: final });
  await fetched();
  const [, applied = ''] = arrives(db1, db2, { position: final, finalPosition: final });
  expect(same(applied, final)).toBe(true);
  arrives(db2, db1, { applied });
  await fetched();
  expect(arrives(db2, db1, { applied })[2]).toBe(final);
});

test('a witness passes on what it heard, and the node that has the base knows what was meant', async () => {
  const { db1, db2 } = twoAgents();
  arrives(db1, db2, { position: mysqlSet(80, 1) });
  await fetched();
  const heard = db1.shorten(beat({ position: mysqlSet(80, 2) }));
  const [lastPosition = ''] = positionsOf(heard);
  const verdict = { granted: true, lastPosition, servedTerm: 3, sync: true } as const;
  const vote = db2.restore({ kind: 'vote', term: 4, verdict });
  if (vote.kind !== 'vote' || !vote.verdict.granted) throw new Error('not granted');
  expect(same(vote.verdict.lastPosition, mysqlSet(80, 2))).toBe(true);
  const release = { term: 3, successor: '', reason: '', unserved: false, servedTerm: 0, sync: false } as const;
  const sent = db1.shorten({ kind: 'release', ...release, finalPosition: mysqlSet(80, 3) });
  const told = db2.restore(sent);
  if (told.kind !== 'release') throw new Error('no release');
  expect(same(told.finalPosition, mysqlSet(80, 3))).toBe(true);
});

test('a base that cannot be had is asked for again after a while, and complained of once', async () => {
  const agents = twoAgents();
  agents.failure = new Error('nobody listens');
  const send = () => arrives(agents.db1, agents.db2, { position: mysqlSet(80, 1) })[0];
  for (let i = 0; i < 5; i += 1) {
    expect(send()).toBe('');
    await fetched();
  }
  expect(agents.asked).toHaveLength(1);
  agents.now += 2_000;
  send();
  await fetched();
  expect(agents.asked).toHaveLength(2);
  expect(agents.warned).toEqual(['a long position is not known here: nobody listens']);
  agents.failure = undefined;
  agents.now += 2_000;
  send();
  await fetched();
  expect(send()).not.toBe('');
});

test('an answer that is not what was asked for is not taken', async () => {
  const agents = twoAgents();
  agents.forged = mysqlSet(80, 2);
  arrives(agents.db1, agents.db2, { position: mysqlSet(80, 1) });
  await fetched();
  expect(arrives(agents.db1, agents.db2, { position: mysqlSet(80, 1) })[0]).toBe('');
  expect(agents.warned.join()).toContain('no such position');
});

test('longer than is ever told, it is unknown; a digest that nobody knows any more is refused', async () => {
  const { db1, db2, asked } = twoAgents();
  expect(arrives(db1, db2, { position: mysqlSet(LONG_POSITION_MAX_CHARS / 40, 1) })).toEqual(['', '', '']);
  expect(asked).toEqual([]);
  await expect(db1.handler('A'.repeat(43))).rejects.toThrow('not told any more');
  await expect(db1.handler({ digest: 1 })).rejects.toThrow('not told any more');
});

test('whatever sets follow each other: what arrives is unknown or the very set, never another', async () => {
  const sets = fc.array(
    fc.record({ sources: fc.integer({ min: 30, max: 90 }), last: fc.integer({ min: 1, max: 50 }) }),
    {
      minLength: 1,
      maxLength: 20,
    },
  );
  const property = fc.asyncProperty(fc.constantFrom(...FLAVOURS), sets, async (flavour, steps) => {
    const { db1, db2 } = twoAgents();
    for (const { sources, last } of steps) {
      const position = SETS[flavour](sources, last);
      const [first = ''] = arrives(db1, db2, { position });
      expect(first === '' || same(first, position)).toBe(true);
      await fetched();
      expect(same(arrives(db1, db2, { position })[0] ?? '', position)).toBe(true);
    }
  });
  await fc.assert(property, { numRuns: 50 });
});
