import { expect, it } from 'vitest';
import type { Violation } from './judge.js';
import type { Fault } from './plan.js';
import { lineOf, type Played, problemsOf, summarise, table } from './report.js';
import type { Round } from './round.js';

const fault = (number: number, kind: Fault['kind']): Fault => ({
  kind,
  number,
  beforeMs: 500,
  length: 0.5,
  variant: 0.5,
  seed: number,
});

const round = (of: Fault, violations: readonly Violation[], rest: Partial<Round> = {}): Round => ({
  fault: of,
  tookMs: 5_000,
  active: 'db1',
  lastedMs: 1_000,
  moved: true,
  announcedMs: 0,
  lostMs: 0,
  discarded: [],
  verdict: {
    acknowledged: 100,
    failed: 3,
    indeterminate: 2,
    reads: 20,
    lostAsAnnounced: 0,
    oldestLostAt: null,
    violations,
  },
  problems: [],
  lists: new Map(),
  ...rest,
});

const violation = (kind: Violation['kind']): Violation => ({ kind, register: 1, value: 'a', text: 'a, in register 1' });

const played: readonly Played[] = [
  round(fault(1, 'crash'), []),
  round(fault(2, 'crash'), [violation('lost'), violation('duplicated'), violation('changed later')]),
  round(fault(3, 'host'), [], { moved: false, discarded: [{ node: 'db1', why: 'it has 0-1-9' }] }),
  { fault: fault(4, 'host'), problem: 'the pair settles: not within 90000 ms', evidence: '' },
];

it('counts by kind of fault, one without an end too', () => {
  const [crash, host] = summarise(played, ['crash', 'host']);
  expect(crash).toMatchObject({ faults: 2, moves: 2, acknowledged: 200, indeterminate: 4, failed: 6, reads: 40 });
  expect(crash).toMatchObject({ lost: 1, duplicated: 1, reordered: 0, misread: 0, otherViolations: 1, notSettled: 0 });
  expect(host).toMatchObject({ faults: 2, moves: 0, acknowledged: 100, rebuilt: 1, notSettled: 1, lost: 0 });
  expect(table(summarise(played, ['host'])).split('\n')).toHaveLength(3);
});

it('tells every violation, and whatever else went wrong, as a problem of its fault', () => {
  const found = played.map(problemsOf);
  expect(found.map((problems) => problems.length)).toEqual([0, 3, 0, 1]);
  expect(found[1]?.[0]).toBe('lost: a, in register 1');
  expect(problemsOf(round(fault(5, 'switchover'), [], { problems: ['it was refused'] }))).toEqual(['it was refused']);
});

it('says in the line of a fault how much was announced, and how old the oldest was that was lost', () => {
  const lossy = round(fault(6, 'host-async'), [], { announcedMs: 602, lostMs: 76.4 });
  expect(lineOf(lossy)).toContain('0 lost as announced, of the last 76 ms; announced 602 ms');
  expect(lineOf(round(fault(7, 'crash'), []))).not.toContain('announced');
});
