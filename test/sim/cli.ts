/** `scripts/sim`: plays seeded worlds one after the other, and tells of those that break an invariant. */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Counts, Violation } from './ledger.js';
import { drawPlan } from './plan.js';
import { PLANTED, type PlantedFault, plant } from './planted.js';
import { report } from './report.js';
import { type RunOptions, type RunResult, runPlan } from './run.js';

const USAGE = `Usage: scripts/sim [--seed N] [--runs N] [--minutes M] [--trace] [--faults]

  --seed N      the first seed; each run takes the next one (default: from the clock)
  --runs N      how many (default 1000, without limit where --minutes is given; with --faults 20000 for each)
  --minutes M   at most this long
  --trace       show what happened in each run, whatever its end
  --faults      plant each known fault in the core, and see that it is found
  --only TEXT   with --faults: those whose name contains TEXT`;

const DEFAULT_RUNS = 1_000;
const FAULT_RUNS = 20_000;
/** Each kind of violation is shown once, and at most so many kinds. */
const FAILURES_SHOWN = 5;
const PROGRESS_EVERY_MS = 1_000;
/** Every so many runs one is played twice: it must be the same, byte for byte. */
const REPEAT_EVERY = 50;

interface Options {
  readonly seed: number;
  readonly runs: number;
  readonly minutes: number;
  readonly trace: boolean;
  readonly only: string;
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      minutes: { type: 'string' },
      trace: { type: 'boolean', default: false },
      faults: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const unlimited =
    values.minutes === undefined ? (values.faults ? FAULT_RUNS : DEFAULT_RUNS) : Number.POSITIVE_INFINITY;
  const options: Options = {
    seed: Number(values.seed ?? Date.now() % 1_000_000_000),
    runs: Number(values.runs ?? unlimited),
    minutes: Number(values.minutes ?? Number.POSITIVE_INFINITY),
    trace: values.trace,
    only: values.only,
  };
  if (![options.seed, options.runs, options.minutes].every((value) => value >= 0)) {
    console.error(USAGE);
    return 2;
  }
  return values.faults ? await findPlanted(options) : playSeeds(options);
};

const playSeeds = ({ seed, runs, minutes, trace }: Options): number => {
  const began = Date.now();
  const shown = new Set<Violation['name']>();
  const totals = new Map<keyof Counts, number>();
  let passed = 0;
  let failed = 0;
  let toldAt = began;
  console.log(`seeds from ${seed}`);
  for (let i = 0; i < runs && Date.now() - began < minutes * 60_000; i += 1) {
    const result = playOne(seed + i, i % REPEAT_EVERY === 0, trace);
    if (result.violation) failed += 1;
    else passed += 1;
    for (const [name, count] of Object.entries(result.counts)) {
      totals.set(name as keyof Counts, (totals.get(name as keyof Counts) ?? 0) + count);
    }
    if (result.violation && !shown.has(result.violation.name) && shown.size < FAILURES_SHOWN) {
      shown.add(result.violation.name);
      for (const line of report(drawPlan(seed + i), {}, result.violation)) console.log(line);
    } else if (result.violation) console.log(`seed ${seed + i}: ${result.violation.name}: ${result.violation.text}`);
    if (Date.now() - toldAt >= PROGRESS_EVERY_MS && process.stderr.isTTY) {
      toldAt = Date.now();
      process.stderr.write(`\r${i + 1} runs, ${failed} failed, ${perSecond(i + 1, began)} runs/s `);
    }
  }
  const reached = [...totals].map(([name, count]) => `${name} ${count}`).join(', ');
  console.log(`reached: ${reached}; ${perSecond(passed + failed, began)} runs/s`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
};

const perSecond = (runs: number, began: number): number => Math.round((runs * 1_000) / Math.max(1, Date.now() - began));

const playOne = (seed: number, twice: boolean, traced: boolean): RunResult => {
  const result = runPlan(drawPlan(seed), { traced });
  for (const line of result.trace) console.log(line);
  if (!twice || runPlan(drawPlan(seed)).hash === result.hash) return result;
  const text = `seed ${seed} played twice did not run the same`;
  return { ...result, violation: result.violation ?? { name: 'not-repeatable', text, at: 0 } };
};

const findPlanted = async ({ seed, runs, minutes, only }: Options): Promise<number> => {
  const until = Date.now() + minutes * 60_000;
  const compiled = fileURLToPath(new URL('../../src/core', import.meta.url));
  let missed = 0;
  const chosen = PLANTED.filter(({ name }) => name.includes(only));
  for (const fault of chosen) {
    const began = Date.now();
    const found = await find(fault, compiled, seed, runs, until);
    if (!found) missed += 1;
    const how = found ? `found in run ${found.run}, seed ${found.seed}: ${found.name}` : 'NOT FOUND';
    console.log(`${fault.name} (${fault.rule}): ${how}, ${Date.now() - began} ms`);
  }
  console.log(`${chosen.length - missed} passed, ${missed} failed`);
  return missed === 0 ? 0 : 1;
};

const find = async (
  fault: PlantedFault,
  compiled: string,
  seed: number,
  runs: number,
  until: number,
): Promise<{ readonly run: number; readonly seed: number; readonly name: string } | null> => {
  const core = await plant(fault, compiled);
  const options: RunOptions = { core, ...(fault.guardKind ? { guardKind: fault.guardKind } : {}) };
  for (let i = 0; i < runs && Date.now() < until; i += 1) {
    const { violation } = runPlan(drawPlan(seed + i), options);
    // What the core as it is breaks too proves nothing of the planted fault.
    if (violation && runPlan(drawPlan(seed + i)).violation === null)
      return { run: i + 1, seed: seed + i, name: violation.name };
  }
  return null;
};

process.exitCode = await main();
