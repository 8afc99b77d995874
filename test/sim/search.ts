/** Looks for a planted fault: the first seed that the faulty core fails and the core as it is does not. */

import { drawPlan } from './plan.js';
import { type PlantedFault, plant } from './planted.js';
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
  readonly violation: string;
}

/** `compiled` is the directory of the compiled core. Throws where the fault fits the core no more. */
export const search = async (
  fault: PlantedFault,
  compiled: string,
  { seed, runs, until }: Omit<Search, 'fault'>,
): Promise<Found | null> => {
  const core = await plant(fault, compiled);
  const options: RunOptions = { core, ...(fault.guardFault ? { guardFault: fault.guardFault } : {}) };
  for (let i = 0; i < runs && Date.now() < until; i += 1) {
    const { violation } = runPlan(drawPlan(seed + i), options);
    // What the core as it is breaks too proves nothing of the planted fault.
    if (violation && runPlan(drawPlan(seed + i)).violation === null)
      return { run: i + 1, seed: seed + i, violation: violation.name };
  }
  return null;
};
