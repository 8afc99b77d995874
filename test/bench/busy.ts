/** A machine that is busy with something else: does the VIP move, and for how long is no heartbeat seen? */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Capture } from '../lab/capture.js';
import { createLab, type Lab } from '../lab/lab.js';
import { ADDRESSES, type NodeName } from '../lab/topology.js';
import { atMost, type Figure } from './figure.js';
import { KEEPALIVED_QUICK } from './keepalived.js';
import type { Running, System } from './system.js';
import { VIPD, VIPD_ORDINARY } from './vipd.js';

const SETTINGS = { intervalMs: 100, fall: 1 } as const;
const BUSY_PROCESSES = 8;
const LOOK_EVERY_MS = 500;
/** On a disk of the machine: what the lab has lies in memory. */
const DISK = '/var/tmp';

const SYSTEMS: readonly System[] = [VIPD, VIPD_ORDINARY, KEEPALIVED_QUICK];

const startShell = (script: string): ChildProcess =>
  spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', script], { stdio: 'ignore' });

const startAll = (lab: Lab): readonly ChildProcess[] => {
  const file = join(DISK, `vipd-bench-${process.pid}-${lab.directory.split('/').at(-1)}`);
  const write = `trap 'rm -f ${file}' EXIT; trap exit TERM; while :; do dd if=/dev/zero of=${file} bs=1M count=64 conv=fsync 2>/dev/null; done`;
  const busy = Array.from({ length: BUSY_PROCESSES }, () => startShell('while :; do :; done'));
  return [...busy, startShell(write)];
};

const stopAll = (children: readonly ChildProcess[]): void => {
  // The writer takes its file away; the others need no time for anything.
  children.forEach((child, i) => {
    child.kill(i === children.length - 1 ? 'SIGTERM' : 'SIGKILL');
  });
};

/** Heartbeats of one node as they enter the switch: BEATs to the other node, or VRRP advertisements. */
const captureHeartbeats = (lab: Lab, { name }: System, from: NodeName): Promise<Capture> => {
  const filter = name === 'keepalived-quick' ? 'ip proto 112' : 'udp and dst port 8694';
  return lab.capture('switch', from, `${filter} and src host ${ADDRESSES[from].ipv4}`);
};

const longestGapMs = async (capture: Capture): Promise<number | null> => {
  const times = (await capture.stop()).map(({ at }) => at);
  if (times.length < 2) return null;
  return times.slice(1).reduce((longest, at, i) => Math.max(longest, at - (times[i] ?? at)), 0);
};

/** How often another node than before had the VIP. */
const countMoves = async (running: Running, lastsMs: number): Promise<number> => {
  const endsAt = performance.now() + lastsMs;
  let holder = await running.active();
  let moves = 0;
  while (performance.now() < endsAt) {
    await sleep(LOOK_EVERY_MS);
    // In the middle of a move nobody has it.
    const now = await running.active().catch(() => holder);
    if (now !== holder) moves += 1;
    holder = now;
  }
  return moves;
};

const measureOne = async (system: System, lastsMs: number): Promise<readonly Figure[]> => {
  const lab = await createLab(system.lab(SETTINGS));
  try {
    const running = await system.start(lab, SETTINGS);
    const capture = await captureHeartbeats(lab, system, await running.active());
    const children = startAll(lab);
    try {
      const moves = await countMoves(running, lastsMs);
      const gap = await longestGapMs(capture);
      const target = system.name === 'vipd-ordinary' ? {} : { target: atMost(0) };
      return [
        { name: `busy-moves-${system.name}`, title: `moves, ${system.label}`, value: moves, unit: '', ...target },
        {
          name: `busy-gap-${system.name}`,
          title: `longest time without a heartbeat, ${system.label}`,
          value: gap,
          unit: 'ms',
        },
      ];
    } finally {
      stopAll(children);
      await running.stop();
    }
  } finally {
    await lab.destroy();
  }
};

/** Eight busy processes and one that writes to a disk, for so long beside each system. */
export const measureBusy = async (lastsMs: number): Promise<readonly Figure[]> => {
  const figures: Figure[] = [];
  for (const system of SYSTEMS) figures.push(...(await measureOne(system, lastsMs)));
  return figures;
};
