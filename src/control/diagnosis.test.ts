/** What is told of a group that is not well, beyond the states that have golden files. */

import { describe, expect, test } from 'vitest';
import { diagnose, headline } from './diagnosis.js';
import { formatElapsed } from './elapsed.js';
import { wallText } from './moment.js';
import { allWell, db1, db2, STATES } from './status.fixture.js';
import type { NodeStatus, Status } from './status.js';

const withNodes = (self: Partial<NodeStatus>, peer: Partial<NodeStatus>, changes: Partial<Status> = {}): Status => ({
  ...allWell,
  nodes: [
    { ...db1, ...self },
    { ...db2, ...peer },
  ],
  ...changes,
});

const channel = { running: false, io: null, sql: null, error: 'Error 1062: duplicate entry' } as const;
const downPath = { name: '192.168.99.1 - 192.168.99.2', up: false, heardMsAgo: 9_000 };

describe('a problem', () => {
  test.each([
    [
      'two actives',
      withNodes({}, { role: 'active', active: true, readOnly: false }),
      'critical',
      /db1 and db2 both say/,
    ],
    [
      'a read-only active',
      withNodes({ readOnly: true }, {}),
      'critical',
      /db1 is active, but its database is read-only/,
    ],
    ['nobody known', withNodes({}, {}, { active: null }), 'warning', /db1 does not know who is active/],
    [
      'a writable standby',
      withNodes({}, { readOnly: false }),
      'warning',
      /db2 is standby, but its database takes writes/,
    ],
    ['a broken channel', withNodes({}, { replication: channel }), 'warning', /does not replicate .*Error 1062/],
    [
      'a reverse channel not yet open',
      withNodes({ replication: { ...channel, error: '' } }, {}),
      'note',
      /db1 does not repl/,
    ],
    [
      'a path down',
      withNodes({}, { agent: { ...db2.agent, paths: [downPath] } }),
      'warning',
      /nothing .* 192\.168\.99\.2/,
    ],
    [
      'an unfit standby',
      withNodes({}, { unfit: 'its dataTerm is behind' }),
      'warning',
      /could not take over: its dataTerm/,
    ],
    ['progress', withNodes({}, { progress: 'catching up' }), 'note', /^db2: catching up/],
    [
      'the VIP on a standby',
      { ...STATES['all-well-standby'], vips: allWell.vips },
      'critical',
      /db2 is standby, but has 10\.99\.0\.100\/24 on eth0/,
    ],
    [
      'a journal that is not written',
      { ...allWell, journal: { problem: 'cannot write the journal /var/lib/vipd/orders/journal.jsonl: ENOSPC' } },
      'warning',
      /^cannot write the journal .*: ENOSPC; "vipctl history" on db1/,
    ],
    ['a silent witness', STATES['much-wrong'], 'warning', /witness w1 .* not been heard yet/],
  ] as const)('%s', (_what, status, severity, text) => {
    const found = diagnose(status).filter((problem) => text.test(problem.text));
    expect(found).toMatchObject([{ severity }, ...found.slice(1)]);
  });

  test('comes in order of its severity', () => {
    const ranks = diagnose(STATES['much-wrong']).map((p) => ['critical', 'warning', 'note'].indexOf(p.severity));
    expect(ranks).toEqual(ranks.toSorted());
  });

  test('names the host where a command is to be typed, unless it is this one', () => {
    const maintenance = [{ name: 'maintenance', why: 'asked for by an operator' }] as const;
    const next = (status: Status) => diagnose(status).map((p) => p.next);
    expect(next(withNodes({ holds: maintenance }, {}))).toEqual(['"vipctl maintenance off"']);
    expect(next(withNodes({}, { holds: maintenance }))).toEqual(['"vipctl maintenance off" on db2']);
  });
});

test('all well says so, and a note does not spoil it', () => {
  expect(diagnose(allWell)).toEqual([]);
  const noWitness = STATES['no-witness'];
  expect(headline(noWitness, diagnose(noWitness))).toBe('orders: db1 is active, all is well');
});

test.each([
  [-5, '0 ms'],
  [0.44, '0.4 ms'],
  [999.9, '999 ms'],
  [9_990, '9.9 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_599_999, '59 min 59 s'],
  [7_380_000, '2 h 3 min'],
  [273_600_000, '3 d 4 h'],
])('%d ms reads %s', (ms, text) => expect(formatElapsed(ms)).toBe(text));

test.each([
  [0, '1970-01-01T00:00:00.000Z'],
  [60, '1970-01-01T01:00:00.000+01:00'],
  [-210, '1969-12-31T20:30:00.000-03:30'],
])('the epoch %d minutes ahead of UTC is written %s', (offset, text) => expect(wallText(0, offset)).toBe(text));
