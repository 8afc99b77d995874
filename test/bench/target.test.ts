import { describe, expect, it } from 'vitest';
import { atLeast, atMost, type Figure, holds } from './figure.js';
import type { Cell } from './summary.js';
import { outageFigures } from './target.js';

const cell = (fault: string, system: Cell['system'], outageMs: number, more: Partial<Cell> = {}): Cell => ({
  fault,
  system,
  runs: 1,
  notBack: 0,
  minMs: outageMs,
  medianMs: outageMs,
  maxMs: outageMs,
  acknowledged: 1_000,
  lost: 0,
  doubleWrites: 0,
  outagesMs: [outageMs],
  stepsMs: {},
  ...more,
});

/** The figures that are missed, by name. */
const missed = (cells: readonly Cell[]): readonly string[] =>
  outageFigures(cells)
    .filter((figure) => holds(figure) === false)
    .map(({ name }) => name);

describe('what is asked of outages', () => {
  it('is held against keepalived at its quickest, and nothing is said where one was not measured', () => {
    const ours = cell('mysqld-killed', 'vipd', 40);
    expect(missed([ours, cell('mysqld-killed', 'keepalived-quick', 410)])).toEqual([]);
    expect(missed([ours, cell('mysqld-killed', 'keepalived-quick', 390)])).toEqual(['ratio-mysqld-killed']);
    expect(outageFigures([ours]).map(({ name }) => name)).toEqual(['lost', 'doubleWrites']);
  });

  it('is missed where writes did not come back', () => {
    expect(missed([cell('agent-killed', 'vipd', 350)])).toEqual([]);
    expect(missed([cell('agent-killed', 'vipd', 350, { notBack: 1 })])).toEqual(['longest-agent-killed']);
    expect(missed([cell('switchover', 'vipd', 0, { medianMs: null })])).toEqual(['median-switchover']);
  });

  it('counts every lost acknowledgement and every write beside the active, of vipd only', () => {
    const bad = { lost: 1, doubleWrites: 2 };
    expect(missed([cell('partition', 'vipd', 400, bad)])).toEqual(['lost', 'doubleWrites']);
    expect(missed([cell('partition', 'keepalived-quick', 400, bad)])).toEqual([]);
  });
});

describe('a figure', () => {
  const figure = (value: number | null, target?: Figure['target']): Figure => ({
    name: 'f',
    title: 'f',
    unit: 'ms',
    value,
    ...(target === undefined ? {} : { target }),
  });

  it('holds up to its bound, and not where it could not be measured', () => {
    expect([holds(figure(5, atMost(5))), holds(figure(6, atMost(5)))]).toEqual([true, false]);
    expect([holds(figure(5, atLeast(5))), holds(figure(4, atLeast(5)))]).toEqual([true, false]);
    expect(holds(figure(null, atMost(5)))).toBe(false);
    expect(holds(figure(1))).toBeUndefined();
  });
});
