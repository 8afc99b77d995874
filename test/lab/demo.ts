/** scripts/demo: a failover and a switchover on real databases, told so that a stranger can follow. */

import { setTimeout as sleep } from 'node:timers/promises';
import { chooseStyle } from '../../src/cli/render/style.js';
import type { HistoryEntry } from '../../src/control/status.js';
import {
  activeNode,
  allAttempts,
  checkNothingLost,
  checkOneWriter,
  groupProblems,
  movesIn,
  rowsOf,
  sameData,
} from './checks.js';
import { createLab, type Lab, type Load, peerOf } from './lab.js';
import { longestOutage, monotonicMs } from './load.js';
import { enterSandbox } from './sandbox.js';
import { NODES, type NodeName } from './topology.js';
import { waitFor } from './wait.js';

const DEADLINE_MS = 60_000;
/** Long enough to see the load run before and after each event. */
const WATCH_MS = 2_000;

const style = chooseStyle(process.stdout.isTTY === true, process.env);

const say = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};

const chapter = (text: string): void => say(`\n${style.paint('heading', `== ${text}`)}\n`);

const indent = (text: string): string => text.trimEnd().replaceAll(/^(?=.)/gm, '  ');

const settled = (lab: Lab): Promise<void> =>
  waitFor(
    async () => {
      const problems = await groupProblems(lab);
      return problems.length === 0 || problems.join('; ');
    },
    'the pair settles',
    DEADLINE_MS,
  );

/** Runs vipctl as an operator would, and shows what it prints. */
const vipctl = async (lab: Lab, node: NodeName, ...args: readonly string[]): Promise<string> => {
  say(`  ${node}# vipctl ${args.join(' ')}\n`);
  const { status, stdout, stderr } = await lab.vipctl(node, args);
  if (status !== 0) throw new Error(`vipctl ${args.join(' ')}: exit status ${status}: ${stderr}${stdout}`);
  return stdout;
};

interface TimedEntry {
  readonly node: NodeName;
  readonly afterMs: number;
  readonly entry: HistoryEntry;
}

/** What both nodes did since then, as `vipctl history --json` tells it, in one order. */
const stepsSince = async (lab: Lab, sinceWallMs: number): Promise<readonly TimedEntry[]> => {
  const all: TimedEntry[] = [];
  for (const node of NODES) {
    const { status, stdout, stderr } = await lab.vipctl(node, ['history', '--json']);
    if (status !== 0) throw new Error(`vipctl history on ${node}: exit status ${status}: ${stderr}`);
    const entries = JSON.parse(stdout) as readonly HistoryEntry[];
    all.push(...entries.map((entry) => ({ node, entry, afterMs: Date.parse(entry.at) - sinceWallMs })));
  }
  return all.filter((one) => one.afterMs >= 0).sort((a, b) => a.afterMs - b.afterMs);
};

const showSteps = (steps: readonly TimedEntry[]): void => {
  for (const { node, afterMs, entry } of steps) {
    const what = entry.kind === 'transition' ? style.paint('heading', `${entry.from} -> ${entry.to}`) : entry.cause;
    const took = entry.tookMs === undefined ? '' : style.paint('faint', ` (took ${entry.tookMs.toFixed(1)} ms)`);
    say(`  ${`+${afterMs.toFixed(0)} ms`.padStart(9)}  ${node}  ${what}: ${entry.text}${took}`);
  }
};

const newestWrites = (load: Load): number => load.fresh.attempts.filter((attempt) => attempt.acknowledged).length;

const showOutage = (load: Load, since: number): void => {
  const { ms } = longestOutage(load.fresh.attempts, since);
  say(`\n  The client's longest time without an acknowledged write: ${style.paint('good', `${ms.toFixed(0)} ms`)}`);
};

const failover = async (lab: Lab, load: Load): Promise<void> => {
  const active = await activeNode(lab);
  const standby = peerOf(active);
  chapter(`kill -9 of the database on ${active}, which is taking the writes`);
  const [since, wall] = [monotonicMs(), Date.now()];
  await lab.database[active].stop('SIGKILL');
  await waitFor(async () => (await activeNode(lab)) === standby, `${standby} takes over`, DEADLINE_MS);
  await sleep(WATCH_MS);
  showSteps(await stepsSince(lab, wall));
  showOutage(load, since);
  say(`\n  The database on ${active} is started again. It comes back as the standby, and stays it:\n`);
  await lab.database[active].start();
  await settled(lab);
  say(indent(await vipctl(lab, standby, 'status')));
};

const switchBack = async (lab: Lab, load: Load): Promise<void> => {
  const active = await activeNode(lab);
  chapter(`A planned switchover back to ${peerOf(active)}`);
  const since = monotonicMs();
  say(indent(await vipctl(lab, active, 'switchover')));
  await settled(lab);
  await sleep(WATCH_MS);
  showOutage(load, since);
};

/** Stops the load and says whether every promise was kept. */
const takeStock = async (lab: Lab, load: Load): Promise<readonly string[]> => {
  chapter('Is everything there?');
  await load.stop();
  await waitFor(() => sameData(lab), 'both servers hold the same rows', DEADLINE_MS);
  const attempts = allAttempts(load);
  const [db1, db2] = [await rowsOf(lab, 'db1'), await rowsOf(lab, 'db2')];
  const journals = { db1: await lab.journal('db1'), db2: await lab.journal('db2') };
  const problems = [
    ...checkNothingLost(attempts, db1, 'db1'),
    ...checkNothingLost(attempts, db2, 'db2'),
    ...checkOneWriter(attempts, new Map([...db1, ...db2]), movesIn(journals)),
  ];
  const acknowledged = attempts.filter((attempt) => attempt.acknowledged).length;
  if (problems.length === 0) {
    say(`  ${acknowledged} writes were acknowledged to the clients. All of them are on db1, and on db2.`);
    say(`  At no time did both servers take writes.`);
  }
  return problems;
};

const demonstrate = async (lab: Lab): Promise<readonly string[]> => {
  chapter(
    `Two ${lab.database.db1.kind.title} servers, db1 and db2, each replicating from the other, and a witness, w1`,
  );
  await settled(lab);
  const active = await activeNode(lab);
  say(`  Applications know one address, ${lab.vip}. It is on ${active} now, whose database is writable:\n`);
  say(indent(await vipctl(lab, active, 'status')));
  chapter(`A client writes through ${lab.vip}`);
  const load = lab.load();
  await waitFor(() => newestWrites(load) > 0, 'the first write is acknowledged', DEADLINE_MS);
  await sleep(WATCH_MS);
  say(`  A fresh connection and one row every 5 ms: ${newestWrites(load)} writes so far.`);
  await failover(lab, load);
  await switchBack(lab, load);
  return takeStock(lab, load);
};

const main = async (): Promise<void> => {
  const begin = performance.now();
  say('vipd demo: everything runs in network namespaces of its own on this machine, and is gone at the end.');
  const lab = await createLab({ flavour: process.argv.includes('--mysql') ? 'mysql' : 'mariadb' });
  let problems: readonly string[];
  try {
    problems = await demonstrate(lab);
  } catch (error) {
    const logs = NODES.map((node) => `log of vipd on ${node}:\n${lab.agent[node].tail()}`);
    problems = [error instanceof Error ? error.message : String(error), ...logs];
  } finally {
    await lab.destroy();
  }
  for (const problem of problems) say(style.paint('bad', problem));
  const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
  say(problems.length === 0 ? `\nDone in ${seconds} s; nothing is left.` : '\nThe demo failed.');
  process.exitCode = problems.length === 0 ? 0 : 1;
};

await enterSandbox();
await main();
