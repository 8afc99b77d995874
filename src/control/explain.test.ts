/** Sentences beyond those of the states that have golden files (`src/cli/render/golden/explain-*.txt`). */

import { expect, test } from 'vitest';
import { explain } from './explain.js';
import { allWell, db1, db2, HISTORY, STATES } from './status.fixture.js';
import type { NodeStatus, Status } from './status.js';

const self = { self: true, agent: db1.agent };
/** db2 answers, and nobody is active. */
const nobody = (own: Partial<NodeStatus>, other: Partial<NodeStatus> = {}, more: Partial<Status> = {}): Status => ({
  ...STATES['all-well-standby'],
  active: null,
  owner: null,
  noWriter: true,
  nodes: [
    { ...db2, ...self, ...own },
    { ...db1, ...db2, name: 'db1', self: false, ...other },
  ],
  ...more,
});
const silent = { agent: { reachable: false, heardMsAgo: null, paths: [] } };
const [w1] = allWell.witnesses;
const deafWitness = w1 === undefined ? [] : [{ ...w1, reachable: false, heardMsAgo: null, promise: null }];
const text = (status: Status): string =>
  explain(status, [])
    .map((sentence) => `${sentence.text} ${sentence.next}`)
    .join('\n');

test.each([
  ['its start', nobody({ role: 'starting', unfit: 'the agent is starting' }), /not active because its agent is start/],
  ['its handoff', nobody({ role: 'handing-off' }), /db2 is handing over to db1/],
  ['its fencing', nobody({ role: 'fencing' }), /db2 is active no longer/],
  ['the other that takes over', nobody({}, { role: 'promoting' }), /db1 is taking over; db2 leaves it to it/],
  ['too few voters', nobody({}, silent, { witnesses: deafWitness }), /hears 1 of 3 voters, .* a term needs 2: .* w1/],
  ['its own bad health', nobody({ health: 'failed', cause: 'disk: exit status 2' }), /db2 is unhealthy: disk: exit/],
  ['what makes it unfit', nobody({ unfit: 'replication filters are set' }), /could not take over: replication filters/],
  [
    'a broken channel',
    nobody({ unfit: 'the channel is down', replication: { ...db2.replication, running: false } }),
    /the channel is down/,
  ],
  ['the other one’s hold', nobody({}, { holds: [{ name: 'stale', why: 'old data' }] }), /db1 holds "stale": old data/],
  ['a pause', nobody({}, {}, { pause: { ...allWell.pause, on: true } }), /The group is paused.*"vipctl resume"/],
])('%s is told', (_what, status, sentence) => {
  expect(text(status)).toMatch(sentence);
});

test('a majority that is heard is not spoken of', () => {
  expect(text(nobody({}, silent))).not.toMatch(/voters/);
});

test('an active that is not well says so, and who would take over', () => {
  const status = { ...allWell, nodes: [{ ...db1, health: 'failed' as const, cause: 'disk' }, db2] };
  expect(text(status)).toMatch(
    /^db1 is active: .*\n.*\nIt is not well: db1 is unhealthy: disk\. .*\ndb2 is fit to take over\./,
  );
});

test('only what was noted since the last change of role is told', () => {
  const [first] = HISTORY;
  const refusal = {
    at: '2026-03-01T14:00:00Z',
    kind: 'refusal',
    term: 8,
    cause: 'x',
    text: 'no vote from w1',
  } as const;
  const told = (history: Parameters<typeof explain>[1]) =>
    explain(nobody({}), history)
      .map((s) => s.text)
      .join('\n');
  expect(told([refusal])).toContain('db2 noted at 2026-03-01 14:00:00: no vote from w1.');
  expect(told(first === undefined ? [] : [refusal, first])).not.toContain('no vote from w1');
});
