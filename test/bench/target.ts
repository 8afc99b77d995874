/** What is asked of the outages, judged from what was measured. */

import { atMost, type Figure } from './figure.js';
import type { Cell } from './summary.js';
import type { SystemName } from './system.js';

const LEASE_MS = 300;
const SWITCHOVER_MS = 50;

const find = (cells: readonly Cell[], fault: string, system: SystemName): Cell | undefined =>
  cells.find((cell) => cell.fault === fault && cell.system === system);

/** Median of vipd by that of keepalived at its quickest; nothing where one of them was not measured. */
const ratio = (cells: readonly Cell[], fault: string, title: string, limit: number): readonly Figure[] => {
  const ours = find(cells, fault, 'vipd');
  const theirs = find(cells, fault, 'keepalived-quick');
  if (ours === undefined || theirs === undefined) return [];
  const value = ours.medianMs === null || theirs.medianMs === null ? null : ours.medianMs / theirs.medianMs;
  return [
    { name: `ratio-${fault}`, title: `${title}, median by keepalived's`, value, unit: '', target: atMost(limit) },
  ];
};

const longest = (cells: readonly Cell[], fault: string, title: string, limitMs: number): readonly Figure[] => {
  const cell = find(cells, fault, 'vipd');
  if (cell === undefined) return [];
  const value = cell.notBack > 0 ? null : cell.maxMs;
  return [{ name: `longest-${fault}`, title: `${title}, longest outage`, value, unit: 'ms', target: atMost(limitMs) }];
};

const median = (cells: readonly Cell[], fault: string, title: string, limitMs: number): readonly Figure[] => {
  const cell = find(cells, fault, 'vipd');
  if (cell === undefined) return [];
  return [
    {
      name: `median-${fault}`,
      title: `${title}, median outage`,
      value: cell.medianMs,
      unit: 'ms',
      target: atMost(limitMs),
    },
  ];
};

const total = (cells: readonly Cell[], name: 'lost' | 'doubleWrites', title: string): readonly Figure[] => {
  const ours = cells.filter(({ system }) => system === 'vipd');
  if (ours.length === 0) return [];
  const value = ours.reduce((sum, cell) => sum + cell[name], 0);
  return [{ name, title: `${title}, all runs of vipd`, value, unit: '', target: atMost(0) }];
};

export const outageFigures = (cells: readonly Cell[]): readonly Figure[] => [
  ...ratio(cells, 'mysqld-killed', 'mysqld killed', 0.1),
  ...ratio(cells, 'mysqld-hangs', 'mysqld hangs', 1),
  ...ratio(cells, 'host-dead-100ms', 'host dead, 100 ms', 1),
  ...ratio(cells, 'host-dead-20ms', 'host dead, 20 ms', 1),
  ...median(cells, 'switchover', 'planned switchover', SWITCHOVER_MS),
  ...ratio(cells, 'switchover', 'planned switchover', 0.2),
  ...longest(cells, 'agent-killed', 'agent killed', LEASE_MS + 100),
  ...total(cells, 'lost', 'acknowledged writes lost'),
  ...total(cells, 'doubleWrites', 'writes by a second writer'),
];
