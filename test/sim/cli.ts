/** `scripts/sim`: plays seeded worlds, and tells of those that break an invariant. */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { addCounts, type BatchResult } from './batch.js';
import { playInOrder } from './in-order.js';
import { type Counts, noCounts, type Violation } from './ledger.js';
import { drawPlan } from './plan.js';
import { PLANTED } from './planted.js';
import { type Answer, createPlayer, type Player, type Task } from './player.js';
import { createProgress, perSecond } from './progress.js';
import { report } from './report.js';

const USAGE = `Usage: scripts/sim [--seed N] [--runs N] [--minutes M] [--jobs N] [--trace] [--faults [--only TEXT]]

  --seed N      the first seed; each run takes the next one (default: from the clock)
  --runs N      how many (default 1000, without limit where --minutes is given; with --faults 20000 for each)
  --minutes M   begin no run after so long
  --jobs N      threads (default: one for each processor); what is told does not depend on it
  --trace       show what happened in each run, whatever its end
  --faults      plant each known fault in the core, and see that it is found
  --only TEXT   with --faults: those whose name contains TEXT

SIGINT (^C) ends it after the runs under way, and what was seen so far is told.`;

const DEFAULT_RUNS = 1_000;
const FAULT_RUNS = 20_000;
/** Runs given to a thread at a time: a fraction of a second. */
const BATCH_RUNS = 50;
/** Each kind of violation is shown once, and at most so many kinds. */
const FAILURES_SHOWN = 5;

interface Options {
  readonly seed: number;
  readonly runs: number;
  readonly beganAt: number;
  readonly until: number;
  readonly jobs: number;
  readonly trace: boolean;
  readonly only: string;
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      minutes: { type: 'string' },
      jobs: { type: 'string' },
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
  const usual = values.faults ? FAULT_RUNS : values.minutes === undefined ? DEFAULT_RUNS : Number.POSITIVE_INFINITY;
  const beganAt = Date.now();
  const options: Options = {
    seed: Number(values.seed ?? beganAt % 1_000_000_000),
    runs: Number(values.runs ?? usual),
    beganAt,
    until: beganAt + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000,
    jobs: Number(values.jobs ?? availableParallelism()),
    trace: values.trace,
    only: values.only,
  };
  if (!(options.seed >= 0 && options.runs >= 0 && options.until >= beganAt && options.jobs >= 1)) {
    console.error(USAGE);
    return 2;
  }
  const players = Array.from({ length: Math.floor(options.jobs) }, createPlayer);
  try {
    return values.faults ? await findPlanted(options, players) : await playSeeds(options, players);
  } finally {
    await Promise.all(players.map(({ end }) => end()));
  }
};

const playSeeds = async (options: Options, players: readonly Player[]): Promise<number> => {
  const { seed, runs, beganAt, until, trace } = options;
  const progress = createProgress(options, process.stderr, Date.now);
  const tell = createTeller();
  let stopped = false;
  process.once('SIGINT', () => {
    stopped = true;
  });
  let first = 0;
  const next = (): Task | null => {
    if (stopped || first >= runs || Date.now() >= until) return null;
    const batch = { seed, first, runs: Math.min(BATCH_RUNS, runs - first), traced: trace };
    first += batch.runs;
    return { kind: 'batch', batch };
  };
  console.log(`seeds from ${seed}`);
  await playInOrder(players, next, (answer: Answer) => {
    if (answer.kind !== 'batch') return;
    if (answer.result.failures.length + answer.result.trace.length > 0) progress.end();
    tell.take(answer.result);
    progress.tell(tell.runs(), tell.failed());
  });
  progress.end();
  if (stopped) console.log(`interrupted; seeds ${seed} to ${seed + Math.max(0, tell.runs() - 1)} were played`);
  const reached = Object.entries(tell.counts()).map(([name, count]) => `${name} ${count}`);
  console.log(`reached: ${reached.join(', ')}; ${perSecond(tell.runs(), Date.now() - beganAt)} runs/s`);
  console.log(`${tell.runs() - tell.failed()} passed, ${tell.failed()} failed`);
  return tell.failed() === 0 ? 0 : 1;
};

/** Sums up, and tells of each failed run. */
const createTeller = () => {
  const shown = new Set<Violation['name']>();
  let runs = 0;
  let failed = 0;
  let counts: Counts = noCounts;
  return {
    take: (result: BatchResult): void => {
      runs += result.runs;
      failed += result.failures.length;
      counts = addCounts(counts, result.counts);
      for (const line of result.trace) console.log(line);
      for (const { seed, violation } of result.failures) {
        if (shown.has(violation.name) || shown.size >= FAILURES_SHOWN) {
          console.log(`seed ${seed}: ${violation.name}: ${violation.text}`);
          continue;
        }
        shown.add(violation.name);
        for (const line of report(drawPlan(seed), {}, violation)) console.log(line);
      }
    },
    runs: () => runs,
    failed: () => failed,
    counts: () => counts,
  };
};

const findPlanted = async (options: Options, players: readonly Player[]): Promise<number> => {
  const { seed, runs, until, only } = options;
  const waiting = PLANTED.filter(({ name }) => name.includes(only));
  const chosen = waiting.length;
  let missed = 0;
  const next = (): Task | null => {
    const fault = waiting.shift();
    return fault ? { kind: 'search', search: { fault: fault.name, seed, runs, until } } : null;
  };
  await playInOrder(players, next, (answer: Answer) => {
    if (answer.kind !== 'search') return;
    const { fault, found, tookMs } = answer;
    if (!found) missed += 1;
    const rule = PLANTED.find(({ name }) => name === fault)?.rule ?? '';
    const how = found ? `found in run ${found.run}, seed ${found.seed}: ${found.violation}` : 'NOT FOUND';
    console.log(`${fault} (${rule}): ${how}, ${tookMs} ms`);
  });
  console.log(`${chosen - missed} passed, ${missed} failed`);
  return missed === 0 ? 0 : 1;
};

process.exitCode = await main();
