/** One witness on one core: how many pairs it answers in time, and where that ends. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { run } from '../lab/command.js';
import { PAIRS, runVipd } from '../lab/programs.js';
import { LAB_ROOT } from '../lab/sandbox.js';
import { atLeast, type Figure } from './figure.js';
import { cpuMs } from './process-use.js';

export interface PairsSettings {
  readonly groups: readonly string[];
  readonly intervalMs: number;
  readonly warmMs: number;
  readonly lastsMs: number;
  readonly port: number;
  /** Of all groups, base64. */
  readonly key: string;
}

export interface PairsResult {
  /** BEATs of owners, and those that were not answered by the next one. */
  readonly asked: number;
  readonly unanswered: number;
  /** Null: none was answered. */
  readonly medianMs: number | null;
  readonly p99Ms: number | null;
  /** How late the BEATs left: beyond what is asked of the witness, the generator is the limit. */
  readonly sentLateP99Ms: number | null;
}

export interface WitnessPoint extends PairsResult {
  readonly pairs: number;
  /** Of the witness, in percent of a core. */
  readonly cpuPercent: number;
}

export interface WitnessExtent {
  readonly pairs: readonly number[];
  readonly lastsMs: number;
}

const PORT = 8694;
const INTERVAL_MS = 100;
/** Sessions are made, records written, and the compiler of JavaScript has done its work. */
const WARM_MS = 8_000;
const P99_LIMIT_MS = 5;
const WANTED_PAIRS = 2_000;
const READY_WITHIN_MS = 60_000;
const WITNESS_CORE = 0;

const onCore = (core: number, argv: readonly string[]): readonly string[] => ['taskset', '-c', String(core), ...argv];
/** All but the witness's. */
const GENERATOR_CORES = Array.from({ length: availableParallelism() - 1 }, (_, i) => i + 1).join(',') || '0';

const startProgram = (argv: readonly string[]): ChildProcess => {
  const [command = '', ...args] = argv;
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
};

const untilListening = (witness: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the witness is not ready')), READY_WITHIN_MS);
    witness.once('exit', (code) => reject(new Error(`the witness ended with ${code}`)));
    if (witness.stdout === null) return;
    createInterface({ input: witness.stdout }).on('line', (line) => {
      if (!line.includes('listens on')) return;
      clearTimeout(timer);
      resolve();
    });
  });

const writeFiles = (directory: string, settings: PairsSettings): string => {
  const state = join(directory, 'state');
  mkdirSync(state, { recursive: true });
  const keyFile = join(directory, 'key');
  writeFileSync(keyFile, `${settings.key}\n`, { mode: 0o600 });
  const config = join(directory, 'witness.yaml');
  const groups = settings.groups.map((name) => ({ name, nodes: ['db1', 'db2'], key_file: keyFile }));
  writeFileSync(config, stringify({ name: 'w1', listen: '127.0.0.1', groups, state_directory: state }));
  writeFileSync(join(directory, 'pairs.json'), JSON.stringify(settings), { mode: 0o600 });
  return config;
};

/** What the generator printed last, and what the witness used from its first line on. */
const generate = async (directory: string, witness: ChildProcess, pairs: number): Promise<WitnessPoint> => {
  // In real time like the witness: what it is late is counted as the witness's.
  const scheduled = ['chrt', '--rr', '1', 'taskset', '-c', GENERATOR_CORES];
  const argv = [...scheduled, process.execPath, PAIRS, join(directory, 'pairs.json')];
  const generator = startProgram(argv);
  const pid = witness.pid ?? 0;
  let before = 0;
  let startedAt = 0;
  let last = '';
  if (generator.stdout !== null)
    createInterface({ input: generator.stdout }).on('line', (line) => {
      if (line === 'counting') {
        before = cpuMs(pid);
        startedAt = performance.now();
      } else last = line;
    });
  await once(generator, 'close');
  if (last === '') throw new Error('the generator of pairs told nothing');
  const cpuPercent = ((cpuMs(pid) - before) / (performance.now() - startedAt)) * 100;
  return { pairs, cpuPercent, ...(JSON.parse(last) as PairsResult) };
};

const measurePoint = async (pairs: number, lastsMs: number): Promise<WitnessPoint> => {
  mkdirSync(LAB_ROOT, { recursive: true });
  const directory = mkdtempSync(join(LAB_ROOT, 'witness-'));
  const settings: PairsSettings = {
    groups: Array.from({ length: pairs }, (_, i) => `g${i}`),
    intervalMs: INTERVAL_MS,
    warmMs: WARM_MS,
    lastsMs,
    port: PORT,
    key: randomBytes(32).toString('base64'),
  };
  const config = writeFiles(directory, settings);
  const witness = startProgram(onCore(WITNESS_CORE, [...runVipd(), 'witness', '--config', config]));
  try {
    await untilListening(witness);
    return await generate(directory, witness, pairs);
  } finally {
    if (witness.exitCode === null) {
      const ended = once(witness, 'exit');
      witness.kill('SIGKILL');
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  }
};

const inTime = ({ p99Ms, asked, unanswered }: WitnessPoint): boolean =>
  p99Ms !== null && p99Ms < P99_LIMIT_MS && unanswered * 100 <= asked;

/** More and more pairs, until the answers come too late. */
export const measureWitness = async ({ pairs, lastsMs }: WitnessExtent): Promise<readonly WitnessPoint[]> => {
  await run(['ip', 'link', 'set', 'lo', 'up']);
  const points: WitnessPoint[] = [];
  for (const count of pairs) {
    const point = await measurePoint(count, lastsMs);
    points.push(point);
    if (!inTime(point)) break;
  }
  return points;
};

export const witnessFigures = (points: readonly WitnessPoint[]): readonly Figure[] => {
  const most = points.filter(inTime).reduce((best, { pairs }) => Math.max(best, pairs), 0);
  const title = `pairs of one witness on one core, 99 % of its answers within ${P99_LIMIT_MS} ms`;
  return [{ name: 'witness-pairs', title, value: most, unit: 'pairs', target: atLeast(WANTED_PAIRS) }];
};
