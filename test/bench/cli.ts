/** scripts/bench: vipd beside keepalived, run by run in turn, on the same hosts, databases, clients and faults. */

import { writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { enterSandbox } from '../lab/sandbox.js';
import { FAULTS, type Fault } from './fault.js';
import { KEEPALIVED_GUIDE, KEEPALIVED_QUICK } from './keepalived.js';
import { type Measurement, measure } from './measure.js';
import { plot } from './plot.js';
import { broken, summarise } from './summary.js';
import type { System } from './system.js';
import { outageTable, stepTable } from './table.js';
import { VIPD } from './vipd.js';

const SYSTEMS: readonly System[] = [VIPD, KEEPALIVED_QUICK, KEEPALIVED_GUIDE];
const FULL_RUNS = 20;
const MAX_RUNS = 1_000;
/** Daily use: what moves most, once each, without the set-up that is slow by design. */
const QUICK_FAULTS = ['mysqld-killed', 'host-dead-100ms', 'switchover', 'agent-killed', 'partition'];
/** What a build runs: never judged by time. */
const SMOKE_FAULTS = ['mysqld-killed', 'partition'];
const BYTES_PER_GIB = 2 ** 30;

interface BenchOptions {
  readonly runs?: number;
  readonly only?: readonly string[];
  readonly systems?: readonly string[];
  readonly quick?: true;
  readonly smoke?: true;
  readonly json?: string;
  readonly svg?: string;
}

const count = (text: string): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= MAX_RUNS) return value;
  throw new InvalidArgumentError(`Write a whole number from 1 to ${MAX_RUNS}.`);
};

const list = (text: string): readonly string[] => text.split(',');

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const named = <T extends { readonly name: string }>(
  all: readonly T[],
  names: readonly string[] | undefined,
): readonly T[] => {
  const unknown = (names ?? []).find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new Error(`there is no "${unknown}"; there are ${all.map(({ name }) => name).join(', ')}`);
  }
  return names === undefined ? all : all.filter(({ name }) => names.includes(name));
};

interface Plan {
  readonly faults: readonly Fault[];
  readonly systems: readonly System[];
  readonly runs: number;
}

const planOf = (options: BenchOptions): Plan => {
  const short = options.smoke ? SMOKE_FAULTS : options.quick ? QUICK_FAULTS : undefined;
  const systems =
    options.systems ?? (options.smoke ? ['vipd'] : options.quick ? ['vipd', 'keepalived-quick'] : undefined);
  return {
    faults: named(FAULTS, options.only ?? short),
    systems: named(SYSTEMS, systems),
    runs: options.runs ?? (short === undefined ? FULL_RUNS : 1),
  };
};

/** All systems in turn within each run, so that what else the machine does falls on all of them. */
const measureAll = async ({ faults, systems, runs }: Plan): Promise<readonly Measurement[]> => {
  const measurements: Measurement[] = [];
  const total = faults.length * systems.length * runs;
  for (const fault of faults) {
    for (let run = 1; run <= runs; run += 1) {
      for (const system of systems) {
        const one = await measure(system, fault, Math.random);
        measurements.push(one);
        const outage =
          one.outageMs === null ? 'writes did not come back' : `writes out for ${one.outageMs.toFixed(0)} ms`;
        const bad = one.lost + one.doubleWrites > 0 ? `, ${one.lost} lost, ${one.doubleWrites} by a second writer` : '';
        print(`${measurements.length}/${total}  ${fault.title}, ${system.label}: ${outage}${bad}`);
      }
    }
  }
  return measurements;
};

const machine = (): string => {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / BYTES_PER_GIB);
  return `${cpus().length} cores (${cpu?.model ?? 'unknown'}), ${memory} GiB, Linux ${release()}, Node ${process.version}`;
};

const main = async (options: BenchOptions): Promise<void> => {
  const plan = planOf(options);
  await enterSandbox();
  const cells = summarise(await measureAll(plan), plan.faults, plan.systems);
  const steps = stepTable(cells, plan.faults);
  print(`\n${machine()}\n\n${outageTable(cells, plan.faults, plan.systems)}`);
  if (steps !== '') print(`\nMedian of each step of a takeover by vipd:\n\n${steps}`);
  const report = { machine: machine(), at: new Date().toISOString(), cells };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.svg !== undefined) writeFileSync(options.svg, plot(cells, plan.faults, plan.systems));
  const problems = broken(cells);
  for (const problem of problems) print(`! ${problem}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
};

await new Command('bench')
  .description('Measures how long clients cannot write after a fault, with vipd and with keepalived in turn.')
  .option('--quick', 'a few faults, once each, in under five minutes')
  .option('--smoke', 'vipd alone: fails on a lost acknowledgement or a second writer, never on time')
  .option('--runs <count>', 'of each fault and system', count)
  .option('--only <faults>', 'these, with commas between', list)
  .option('--systems <systems>', 'these, with commas between', list)
  .option('--json <file>', 'write what was measured')
  .option('--svg <file>', 'write a plot')
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
