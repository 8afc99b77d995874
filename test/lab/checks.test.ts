import { describe, expect, it } from 'vitest';
import {
  certainChanges,
  changesOf,
  checkNothingLost,
  checkOneWriter,
  checkRowsInTurn,
  type Move,
  type Row,
  type Rows,
  type Write,
} from './checks.js';
import { type Attempt, longestOutage } from './load.js';

const write = (node: Write['node'], begin: number, end: number): Write => ({ node, begin, end });
const acknowledged = (id: number, begin: number, end: number): Attempt => ({
  id,
  begin,
  end,
  acknowledged: true,
  error: '',
});
const taken = (node: Move['node'], takenAtUs: number): Row => ({ node, takenAtUs });
const move = (term: number, node: Move['node']): Move => ({
  term,
  node,
  at: '2026-01-01T00:00:00.000Z',
  cause: 'silence',
  text: 'the peer is silent',
});

describe('certainChanges', () => {
  it('is zero for one server', () => {
    expect(certainChanges([write('db1', 0, 1), write('db1', 2, 3)])).toBe(0);
  });

  it('counts a handover once, also where the writes around it overlap', () => {
    expect(certainChanges([write('db1', 0, 5), write('db1', 3, 9), write('db2', 8, 12), write('db2', 10, 13)])).toBe(1);
  });

  it('does not count writes that may have happened in either order', () => {
    expect(certainChanges([write('db1', 0, 10), write('db2', 5, 12), write('db1', 11, 20)])).toBe(0);
  });

  it('sees a straggler on the old server after the new one has acknowledged', () => {
    expect(certainChanges([write('db1', 0, 1), write('db2', 2, 3), write('db1', 4, 5)])).toBe(2);
  });
});

describe('checkOneWriter', () => {
  const rows: Rows = new Map([
    [1, taken('db1', 1)],
    [2, taken('db2', 2)],
    [3, taken('db1', 3)],
  ]);
  const attempts = [acknowledged(1, 0, 1), acknowledged(2, 2, 3), acknowledged(3, 4, 5)];

  it('accepts as many changes as the active has moved', () => {
    expect(checkOneWriter(attempts, rows, [move(1, 'db1'), move(2, 'db2'), move(3, 'db1')])).toEqual([]);
  });

  it('finds writes on both sides of a single move', () => {
    expect(checkOneWriter(attempts, rows, [move(1, 'db1'), move(2, 'db2')])).toHaveLength(1);
  });
});

describe('checkRowsInTurn', () => {
  const db1: Rows = new Map([
    [1, taken('db1', 10)],
    [2, taken('db1', 30)],
  ]);
  const moved = [move(1, 'db1'), move(2, 'db2')];

  it('accepts the rows of one server after those of the other', () => {
    expect(checkRowsInTurn({ db1, db2: new Map([...db1, [3, taken('db2', 31)]]) }, moved)).toEqual([]);
  });

  it('finds a row that the old server took after the first of the new one, acknowledged or not', () => {
    const problems = checkRowsInTurn({ db1, db2: new Map([[3, taken('db2', 20)]]) }, moved);
    expect(problems).toEqual([expect.stringContaining('changed 2 times, the active 1 times')]);
  });

  it('finds a row that both took', () => {
    const problems = checkRowsInTurn({ db1, db2: new Map([[2, taken('db2', 40)]]) }, moved);
    expect(problems).toEqual(['row 2 was taken by both servers']);
  });
});

describe('checkNothingLost', () => {
  it('names what was acknowledged and is not there, and forgives what was not acknowledged', () => {
    const failed: Attempt = { id: 3, begin: 0, end: 1, acknowledged: false, error: 'refused' };
    const attempts = [acknowledged(1, 0, 1), acknowledged(2, 0, 1), failed];
    expect(checkNothingLost(attempts, new Map([[1, taken('db1', 1)]]), 'db1')).toEqual([
      '1 acknowledged writes are not on db1: 2 (acknowledged at 1 ms)',
    ]);
  });
});

describe('changesOf', () => {
  it('does not count a node that takes its own place again', () => {
    expect(changesOf([move(1, 'db1'), move(2, 'db1'), move(3, 'db2')])).toBe(1);
  });
});

describe('longestOutage', () => {
  it('is the longest time between two acknowledged writes after the fault', () => {
    const attempts = [
      acknowledged(1, 0, 10),
      acknowledged(2, 0, 500),
      acknowledged(3, 0, 505),
      acknowledged(4, 0, 545),
    ];
    expect(longestOutage(attempts, 501)).toEqual({ from: 505, to: 545, ms: 40 });
  });
});
