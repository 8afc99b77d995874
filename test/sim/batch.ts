/** Plays a row of seeds, and sums up what came of them. */

import { type Counts, noCounts, type Violation } from './ledger.js';
import { drawPlan } from './plan.js';
import { type RunResult, runPlan } from './run.js';

/** Of the runs of a whole session: `first` counts from 0, and run i plays `seed + i`. */
export interface Batch {
  readonly seed: number;
  readonly first: number;
  readonly runs: number;
  readonly traced: boolean;
}

export interface Failure {
  readonly seed: number;
  readonly violation: Violation;
}

/** Plain data: it comes from another thread. */
export interface BatchResult {
  readonly runs: number;
  readonly failures: readonly Failure[];
  readonly counts: Counts;
  /** Empty unless asked for. */
  readonly trace: readonly string[];
}

/** Every so many runs one is played twice: it must be the same, byte for byte. */
const REPEAT_EVERY = 50;

export const playBatch = ({ seed, first, runs, traced }: Batch): BatchResult => {
  const failures: Failure[] = [];
  const trace: string[] = [];
  let counts = noCounts;
  for (let run = first; run < first + runs; run += 1) {
    const result = playOne(seed + run, run % REPEAT_EVERY === 0, traced);
    if (result.violation) failures.push({ seed: result.seed, violation: result.violation });
    counts = addCounts(counts, result.counts);
    trace.push(...result.trace);
  }
  return { runs, failures, counts, trace };
};

const playOne = (seed: number, twice: boolean, traced: boolean): RunResult => {
  const result = runPlan(drawPlan(seed), { traced });
  if (!twice || runPlan(drawPlan(seed)).hash === result.hash) return result;
  const text = `seed ${seed} played twice did not run the same`;
  return { ...result, violation: result.violation ?? { name: 'not-repeatable', text, at: 0 } };
};

export const addCounts = (a: Counts, b: Counts): Counts => ({
  acknowledged: a.acknowledged + b.acknowledged,
  lost: a.lost + b.lost,
  takeovers: a.takeovers + b.takeovers,
  handoffs: a.handoffs + b.handoffs,
  inSync: a.inSync + b.inSync,
  fences: a.fences + b.fences,
  standbyVips: a.standbyVips + b.standbyVips,
});
