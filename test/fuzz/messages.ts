/** Messages as only a broken or hostile holder of the group's key would send them: well formed, with any contents. */

import fc from 'fast-check';
import type { Beat, Message, Verdict } from '../../src/core/message.js';
import { HEALTHS, HOLDS, type NumberTable, OPENINGS, REFUSALS, ROLES, WISH_OUTCOMES } from '../../src/wire/tables.js';

export const NAMES = ['db1', 'db2', 'w1', 'w2', 'w3', ''] as const;

const namesIn = <Name extends string>(table: NumberTable<Name>): fc.Arbitrary<Name> =>
  fc.constantFrom(...(Object.keys(table.numberOf) as Name[]));

/** Mostly those that a young group has, so that much of it fits; sometimes as large as a frame can carry. */
export const term: fc.Arbitrary<number> = fc.oneof(
  { weight: 12, arbitrary: fc.nat({ max: 6 }) },
  { weight: 1, arbitrary: fc.nat({ max: 1_000_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2 ** 32) },
);

/** Those of the frame's own range; `leaseMs` of the group's configuration first. */
export const millis: fc.Arbitrary<number> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(300, 2_300, 0, 100) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 10_000, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER) },
);

const millisOrNone = fc.oneof(fc.constant(-1), millis);

export const position: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.constantFrom('', 'mariadb:0-1-10', 'mariadb:0-1-10,0-2-3', 'mariadb:0-1-12', 'mariadb:', 'mysql:'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7', 'mariadb:0-1-9007199254740993'),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
);

const beat: fc.Arbitrary<Beat> = fc.record({
  kind: fc.constant('beat' as const),
  beat: term,
  role: namesIn(ROLES),
  term,
  owner: fc.boolean(),
  leaseMs: millis,
  dataTerm: term,
  servedTerm: term,
  sync: fc.boolean(),
  priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  health: namesIn(HEALTHS),
  cause: fc.string({ maxLength: 20 }),
  unfit: fc.constantFrom('', '', '', 'its database is down'),
  holds: fc.uniqueArray(namesIn(HOLDS), { maxLength: 5 }),
  position,
  readOnly: fc.boolean(),
  replicating: fc.boolean(),
  lagMs: millisOrNone,
  progress: fc.string({ maxLength: 20 }),
  pause: fc.record({ version: term, on: fc.boolean(), leftMs: millisOrNone }),
  finalPosition: fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: position }),
  applied: position,
  sinceMs: millis,
  because: namesIn(OPENINGS),
  wish: fc.record({ id: term, dryRun: fc.boolean(), force: fc.boolean(), timeoutMs: millis }),
  wishAnswer: fc.record({ id: term, outcome: namesIn(WISH_OUTCOMES), text: fc.string({ maxLength: 20 }) }),
  standbyVip: fc.boolean(),
});

const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.record({ granted: fc.constant(true as const), lastPosition: position, servedTerm: term, sync: fc.boolean() }),
  fc.record({
    granted: fc.constant(false as const),
    why: namesIn(REFUSALS),
    holder: fc.constantFrom(...NAMES),
    maxTerm: term,
    servedTerm: term,
    leftMs: millis,
  }),
);

const ask = { term, dataTerm: term, leaseMs: millis };

export const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 4, arbitrary: beat },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ack' as const), beat: term, term, leaseMs: millis }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('grant' as const), beat: term, term, leaseMs: millis }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('poll?' as const), ...ask }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('vote?' as const), ...ask }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('poll' as const), term, verdict }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('vote' as const), term, verdict }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('served?' as const), term, sync: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('served' as const), term, sync: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      term,
      finalPosition: position,
      successor: fc.constantFrom(...NAMES),
      reason: fc.constantFrom('', 'not elected', 'handed-off: switchover', 'lease-lost'),
      unserved: fc.boolean(),
      servedTerm: term,
      sync: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('released' as const), term }) },
);
