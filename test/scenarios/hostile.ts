/** A stranger on the network that sends forged, truncated, replayed and random packets to every voter. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { ROOT } from '../lab/programs.js';
import { ADDRESSES, NODES, on } from '../lab/topology.js';
import type { Extent, Scenario, Stage } from './stage.js';

const ATTACK = join(ROOT, 'dist', 'test', 'scenarios', 'attack.js');
const HEARTBEAT_PORT = 8694;
const VOTERS = ['db1', 'db2', 'w1'] as const;
type Voter = (typeof VOTERS)[number];
const PACKETS = { short: 150_000, full: 1_000_000 } as const satisfies Record<Extent, number>;
/** The first part warms up buffers and compiled code; memory is compared from its end on. */
const WARM_UP_SHARE = 0.2;
const RECORDED_FRAMES = 100;
const ATTACK_TIMEOUT_MS = 600_000;
/** What a garbage collector may not have taken back yet, in proportion to the process. */
const MEMORY_GROWTH = 1.25;

const recordingOf = ({ lab }: Stage, voter: Voter): string => join(lab.directory, `recorded-${voter}.pcap`);

/** Genuine frames, as they leave the switch for each voter. */
const recordFrames = async (stage: Stage): Promise<void> => {
  const record = (voter: Voter): Promise<string> => {
    const filter = `udp and dst port ${HEARTBEAT_PORT} and dst host ${ADDRESSES[voter].ipv4}`;
    const into = ['-Z', 'root', '-w', recordingOf(stage, voter), '-c', String(RECORDED_FRAMES)];
    return run([...on('switch'), 'tcpdump', '-i', voter, ...into, ...filter.split(' ')]);
  };
  await Promise.all(VOTERS.map(record));
};

const residentKb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);

const attack = async (stage: Stage, packets: number): Promise<void> => {
  const targets = VOTERS.map((voter) => `${ADDRESSES[voter].ipv4}=${recordingOf(stage, voter)}`);
  await run([...on('stranger'), process.execPath, ATTACK, String(packets), ...targets], {
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

const COUNTING_TABLE = `table bridge hostile {
  chain forward {
    type filter hook forward priority 1; policy accept;
${VOTERS.map((voter) => `    iifname "stranger" oifname "${voter}" udp dport ${HEARTBEAT_PORT} counter`).join('\n')}
  }
}
`;

/** From now on the switch counts what the stranger sends to each voter. */
const countPackets = (): Promise<string> => run([...on('switch'), 'nft', '-f', '-'], { input: COUNTING_TABLE });

const packetsTo = async (voter: Voter): Promise<number> => {
  const table = await run([...on('switch'), 'nft', 'list', 'table', 'bridge', 'hostile']);
  return Number(new RegExp(`oifname "${voter}" .*counter packets (\\d+)`).exec(table)?.[1] ?? Number.NaN);
};

/** Datagrams that the kernel threw away before the voter could read them, most because its buffer was full (proc_net_snmp). */
const lostBefore = async ({ lab }: Stage, voter: Voter): Promise<number> => {
  const { stdout } = await lab.exec(voter, ['cat', '/proc/net/snmp']);
  const [names = [], values = []] = stdout
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('InErrors')] ?? Number.NaN);
};

type Counts = Readonly<Record<string, number>>;

const sum = (counts: Counts): number => Object.values(counts).reduce((total, count) => total + count, 0);

const NO_DROPS: readonly string[] = ['accepted', 'sealed', 'unsealable', 'greeted', 'hello'];

/** The witness tells its counters as it leaves. */
const droppedByWitness = async ({ lab }: Stage): Promise<Counts> => {
  await lab.witness.stop();
  const lines = readFileSync(lab.witness.logFile, 'utf8').split('\n');
  const last = lines.filter((line) => line.includes('"frames"')).at(-1);
  if (last === undefined) throw new Error(`the witness has left without its counters: ${lab.witness.tail()}`);
  const { frames } = JSON.parse(last) as { readonly frames: Readonly<Record<string, Counts>> };
  lab.witness.start();
  const all = Object.values(frames).flatMap((counts) => Object.entries(counts));
  return Object.fromEntries(all.filter(([cause, count]) => count > 0 && !NO_DROPS.includes(cause)));
};

const droppedBy = async (stage: Stage, voter: Voter): Promise<Counts> =>
  voter === 'w1' ? droppedByWitness(stage) : (await stage.lab.status(voter)).counters.framesDropped;

/** Whatever reached a voter and is not among what it dropped was accepted. */
const checkNoneAccepted = async (stage: Stage, voter: Voter, dropsBefore: number): Promise<void> => {
  const sent = await packetsTo(voter);
  const lost = await lostBefore(stage, voter);
  const drops = await droppedBy(stage, voter);
  const dropped = sum(drops) - dropsBefore;
  stage.note(
    `${voter}: ${sent} packets came, ${lost} lost in its buffer, ${dropped} dropped: ${JSON.stringify(drops)}`,
  );
  if (!(sent > 0 && dropped >= sent - lost)) {
    throw new Error(`${voter} got ${sent - lost} packets that are not genuine and dropped ${dropped} only`);
  }
};

const checkMemory = async (stage: Stage, packets: number): Promise<void> => {
  const { lab, note } = stage;
  const daemons = [lab.agent.db1, lab.agent.db2, lab.witness];
  await attack(stage, packets * WARM_UP_SHARE);
  const pids = daemons.map((daemon) => daemon.pid);
  const before = pids.map(residentKb);
  await attack(stage, packets * (1 - WARM_UP_SHARE));
  for (const [index, daemon] of daemons.entries()) {
    if (daemon.pid !== pids[index] || daemon.exits.length > 0)
      throw new Error(`${daemon.name} has died: ${daemon.tail()}`);
    const [was = 0, is] = [before[index], residentKb(daemon.pid)];
    note(`${daemon.name}: ${was} kB, then ${is} kB`);
    if (is > was * MEMORY_GROWTH) throw new Error(`${daemon.name} has grown from ${was} kB to ${is} kB`);
  }
};

const hostilePackets =
  (packets: number) =>
  async (stage: Stage): Promise<void> => {
    const { lab, fault, untilWritesPass } = stage;
    await recordFrames(stage);
    await disguise(stage);
    await countPackets();
    const before = { db1: 0, db2: 0, w1: 0 };
    for (const node of NODES) before[node] = sum((await lab.status(node)).counters.framesDropped);
    await fault(`${packets} packets that are not genuine`, () => checkMemory(stage, packets));
    for (const voter of VOTERS) await checkNoneAccepted(stage, voter, before[voter]);
    await untilWritesPass();
  };

export const hostile = (extent: Extent): readonly Scenario[] => [
  {
    id: '27',
    title: `${PACKETS[extent]} forged, truncated, replayed, random packets`,
    outcome: 'none accepted, no crash, memory flat',
    run: hostilePackets(PACKETS[extent]),
  },
];
