/** A machine on which other processes want all of the processor. */

import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Capture } from '../lab/capture.js';
import { peerOf } from '../lab/lab.js';
import { ADDRESSES, NODES, type NodeName } from '../lab/topology.js';
import type { Extent, Scenario, Stage } from './stage.js';

/** Eight on two cores. */
const BUSY_PER_CORE = 4;
const LASTS_MS = { short: 45_000, full: 600_000 } as const satisfies Record<Extent, number>;
const HEARTBEAT_PORT = 8694;

const startBusy = (): ChildProcess =>
  spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });

/** BEATs of one node to the other, as they enter the switch. */
const captureBeats = ({ lab }: Stage, from: NodeName): Promise<Capture> => {
  const ends = `src host ${ADDRESSES[from].ipv4} and dst host ${ADDRESSES[peerOf(from)].ipv4}`;
  return lab.capture('switch', from, `udp and dst port ${HEARTBEAT_PORT} and ${ends}`);
};

const longestGapMs = async (capture: Capture): Promise<number> => {
  const times = (await capture.stop()).map(({ at }) => at);
  if (times.length < 2) throw new Error('no heartbeats were seen on the switch');
  return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
};

const starved =
  (lastsMs: number) =>
  async (stage: Stage): Promise<void> => {
    const { lab, fault, goOn, note } = stage;
    const count = BUSY_PER_CORE * availableParallelism();
    const stalls = async (node: NodeName) => (await lab.status(node)).counters.stalls;
    const before = { db1: await stalls('db1'), db2: await stalls('db2') };
    const beats = { db1: await captureBeats(stage, 'db1'), db2: await captureBeats(stage, 'db2') };
    const busy: ChildProcess[] = [];
    try {
      await fault(`${count} busy processes on ${availableParallelism()} cores for ${lastsMs / 1_000} s`, async () => {
        for (let n = 0; n < count; n += 1) busy.push(startBusy());
      });
      await goOn(lastsMs);
    } finally {
      for (const child of busy) child.kill('SIGKILL');
    }
    for (const node of NODES) {
      const gap = (await longestGapMs(beats[node])).toFixed(0);
      const { count: seen, longestMs } = await stalls(node);
      const more = `${seen - before[node].count} stalls, longest since its start ${longestMs.toFixed(0)} ms`;
      note(`${node}: longest time without a heartbeat ${gap} ms, ${more}`);
    }
    await stage.untilWritesPass();
  };

export const starvation = (extent: Extent): readonly Scenario[] => [
  {
    id: '26',
    title: `CPU starved for ${LASTS_MS[extent] / 1_000} s`,
    outcome: 'no move',
    run: starved(LASTS_MS[extent]),
  },
];
