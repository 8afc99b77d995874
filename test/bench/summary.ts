/** Many measurements put together: for each fault and system how long writes were out, and what was lost. */

import type { Fault } from './fault.js';
import type { Measurement } from './measure.js';
import type { System, SystemName } from './system.js';

export interface Cell {
  readonly fault: string;
  readonly system: SystemName;
  readonly runs: number;
  /** Runs after which writes did not come back. */
  readonly notBack: number;
  /** Of the runs in which they did; null: of none. */
  readonly minMs: number | null;
  readonly medianMs: number | null;
  readonly maxMs: number | null;
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubleWrites: number;
  /** Each run's, in the order of the runs. */
  readonly outagesMs: ReadonlyArray<number | null>;
  /** Median of each step of the takeover. */
  readonly stepsMs: Readonly<Record<string, number>>;
}

/** Null for an empty list. */
export const median = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle];
  if (high === undefined) return null;
  const low = sorted.length % 2 === 0 ? (sorted[middle - 1] ?? high) : high;
  return (low + high) / 2;
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const stepMedians = (runs: readonly Measurement[]): Readonly<Record<string, number>> => {
  const names = new Set(runs.flatMap(({ steps }) => Object.keys(steps)));
  return Object.fromEntries(
    [...names].map((name) => [name, median(runs.flatMap(({ steps }) => steps[name] ?? [])) ?? 0]),
  );
};

const cell = (fault: string, system: SystemName, runs: readonly Measurement[]): Cell => {
  const outages = runs.flatMap(({ outageMs }) => (outageMs === null ? [] : [outageMs]));
  return {
    fault,
    system,
    runs: runs.length,
    notBack: runs.length - outages.length,
    minMs: outages.length === 0 ? null : Math.min(...outages),
    medianMs: median(outages),
    maxMs: outages.length === 0 ? null : Math.max(...outages),
    acknowledged: sum(runs.map(({ acknowledged }) => acknowledged)),
    lost: sum(runs.map(({ lost }) => lost)),
    doubleWrites: sum(runs.map(({ doubleWrites }) => doubleWrites)),
    outagesMs: runs.map(({ outageMs }) => outageMs),
    stepsMs: stepMedians(runs),
  };
};

/** Cells in the order of faults and systems; those without a run are left out. */
export const summarise = (
  measurements: readonly Measurement[],
  faults: readonly Fault[],
  systems: readonly System[],
): readonly Cell[] =>
  faults.flatMap((fault) =>
    systems.flatMap((system) => {
      const runs = measurements.filter((one) => one.fault === fault.name && one.system === system.name);
      return runs.length === 0 ? [] : [cell(fault.name, system.name, runs)];
    }),
  );

/** What no speed makes good: a lost acknowledgement, or a second writer, of vipd. */
export const broken = (cells: readonly Cell[]): readonly string[] =>
  cells
    .filter(({ system, lost, doubleWrites }) => system === 'vipd' && lost + doubleWrites > 0)
    .map(
      ({ fault, lost, doubleWrites }) =>
        `${fault}: ${lost} acknowledged writes lost, ${doubleWrites} by a second writer`,
    );
