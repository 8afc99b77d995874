/** Prints what was measured as tables: for a terminal, and the same in Markdown. */

import type { Fault } from './fault.js';
import { type Figure, holds } from './figure.js';
import type { Cell } from './summary.js';
import type { System } from './system.js';
import type { WitnessPoint } from './witness-load.js';

const HEAD = ['fault', 'system', 'runs', 'min', 'median', 'max', 'acknowledged', 'lost', 'double', 'not back'] as const;

const ms = (value: number | null): string => (value === null ? '-' : `${value.toFixed(0)} ms`);

const line = (cell: Cell, faults: readonly Fault[], systems: readonly System[]): readonly string[] => [
  faults.find(({ name }) => name === cell.fault)?.title ?? cell.fault,
  systems.find(({ name }) => name === cell.system)?.label ?? cell.system,
  String(cell.runs),
  ms(cell.minMs),
  ms(cell.medianMs),
  ms(cell.maxMs),
  String(cell.acknowledged),
  String(cell.lost),
  String(cell.doubleWrites),
  String(cell.notBack),
];

/** Outages by fault and system; a Markdown table that lines up on a terminal too. */
export const outageTable = (cells: readonly Cell[], faults: readonly Fault[], systems: readonly System[]): string =>
  aligned([HEAD, ...cells.map((cell) => line(cell, faults, systems))]);

/** Median of each step of vipd's takeovers, by fault. */
export const stepTable = (cells: readonly Cell[], faults: readonly Fault[]): string => {
  const told = cells.filter(({ stepsMs }) => Object.keys(stepsMs).length > 0);
  const names = [...new Set(told.flatMap(({ stepsMs }) => Object.keys(stepsMs)))];
  const title = (cell: Cell): string => faults.find(({ name }) => name === cell.fault)?.title ?? cell.fault;
  const rows = told.map((cell) => [
    title(cell),
    ...names.map((name) => (cell.stepsMs[name] === undefined ? '-' : `${cell.stepsMs[name].toFixed(1)} ms`)),
  ]);
  return rows.length === 0 ? '' : aligned([['fault', ...names], ...rows]);
};

const measured = ({ value, unit }: Figure): string => {
  if (value === null) return 'not measured';
  const digits = Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 2 : 0;
  return `${value.toFixed(digits)} ${unit}`.trim();
};

const asked = ({ target, unit }: Figure): string =>
  target === undefined ? '-' : `${target.bound} ${target.value} ${unit}`.trim();

/** What was measured beside what is asked. */
export const figureTable = (figures: readonly Figure[]): string => {
  const verdict = (figure: Figure): string => {
    const held = holds(figure);
    return held === undefined ? '' : held ? 'holds' : 'missed';
  };
  const rows = figures.map((figure) => [figure.title, measured(figure), asked(figure), verdict(figure)]);
  return rows.length === 0 ? '' : aligned([['measurement', 'measured', 'target', ''], ...rows]);
};

const precise = (value: number | null): string => (value === null ? '-' : `${value.toFixed(2)} ms`);

export const witnessTable = (points: readonly WitnessPoint[]): string => {
  const rows = points.map((point) => [
    String(point.pairs),
    precise(point.medianMs),
    precise(point.p99Ms),
    `${point.unanswered} of ${point.asked}`,
    `${point.cpuPercent.toFixed(0)} %`,
    precise(point.sentLateP99Ms),
  ]);
  const head = ['pairs', 'median', '99 %', 'not answered', 'CPU of the witness', 'asked late, 99 %'];
  return rows.length === 0 ? '' : aligned([head, ...rows]);
};

export const aligned = (rows: ReadonlyArray<readonly string[]>): string => {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const print = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [print(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(print)].join('\n');
};
