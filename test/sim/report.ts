/** What a person needs to understand a failed run: its seed, the fewest faults that still fail, and what happened. */

import { describeFault } from './fault.js';
import type { Violation } from './ledger.js';
import type { Plan } from './plan.js';
import { type RunOptions, runPlan } from './run.js';
import { shrink } from './shrink.js';

const ATTEMPTS_LIMIT = 300;
/** The end of a trace is where it went wrong. */
const TRACE_LINES = 150;

export const report = (plan: Plan, options: RunOptions, violation: Violation): readonly string[] => {
  const play = (faults: Plan['faults'], traced: boolean) => runPlan({ ...plan, faults }, { ...options, traced });
  const fails = (faults: Plan['faults']): boolean => play(faults, false).violation?.name === violation.name;
  const faults = shrink(plan.faults, fails, ATTEMPTS_LIMIT);
  const again = play(faults, true);
  return [
    '',
    `seed ${plan.seed}: ${violation.name}: ${violation.text}`,
    `settings: ${JSON.stringify(plan.settings)}`,
    `${faults.length} of ${plan.faults.length} faults are enough: ${again.violation?.text ?? 'not without the others'}`,
    ...faults.map((fault) => `  ${describeFault(fault)}`),
    ...again.trace.slice(-TRACE_LINES),
    '',
  ];
};
