/** What an idle pair costs: processor, memory and its growth, and the time from the start to `standby`. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { activeNode } from '../lab/checks.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import { type Seen, waitForValue } from '../lab/wait.js';
import { atMost, type Figure } from './figure.js';
import { cpuMs, memoryOf } from './process-use.js';
import { median } from './summary.js';
import { VIPD } from './vipd.js';

const IDLE = { intervalMs: 100, fall: 1 } as const;
/** Ten times as many heartbeats in the same time. */
const HURRIED = { intervalMs: 10, fall: 1 } as const;
const STANDBY_WITHIN_MS = 30_000;
const PERCENT = 100;
const MS_PER_SECOND = 1_000;

/** A lab with a settled pair, and no client. */
const withPair = async <T>(
  settings: typeof IDLE | typeof HURRIED,
  use: (lab: Lab, active: NodeName) => Promise<T>,
): Promise<T> => {
  const lab = await createLab(VIPD.lab(settings));
  try {
    const running = await VIPD.start(lab, settings);
    return await use(lab, await running.active());
  } finally {
    await lab.destroy();
  }
};

export interface IdleExtent {
  /** Left alone first: the compiler of JavaScript works on what has just been started. */
  readonly warmMs: number;
  readonly lastsMs: number;
  /** Memory is read this long after the pair has settled, and not before the processor's share is known. */
  readonly memoryAfterMs: number;
}

/** Share of one core in percent, and memory, of both agents. */
export const measureIdle = ({ warmMs, lastsMs, memoryAfterMs }: IdleExtent): Promise<readonly Figure[]> =>
  withPair(IDLE, async (lab, active) => {
    const settledAt = performance.now();
    const agents = [
      { role: 'active', pid: lab.agent[active].pid },
      { role: 'standby', pid: lab.agent[peerOf(active)].pid },
    ] as const;
    await sleep(warmMs);
    const before = agents.map(({ pid }) => cpuMs(pid));
    const startedAt = performance.now();
    await sleep(lastsMs);
    const tookMs = performance.now() - startedAt;
    const shares = agents.map(({ role, pid }, index): Figure => {
      const value = ((cpuMs(pid) - (before[index] ?? 0)) / tookMs) * PERCENT;
      return { name: `cpu-${role}`, title: `CPU of an idle ${role}`, value, unit: '% of a core', target: atMost(1) };
    });
    await sleep(Math.max(0, memoryAfterMs - (performance.now() - settledAt)));
    const after = `after ${Math.round((performance.now() - settledAt) / MS_PER_SECOND)} s`;
    const memory = agents.flatMap(({ role, pid }): readonly Figure[] => {
      const { privateMb, residentMb } = memoryOf(pid);
      const figure = (kind: string, value: number, limit: number): Figure => ({
        name: `${kind}-${role}`,
        title: `${kind} memory, ${role}, ${after}`,
        value,
        unit: 'MB',
        target: atMost(limit),
      });
      return [figure('private', privateMb, 40), figure('resident', residentMb, 90)];
    });
    return [...shares, ...memory];
  });

/** V8 lets garbage pile up and takes it away again: memory is read again and again for so long, and the least counts. */
const SAWTOOTH_MS = 120_000;
const READ_EVERY_MS = 1_000;

const leastPrivateMb = async (pid: number): Promise<number> => {
  const endsAt = performance.now() + SAWTOOTH_MS;
  let least = Number.POSITIVE_INFINITY;
  while (performance.now() < endsAt) {
    least = Math.min(least, memoryOf(pid).privateMb);
    await sleep(READ_EVERY_MS);
  }
  return least;
};

/** How much the least private memory of both agents has grown over so many heartbeats, begun once they have run in. */
export const measureGrowth = (heartbeats: number): Promise<readonly Figure[]> =>
  withPair(HURRIED, async (lab, active) => {
    const agents = [
      { role: 'active', pid: lab.agent[active].pid },
      { role: 'standby', pid: lab.agent[peerOf(active)].pid },
    ] as const;
    const least = (): Promise<readonly number[]> => Promise.all(agents.map(({ pid }) => leastPrivateMb(pid)));
    await sleep((heartbeats * HURRIED.intervalMs) / 20);
    const startedAt = performance.now();
    const before = await least();
    await sleep(Math.max(0, heartbeats * HURRIED.intervalMs - (performance.now() - startedAt)));
    const after = await least();
    // A machine that stands still for 30 ms costs a lease at this interval; the agents go on, and so does the measurement.
    const moved = (await activeNode(lab)) === active ? '' : ' (the VIP moved meanwhile)';
    return agents.map(({ role }, index) => ({
      name: `growth-${role}`,
      title: `growth of an idle ${role} over ${heartbeats} heartbeats${moved}`,
      value: (after[index] ?? 0) - (before[index] ?? 0),
      unit: 'MB',
      target: atMost(2),
    }));
  });

interface LogLine {
  readonly time: string;
  readonly msg: string;
}

/** When the log said so, in Unix milliseconds. */
const becameStandby = (log: string): Seen<number> => {
  const lines = log.split('\n').filter((line) => line.includes('starting -> standby'));
  const last = lines.at(-1);
  if (last === undefined) return { done: false, seen: 'not yet' };
  return { done: true, value: Date.parse((JSON.parse(last) as LogLine).time) };
};

/** From the start of the process to the role `standby`: the agent of a standby is killed and started again. */
export const measureStart = (runs: number): Promise<readonly Figure[]> =>
  withPair(IDLE, async (lab) => {
    const times: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const agent = lab.agent[peerOf(await activeNode(lab))];
      await agent.stop('SIGKILL');
      const seen = readFileSync(agent.logFile, 'utf8').length;
      const startedAt = Date.now();
      agent.start();
      const at = await waitForValue(
        () => becameStandby(readFileSync(agent.logFile, 'utf8').slice(seen)),
        'the agent becomes standby',
        STANDBY_WITHIN_MS,
      );
      times.push(at - startedAt);
    }
    const title = `start to standby, median of ${runs}`;
    return [{ name: 'start', title, value: median(times), unit: 'ms', target: atMost(600) }];
  });
