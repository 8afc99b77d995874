import { describe, expect, it } from 'vitest';
import type { Append, AppendOutcome, Lists, Operation, Read } from './history.js';
import { changedLater, judge, type Verdict } from './judge.js';

/** Asked for at `begin`, answered 10 ms later. */
const append = (value: string, begin: number, outcome: AppendOutcome = 'acknowledged', register = 1): Append => ({
  kind: 'append',
  register,
  value,
  begin,
  end: begin + 10,
  outcome,
  error: outcome === 'acknowledged' ? '' : 'read-only',
});
const read = (seen: readonly string[], begin: number): Read => ({
  kind: 'read',
  register: 1,
  begin,
  end: begin + 10,
  seen,
});
const holding = (...values: readonly string[]): Lists => new Map([[1, values]]);
const same = (lists: Lists) => ({ db1: lists, db2: lists });
const kinds = (verdict: Verdict) => verdict.violations.map(({ kind, value }) => `${kind}: ${value}`);
const judgeSame = (operations: readonly Operation[], ...values: readonly string[]) =>
  judge(operations, same(holding(...values)));

describe('the judge', () => {
  it('finds nothing where every acknowledged append is there once, in order, on both nodes', () => {
    const operations = [
      append('a', 0),
      append('b', 20),
      append('c', 40, 'failed'),
      read(['a'], 12),
      read(['a', 'b'], 60),
    ];
    const verdict = judgeSame(operations, 'a', 'b');
    expect(verdict).toEqual({
      acknowledged: 2,
      failed: 1,
      indeterminate: 0,
      reads: 2,
      lostAsAnnounced: 0,
      oldestLostAt: null,
      violations: [],
    });
  });

  it('lets appends under way at the same time stand in either order', () => {
    const operations = [append('a', 0), append('b', 5)];
    expect(kinds(judgeSame(operations, 'a', 'b'))).toEqual([]);
    expect(kinds(judgeSame(operations, 'b', 'a'))).toEqual([]);
  });

  it('lets an indeterminate append be there, or not, and come late', () => {
    const operations = [append('a', 0, 'indeterminate'), append('b', 20)];
    expect(kinds(judgeSame(operations, 'b'))).toEqual([]);
    expect(kinds(judgeSame(operations, 'a', 'b'))).toEqual([]);
    expect(kinds(judgeSame(operations, 'b', 'a'))).toEqual([]);
  });

  it('finds an acknowledged append that is lost, on both nodes or on one', () => {
    const operations = [append('a', 0), append('b', 20)];
    expect(kinds(judgeSame(operations, 'a'))).toEqual(['lost: b']);
    expect(kinds(judge(operations, { db1: holding('a', 'b'), db2: holding('a') }))).toEqual([
      'nodes differ: b',
      'lost: b',
    ]);
    expect(kinds(judge(operations, same(new Map())))).toEqual(['lost: a', 'lost: b']);
  });

  it('finds an append that is there twice, acknowledged or not', () => {
    expect(kinds(judgeSame([append('a', 0)], 'a', 'a'))).toEqual(['duplicated: a']);
    expect(kinds(judgeSame([append('a', 0, 'indeterminate')], 'a', 'a'))).toEqual(['duplicated: a']);
  });

  it('finds an append that stands behind one that was asked for after its acknowledgement', () => {
    const operations = [append('a', 0), append('b', 20), append('c', 40)];
    expect(kinds(judgeSame(operations, 'a', 'c', 'b'))).toEqual(['reordered: b']);
    expect(kinds(judgeSame(operations, 'c', 'a', 'b'))).toEqual(['reordered: a', 'reordered: b']);
    // Whoever is behind need not have been asked for first: an indeterminate one has a beginning too.
    expect(kinds(judgeSame([append('a', 0), append('b', 20, 'indeterminate')], 'b', 'a'))).toEqual(['reordered: a']);
  });

  it('finds a value from nowhere: of nobody, of another register, or of an append that was refused', () => {
    expect(kinds(judgeSame([], 'x'))).toEqual(['from nowhere: x']);
    expect(kinds(judgeSame([append('a', 0, 'failed')], 'a'))).toEqual(['from nowhere: a']);
    expect(kinds(judgeSame([append('a', 0, 'indeterminate', 2)], 'a'))).toEqual(['from nowhere: a']);
  });

  it('finds nodes that hold different values in the same place', () => {
    const operations = [append('a', 0), append('b', 0)];
    expect(kinds(judge(operations, { db1: holding('a', 'b'), db2: holding('b', 'a') }))).toEqual(['nodes differ: a']);
  });

  it('finds a read that misses what was acknowledged before it was asked for, or shown to another', () => {
    const operations = [append('a', 0), append('b', 20)];
    expect(kinds(judgeSame([...operations, read(['a'], 31)], 'a', 'b'))).toEqual(['stale read: b']);
    expect(kinds(judgeSame([...operations, read(['a'], 29)], 'a', 'b'))).toEqual([]);
    const open = [append('a', 0, 'indeterminate'), read(['a'], 20), read([], 40)];
    expect(kinds(judgeSame(open, 'a'))).toEqual(['stale read: a']);
  });

  it('finds a read that shows what is not there in the end, or stands elsewhere', () => {
    const operations = [append('a', 0), append('b', 20, 'indeterminate')];
    expect(kinds(judgeSame([...operations, read(['a', 'b'], 40)], 'a'))).toEqual(['dirty read: b']);
    expect(kinds(judgeSame([append('a', 0), append('b', 0), read(['b'], 5)], 'a', 'b'))).toEqual(['dirty read: b']);
  });
});

describe('a loss that was announced', () => {
  const announced = { fromMs: 25, untilMs: 60 };
  const operations = [append('a', 0), append('b', 20), append('c', 40)];

  it('is no violation, and is counted', () => {
    const verdict = judge(operations, same(holding('a')), announced);
    expect(kinds(verdict)).toEqual([]);
    expect(verdict).toMatchObject({ lostAsAnnounced: 2, oldestLostAt: 30 });
  });

  it('covers neither what was acknowledged before nor what was afterwards', () => {
    expect(kinds(judge(operations, same(holding('b', 'c')), announced))).toEqual(['lost: a']);
    const later = [...operations, append('d', 60)];
    expect(kinds(judge(later, same(holding('a')), announced))).toEqual(['lost: d']);
  });

  it('covers what was read of it, and no later read', () => {
    expect(kinds(judge([...operations, read(['a', 'b'], 40)], same(holding('a')), announced))).toEqual([]);
    expect(kinds(judge([...operations, read(['a', 'b'], 70)], same(holding('a')), announced))).toEqual([
      'dirty read: b',
    ]);
    // What is there afterwards has to be shown all the same.
    const stale = [...operations, append('d', 70), read(['a'], 90)];
    expect(kinds(judge(stale, same(holding('a', 'd')), announced))).toEqual(['stale read: d']);
  });
});

describe('registers of earlier rounds', () => {
  it('hold what they held, on both nodes', () => {
    expect(changedLater(holding('a', 'b'), same(holding('a', 'b')))).toEqual([]);
    const less = changedLater(holding('a', 'b'), { db1: holding('a', 'b'), db2: holding('a') });
    expect(less).toMatchObject([{ kind: 'changed later', register: 1, value: 'b' }]);
    const more = changedLater(holding('a'), same(holding('a', 'b')));
    expect(more).toMatchObject([{ kind: 'changed later', register: 1, value: 'b' }]);
    expect(changedLater(holding('a'), same(new Map()))).toHaveLength(1);
  });
});
