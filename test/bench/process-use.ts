/** What a running process uses of the machine, as /proc tells it (proc(5)). */

import { readdirSync, readFileSync } from 'node:fs';

const NS_PER_MS = 1e6;
const BYTES_PER_KIB = 1_024;
const BYTES_PER_MB = 1e6;

/** Processor time of all its threads so far, in milliseconds; to the nanosecond, where /proc/PID/stat counts ticks. */
export const cpuMs = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, ns) => sum + ns / NS_PER_MS, 0);

/** In millions of bytes. */
export interface MemoryUse {
  /** Anonymous: what only this process has, and no file. */
  readonly privateMb: number;
  /** With its part of what it shares, the program text of Node above all. */
  readonly residentMb: number;
}

export const memoryOf = (pid: number): MemoryUse => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mb = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
    if (kib === undefined) throw new Error(`/proc/${pid}/smaps_rollup does not tell ${name}`);
    return (Number(kib) * BYTES_PER_KIB) / BYTES_PER_MB;
  };
  return { privateMb: mb('Anonymous'), residentMb: mb('Rss') };
};
