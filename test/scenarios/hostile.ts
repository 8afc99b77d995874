/** A stranger on the network that sends forged, truncated, replayed and random packets to every voter. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Status } from '../../src/control/status.js';
import { run } from '../lab/command.js';
import { ROOT } from '../lab/programs.js';
import { ADDRESSES, NODES, on } from '../lab/topology.js';
import type { Scenario, Stage } from './stage.js';

const ATTACK = join(ROOT, 'dist', 'test', 'scenarios', 'attack.js');
const HEARTBEAT_PORT = 8694;
const VOTERS = ['db1', 'db2', 'w1'] as const;
const PACKETS = 1_000_000;
/** The first part warms up buffers and compiled code; memory is compared from its end on. */
const WARM_UP_SHARE = 0.2;
const RECORDED_FRAMES = 400;
const ATTACK_TIMEOUT_MS = 300_000;
/** What a garbage collector may not have taken back yet, in proportion to the process. */
const MEMORY_GROWTH = 1.25;

/** Genuine frames, as they cross the switch on their way to db1. */
const recordFrames = async ({ lab }: Stage): Promise<string> => {
  const file = join(lab.directory, 'recorded.pcap');
  const filter = ['udp', 'and', 'dst', 'port', String(HEARTBEAT_PORT)];
  await run([
    ...on('switch'),
    'tcpdump',
    '-i',
    'db1',
    '-Z',
    'root',
    '-w',
    file,
    '-c',
    String(RECORDED_FRAMES),
    ...filter,
  ]);
  return file;
};

const residentKb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);

const attack = async (recorded: string, packets: number): Promise<void> => {
  const targets = VOTERS.map((voter) => ADDRESSES[voter].ipv4).join(',');
  await run([...on('stranger'), process.execPath, ATTACK, recorded, targets, String(packets)], {
    timeoutMs: ATTACK_TIMEOUT_MS,
  });
};

/** The stranger uses the voters' addresses as its own source, without answering for them. */
const disguise = async ({ lab }: Stage): Promise<void> => {
  await lab.exec('stranger', ['sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=8']);
  for (const voter of VOTERS) {
    const { ipv4, mac } = ADDRESSES[voter];
    await lab.exec('stranger', ['ip', 'neighbour', 'replace', ipv4, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent']);
  }
};

const dropped = (status: Status): number =>
  Object.values(status.counters.framesDropped).reduce((sum, count) => sum + count, 0);

const hostilePackets = async (stage: Stage): Promise<void> => {
  const { lab, fault, note, untilWritesPass } = stage;
  const recorded = await recordFrames(stage);
  await disguise(stage);
  const daemons = [lab.agent.db1, lab.agent.db2, lab.witness];
  await fault(`${PACKETS} packets that are not genuine`, () => attack(recorded, PACKETS * WARM_UP_SHARE));
  const pids = daemons.map((daemon) => daemon.pid);
  const before = pids.map(residentKb);
  await attack(recorded, PACKETS * (1 - WARM_UP_SHARE));
  for (const [index, daemon] of daemons.entries()) {
    if (daemon.pid !== pids[index]) throw new Error(`${daemon.name} has died: ${daemon.tail()}`);
    const [was = 0, is] = [before[index], residentKb(daemon.pid)];
    note(`${daemon.name}: ${was} kB, then ${is} kB`);
    if (is > was * MEMORY_GROWTH) throw new Error(`${daemon.name} has grown from ${was} kB to ${is} kB`);
  }
  for (const node of NODES) {
    const status = await lab.status(node);
    note(`${node} dropped ${dropped(status)} frames: ${JSON.stringify(status.counters.framesDropped)}`);
    if (dropped(status) === 0) throw new Error(`${node} counts no dropped frame: did the packets reach it?`);
  }
  await untilWritesPass();
};

export const HOSTILE: readonly Scenario[] = [
  {
    id: '27',
    title: 'forged, truncated, replayed, random packets, a million',
    outcome: 'none accepted, no crash, memory flat',
    run: hostilePackets,
  },
];
