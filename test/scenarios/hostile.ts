/** A stranger on the network that sends forged, truncated, replayed and random packets to every voter. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VoterFrames } from '../../src/control/status.js';
import { run } from '../lab/command.js';
import { ROOT } from '../lab/programs.js';
import { ADDRESSES, on } from '../lab/topology.js';
import { waitForValue } from '../lab/wait.js';
import { type Extent, PATIENCE_MS, type Scenario, type Stage } from './stage.js';

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

type Tally = Readonly<Record<string, number>>;

const sum = (tally: Tally): number => Object.values(tally).reduce((total, count) => total + count, 0);

/** What a voter tells of its frames, all of it of one instant. */
interface Told {
  /** By cause. */
  readonly dropped: Tally;
  /** By the other voter. */
  readonly frames: Readonly<Record<string, VoterFrames>>;
}

/** What the witness's log tells, by group; the lab's is the only one. */
interface ToldInLog {
  readonly frames: Readonly<Record<string, Tally>>;
  readonly nodes: Readonly<Record<string, Told['frames']>>;
}

const NO_DROPS: readonly string[] = ['accepted', 'sealed', 'unsealable', 'greeted', 'hello'];

/** The witness tells its counters in its log when it is told to reload. */
const toldByWitness = async ({ lab: { witness } }: Stage): Promise<Told> => {
  const lines = (): readonly string[] =>
    readFileSync(witness.logFile, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"frames"'));
  const before = lines().length;
  witness.signal('SIGHUP');
  const { frames, nodes } = await waitForValue<ToldInLog>(
    () => {
      const line = lines()[before];
      if (line === undefined) return { done: false, seen: witness.tail() };
      return { done: true, value: JSON.parse(line) as ToldInLog };
    },
    'the witness tells its counters',
    PATIENCE_MS,
  );
  const counts = Object.values(frames).flatMap((ofGroup) => Object.entries(ofGroup));
  return {
    dropped: Object.fromEntries(counts.filter(([cause, count]) => count > 0 && !NO_DROPS.includes(cause))),
    frames: Object.fromEntries(Object.values(nodes).flatMap((ofGroup) => Object.entries(ofGroup))),
  };
};

const toldBy = async (stage: Stage, voter: Voter): Promise<Told> => {
  if (voter === 'w1') return toldByWitness(stage);
  const { framesDropped, frames } = (await stage.lab.status(voter)).counters;
  return { dropped: framesDropped, frames };
};

type ByVoter<T> = Readonly<Record<Voter, T>>;

const ofEach = async <T>(ask: (voter: Voter) => Promise<T>): Promise<ByVoter<T>> => ({
  db1: await ask('db1'),
  db2: await ask('db2'),
  w1: await ask('w1'),
});

interface Counts {
  readonly told: ByVoter<Told>;
  /** In the buffer of each. */
  readonly lost: ByVoter<number>;
}

const count = async (stage: Stage): Promise<Counts> => ({
  lost: await ofEach((voter) => lostBefore(stage, voter)),
  told: await ofEach((voter) => toldBy(stage, voter)),
});

/** What was counted before the first packet and after the last. */
interface Span {
  readonly before: Counts;
  readonly after: Counts;
  /** Told after all that: whatever a voter has accepted by then was sent by then. */
  readonly later: ByVoter<Told>;
}

const lostBy = (voter: Voter, { before, after }: Span): number => after.lost[voter] - before.lost[voter];

/**
 * The voter accepted what the sender has sent it meanwhile, less what was lost, and nothing else. The two cannot be asked
 * at one instant, so how many those are is taken from the numbers of the frames; the newest must be one that the sender
 * gave. A genuine frame that is neither accepted nor lost counts as well: it would make up for one that is not genuine.
 */
const wronglyAccepted = (note: Stage['note'], voter: Voter, sender: Voter, span: Span): readonly string[] => {
  const was = span.before.told[voter].frames[sender];
  const is = span.after.told[voter].frames[sender];
  const sentInAll = span.later[sender].frames[voter]?.sent;
  if (!(was && is && sentInAll)) return [`${voter} and ${sender} do not tell what they sent each other`];
  const accepted = is.accepted - was.accepted;
  const sent = is.newest - was.newest;
  note(`${voter}: accepted ${accepted} of ${sent} frames of ${sender}`);
  const problems: string[] = [];
  if (!(accepted <= sent && accepted >= sent - lostBy(voter, span)))
    problems.push(`${voter} accepted ${accepted} frames of ${sender}, which has sent ${sent}`);
  if (is.newest > sentInAll)
    problems.push(`${voter} accepted frame ${is.newest} of ${sender}, which has sent ${sentInAll} in all`);
  return problems;
};

/** Whatever reached the voter and is not genuine is among what it dropped. */
const notDropped = async (note: Stage['note'], voter: Voter, span: Span): Promise<readonly string[]> => {
  const sent = await packetsTo(voter);
  const lost = lostBy(voter, span);
  const drops = span.after.told[voter].dropped;
  const dropped = sum(drops) - sum(span.before.told[voter].dropped);
  note(`${voter}: ${sent} packets came, ${lost} lost in its buffer, ${dropped} dropped: ${JSON.stringify(drops)}`);
  if (sent > 0 && dropped >= sent - lost) return [];
  return [`${voter} got ${sent - lost} packets that are not genuine and dropped ${dropped} only`];
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
    const { fault, note, untilWritesPass } = stage;
    await recordFrames(stage);
    await disguise(stage);
    await countPackets();
    const before = await count(stage);
    await fault(`${packets} packets that are not genuine`, () => checkMemory(stage, packets));
    // Meanwhile the voters read what is left in their buffers.
    await untilWritesPass();
    const after = await count(stage);
    const span: Span = { before, after, later: await ofEach((voter) => toldBy(stage, voter)) };
    const problems: string[] = [];
    for (const voter of VOTERS) {
      problems.push(...(await notDropped(note, voter, span)));
      for (const sender of VOTERS.filter((other) => other !== voter))
        problems.push(...wronglyAccepted(note, voter, sender, span));
    }
    if (problems.length > 0) throw new Error(problems.join('; '));
  };

export const hostile = (extent: Extent): readonly Scenario[] => [
  {
    id: '27',
    title: `${PACKETS[extent]} forged, truncated, replayed, random packets`,
    outcome: 'none accepted, no crash, memory flat',
    run: hostilePackets(PACKETS[extent]),
  },
];
