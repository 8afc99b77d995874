/** scripts/bench: vipd beside keepalived, run by run in turn, on the same hosts, databases, clients and faults. */

import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { enterSandbox } from '../lab/sandbox.js';
import { measureBusy } from './busy.js';
import { FAULTS, type Fault } from './fault.js';
import type { Figure } from './figure.js';
import { KEEPALIVED_GUIDE, KEEPALIVED_QUICK } from './keepalived.js';
import { type Measurement, measure } from './measure.js';
import { plot } from './plot.js';
import { type IdleExtent, measureGrowth, measureIdle, measureStart } from './resources.js';
import { broken, summarise } from './summary.js';
import type { System } from './system.js';
import { figureTable, outageTable, stepTable, witnessTable } from './table.js';
import { outageFigures } from './target.js';
import { VIPD } from './vipd.js';
import { measureWitness, type WitnessExtent, type WitnessPoint, witnessFigures } from './witness-load.js';

const SYSTEMS: readonly System[] = [VIPD, KEEPALIVED_QUICK, KEEPALIVED_GUIDE];
const FULL_RUNS = 20;
const MAX_RUNS = 1_000;
const BYTES_PER_GIB = 2 ** 30;
const MS_PER_MINUTE = 60_000;
const MAX_BUSY_MINUTES = 120;
/** A refusal may name a hundred sessions. */
const SHOWN_ERROR_CHARS = 300;

/** How much is measured. */
interface Extent {
  /** Faults and further measurements, by name. */
  readonly parts: readonly string[];
  readonly systems: readonly string[];
  readonly runs: number;
  readonly idle: IdleExtent;
  readonly starts: number;
  readonly heartbeats: number;
  readonly busyMs: number;
  readonly witness: WitnessExtent;
}

/** Beside the faults. */
const FURTHER = ['idle', 'start', 'growth', 'busy', 'witness'] as const;
const PARTS: readonly string[] = [...FAULTS.map(({ name }) => name), ...FURTHER];

const FULL: Extent = {
  parts: PARTS,
  systems: SYSTEMS.map(({ name }) => name),
  runs: FULL_RUNS,
  idle: { warmMs: 300_000, lastsMs: 60_000, memoryAfterMs: 60 * MS_PER_MINUTE },
  starts: 10,
  heartbeats: 100_000,
  busyMs: 10 * MS_PER_MINUTE,
  witness: { pairs: [500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 6_000, 8_000], lastsMs: 20_000 },
};

/** Daily use: what moves most, once each, without the set-up that is slow by design. */
const QUICK: Extent = {
  ...FULL,
  parts: ['mysqld-killed', 'host-dead-100ms', 'switchover', 'agent-killed', 'partition', 'idle', 'start', 'witness'],
  systems: ['vipd', 'keepalived-quick'],
  runs: 1,
  idle: { warmMs: 20_000, lastsMs: 15_000, memoryAfterMs: 0 },
  starts: 3,
  witness: { pairs: [500, 1_000], lastsMs: 8_000 },
};

/** What a build runs: never judged by time. */
const SMOKE: Extent = { ...QUICK, parts: ['mysqld-killed', 'partition'], systems: ['vipd'] };

interface BenchOptions {
  readonly runs?: number;
  readonly busyMinutes?: number;
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

const minutes = (text: string): number => {
  const value = Number(text);
  if (value > 0 && value <= MAX_BUSY_MINUTES) return value;
  throw new InvalidArgumentError(`Write a number above 0, and up to ${MAX_BUSY_MINUTES}.`);
};

const list = (text: string): readonly string[] => text.split(',');

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const extentOf = (options: BenchOptions): Extent => {
  const base = options.smoke ? SMOKE : options.quick ? QUICK : FULL;
  const busyMs = options.busyMinutes === undefined ? base.busyMs : options.busyMinutes * MS_PER_MINUTE;
  const chosen = {
    ...base,
    parts: options.only ?? base.parts,
    systems: options.systems ?? base.systems,
    runs: options.runs ?? base.runs,
    busyMs,
  };
  check(PARTS, chosen.parts);
  check(
    SYSTEMS.map(({ name }) => name),
    chosen.systems,
  );
  return chosen;
};

const check = (known: readonly string[], names: readonly string[]): void => {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no "${unknown}"; there are ${known.join(', ')}`);
};

/** All systems in turn within each run, so that what else the machine does falls on all of them. */
const measureOutages = async (
  faults: readonly Fault[],
  systems: readonly System[],
  runs: number,
  onFailure: (what: string, error: unknown) => void,
): Promise<readonly Measurement[]> => {
  let number = 0;
  const measurements: Measurement[] = [];
  const total = faults.length * systems.length * runs;
  for (const fault of faults) {
    for (let run = 1; run <= runs; run += 1) {
      for (const system of systems) {
        number += 1;
        const one = await measure(system, fault, Math.random).catch((error: unknown) =>
          onFailure(`${fault.title}, ${system.label}`, error),
        );
        if (one === undefined) continue;
        measurements.push(one);
        const outage =
          one.outageMs === null ? 'writes did not come back' : `writes out for ${one.outageMs.toFixed(0)} ms`;
        const bad = one.lost + one.doubleWrites > 0 ? `, ${one.lost} lost, ${one.doubleWrites} by a second writer` : '';
        print(`${number}/${total}  ${fault.title}, ${system.label}: ${outage}${bad}`);
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

interface Further {
  readonly figures: readonly Figure[];
  readonly witness: readonly WitnessPoint[];
}

const measureFurther = async (extent: Extent): Promise<Further> => {
  const figures: Figure[] = [];
  const wanted = (name: (typeof FURTHER)[number]): boolean => extent.parts.includes(name);
  const measure = async (name: (typeof FURTHER)[number], run: () => Promise<readonly Figure[]>): Promise<void> => {
    if (!wanted(name)) return;
    print(`${name} ...`);
    figures.push(...(await run()));
  };
  await measure('idle', () => measureIdle(extent.idle));
  await measure('start', () => measureStart(extent.starts));
  await measure('growth', () => measureGrowth(extent.heartbeats));
  await measure('busy', () => measureBusy(extent.busyMs));
  if (wanted('witness')) print('witness ...');
  const witness = wanted('witness') ? await measureWitness(extent.witness) : [];
  return { figures: [...figures, ...(wanted('witness') ? witnessFigures(witness) : [])], witness };
};

const show = (title: string, table: string): void => {
  if (table !== '') print(`\n${title}\n\n${table}`);
};

const main = async (options: BenchOptions): Promise<void> => {
  const extent = extentOf(options);
  await enterSandbox();
  const faults = FAULTS.filter(({ name }) => extent.parts.includes(name));
  const systems = SYSTEMS.filter(({ name }) => extent.systems.includes(name));
  /** A machine too busy to settle in time says nothing of what is measured; the next run may. */
  const tellFailure = (what: string, error: unknown): void =>
    print(`not measured: ${what}: ${String(error).slice(0, SHOWN_ERROR_CHARS)}`);
  const measurements = await measureOutages(faults, systems, extent.runs, tellFailure);
  const cells = summarise(measurements, faults, systems);
  const further = await measureFurther(extent);
  const figures = [...outageFigures(cells), ...further.figures];
  print(`\n${machine()}`);
  if (cells.length > 0) show('Outages:', outageTable(cells, faults, systems));
  show('Median of each step of a takeover by vipd:', stepTable(cells, faults));
  show('What is asked:', figureTable(figures));
  show('One witness on one core:', witnessTable(further.witness));
  const report = {
    machine: machine(),
    load: loadavg(),
    at: new Date().toISOString(),
    cells,
    figures,
    witness: further.witness,
  };
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.svg !== undefined) writeFileSync(options.svg, plot(cells, faults, systems));
  const problems = broken(cells);
  for (const problem of problems) print(`! ${problem}`);
  const nothing = cells.length + further.figures.length === 0;
  if (nothing) print('! nothing could be measured');
  const failed = nothing ? 1 : problems.length;
  if (options.smoke) print(`${cells.length - problems.length} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
};

await new Command('bench')
  .description('Measures how long clients cannot write after a fault, with vipd and with keepalived in turn.')
  .option('--quick', 'a few faults, once each, in under five minutes')
  .option('--smoke', 'vipd alone: fails on a lost acknowledgement or a second writer, never on time')
  .option('--runs <count>', 'of each fault and system', count)
  .option('--busy-minutes <count>', 'how long the machine is kept busy beside each system', minutes)
  .option('--only <parts>', `these, with commas between: ${PARTS.join(', ')}`, list)
  .option('--systems <systems>', 'these, with commas between', list)
  .option('--json <file>', 'write what was measured')
  .option('--svg <file>', 'write a plot')
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
