/** Starts the write load on client hosts, and keeps what became of every attempt. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LOAD_CLIENT } from './programs.js';
import { type HostName, on } from './topology.js';

const STOP_DEADLINE_MS = 10_000;

/** Each client numbers its rows from here on, so that no two use the same. */
export const FIRST_IDS = { fresh: 1, pin1: 100_000_000, pin2: 200_000_000 } as const;

export interface LoadSettings {
  readonly kind: 'fresh' | 'held';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly everyMs: number;
  readonly firstId: number;
}

export interface Attempt {
  readonly id: number;
  /** Milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
  readonly begin: number;
  readonly end: number;
  /** The server said that the row is committed. Otherwise it may be, or not. */
  readonly acknowledged: boolean;
  readonly error: string;
}

/** A time without an acknowledged write. */
export interface Outage {
  readonly from: number;
  readonly to: number;
  readonly ms: number;
}

export interface LoadClient {
  /** In the order in which they ended. */
  readonly attempts: readonly Attempt[];
  /** Lets what is under way end, then ends. */
  stop(): Promise<void>;
}

export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const parseLine = (line: string): Attempt | undefined => {
  const match = /^(\d+) ([\d.]+) ([\d.]+) (.+)$/.exec(line);
  if (match === null) return undefined;
  const [, id, begin, end, outcome = ''] = match;
  const acknowledged = outcome === 'ok';
  return {
    id: Number(id),
    begin: Number(begin),
    end: Number(end),
    acknowledged,
    error: acknowledged ? '' : outcome,
  };
};

/** Start one client on `host`. Settings and record lie in `directory`. */
export const startLoadClient = (host: HostName, settings: LoadSettings, directory: string): LoadClient => {
  const settingsFile = join(directory, `load-${host}.json`);
  writeFileSync(settingsFile, JSON.stringify(settings), { mode: 0o600 });
  const record = join(directory, `load-${host}.txt`);
  const [command = '', ...args] = [...on(host), process.execPath, LOAD_CLIENT, settingsFile];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stderr.pipe(createWriteStream(join(directory, `load-${host}.log`)));
  const closed = once(child, 'close');
  const attempts: Attempt[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const attempt = parseLine(line);
    if (attempt === undefined) return;
    attempts.push(attempt);
    appendFileSync(record, `${line}\n`);
  });
  return {
    attempts,
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
};

/** The longest time between two acknowledged writes that ends after `since`. */
export const longestOutage = (attempts: readonly Attempt[], since: number): Outage => {
  const ends = attempts
    .filter((attempt) => attempt.acknowledged)
    .map((attempt) => attempt.end)
    .sort((a, b) => a - b);
  let longest: Outage = { from: since, to: since, ms: 0 };
  ends.forEach((to, index) => {
    const from = ends[index - 1];
    if (from === undefined || to < since || to - from <= longest.ms) return;
    longest = { from, to, ms: to - from };
  });
  return longest;
};

/** What the attempts that failed were told, most frequent first. */
export const errorsSeen = (attempts: readonly Attempt[]): ReadonlyArray<readonly [string, number]> => {
  const counts = new Map<string, number>();
  for (const { error } of attempts) if (error !== '') counts.set(error, (counts.get(error) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
};
