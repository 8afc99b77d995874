/** Prints what was measured as tables: for a terminal, and the same in Markdown. */

import type { Fault } from './fault.js';
import type { Cell } from './summary.js';
import type { System } from './system.js';

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

export const aligned = (rows: ReadonlyArray<readonly string[]>): string => {
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const print = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [print(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(print)].join('\n');
};
