/** Looks for a planted fault: the first seed that the faulty core fails, in the way it is meant to, and the core as it is does not. */

import { setImmediate } from 'node:timers/promises';
import type { ViolationName } from './ledger.js';
import { drawPlan } from './plan.js';
import { type PlantedFault, plant } from './plant.js';
import { type RunOptions, runPlan } from './run.js';

export interface Search {
  /** Of PLANTED. */
  readonly fault: string;
  readonly seed: number;
  readonly runs: number;
  /** Unix time in milliseconds; no run begins after it. */
  readonly until: number;
}

export interface Found {
  /** Counts from 1. */
  readonly run: number;
  readonly seed: number;
  readonly violation: ViolationName;
}

/**
 * The violation by which this seed finds the fault in the core of `options`; null: by none. What the core as it is breaks
 * too proves nothing, nor does a core that was broken in the planting and throws.
 */
export const findIn = (seed: number, options: RunOptions): ViolationName | null => {
  const { violation } = runPlan(drawPlan(seed), options);
  if (violation === null || violation.name === 'core-threw') return null;
  return runPlan(drawPlan(seed)).violation === null ? violation.name : null;
};

/** After so many runs whoever shares the thread has a turn: a test runner takes a thread that stays silent for dead. */
const RUNS_AT_A_STRETCH = 50;

/** `compiled` is the directory of the compiled core. Throws where the fault fits the core no more. */
export const search = async (
  fault: PlantedFault,
  compiled: string,
  { seed, runs, until }: Omit<Search, 'fault'>,
): Promise<Found | null> => {
  const core = await plant(fault, compiled);
  const options: RunOptions = { core, ...(fault.guardFault ? { guardFault: fault.guardFault } : {}) };
  for (let i = 0; i < runs && Date.now() < until; i += 1) {
    if (i % RUNS_AT_A_STRETCH === 0) await setImmediate();
    const violation = findIn(seed + i, options);
    if (violation !== null && violation === (fault.by ?? violation)) return { run: i + 1, seed: seed + i, violation };
  }
  return null;
};
