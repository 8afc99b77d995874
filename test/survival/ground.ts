/** What survival tests say again and again: how an agent of the lab ended, what it logged, and whether it holds anything. */

import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { NodeStatus } from '../../src/control/status.js';
import { activeNode, groupProblems } from '../lab/checks.js';
import type { Daemon, Exit } from '../lab/daemon.js';
import { type ConfigPart, type LabOptions, nodeConfig } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import { addressesOf, type NodeName } from '../lab/topology.js';
import { waitFor, waitForValue } from '../lab/wait.js';

/** Ample on a busy machine; every wait is over as soon as it can be. */
export const PATIENCE_MS = 30_000;

/** A lease that a test machine busy with other tests does not miss: what moves here moves for the reason that the test gives. */
export const CALM: LabOptions = { config: { heartbeat: { dead_after: 10 } } };

interface LogLine {
  readonly level: string;
  readonly msg: string;
}

/** What a daemon printed, line by line: the texts of its log, and what it said on standard error as it is. */
export const said = (daemon: Daemon): readonly string[] =>
  readFileSync(daemon.logFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      if (!line.startsWith('{')) return line;
      const { level, msg } = JSON.parse(line) as LogLine;
      return `${level}: ${msg}`;
    });

export const untilSaid = (daemon: Daemon, what: RegExp): Promise<string> =>
  waitForValue(
    () => {
      const lines = said(daemon);
      const value = lines.find((line) => what.test(line));
      return value === undefined ? { done: false, seen: lines.slice(-5).join('\n') } : { done: true, value };
    },
    `${daemon.name} says ${what}`,
    PATIENCE_MS,
  );

/** Its next end, or the one it has come to already. */
export const untilEnded = (daemon: Daemon, before = 0): Promise<Exit> =>
  waitForValue(
    () => {
      const exit = daemon.exits[before];
      return exit === undefined ? { done: false, seen: `it runs, pid ${daemon.pid}` } : { done: true, value: exit };
    },
    `${daemon.name} ends`,
    PATIENCE_MS,
  );

export const holdsVip = async (lab: Lab, node: NodeName): Promise<boolean> =>
  (await addressesOf(node)).some((address) => lab.vips.includes(address));

export const isReadOnly = async (lab: Lab, node: NodeName): Promise<boolean> => {
  const [row] = await lab.database[node].sql('SELECT @@global.read_only AS readOnly');
  return Number(row?.readOnly) !== 0;
};

/** What the active's newest BEAT from the other node says against a move to it: later by one BEAT than what that node knows. */
const heardProblems = async (lab: Lab): Promise<readonly string[]> => {
  const active = await activeNode(lab);
  const peer = (await lab.status(active)).nodes.find((node) => !node.self);
  return peer?.unfit === '' ? [] : [`${active} has heard that ${peer?.name} is unfit: ${peer?.unfit}`];
};

/** One is active, the other fit, and both say the same. */
export const untilPair = (lab: Lab): Promise<void> =>
  waitFor(
    async () => {
      const problems = [...(await groupProblems(lab)), ...(await heardProblems(lab))];
      return problems.length === 0 || problems.join('; ');
    },
    'the pair is whole',
    PATIENCE_MS,
  );

export const untilActive = (lab: Lab, node: NodeName): Promise<void> =>
  waitFor(
    async () => {
      const active = await activeNode(lab);
      return active === node || `${active} is active`;
    },
    `${node} is active`,
    PATIENCE_MS,
  );

/** What a node says of itself. */
export const selfOf = async (lab: Lab, node: NodeName): Promise<NodeStatus> => {
  const self = (await lab.status(node)).nodes.find((one) => one.self);
  if (self === undefined) throw new Error(`${node} does not know itself`);
  return self;
};

export const untilUnfit = (lab: Lab, node: NodeName, why: RegExp): Promise<string> =>
  waitForValue(
    async () => {
      const { unfit } = await selfOf(lab, node);
      return why.test(unfit) ? { done: true, value: unfit } : { done: false, seen: `unfit: ${unfit}` };
    },
    `${node} is unfit by ${why}`,
    PATIENCE_MS,
  );

/** Other settings for one node; read at its next start. */
export const reconfigure = (lab: Lab, node: NodeName, part: ConfigPart): void => {
  const config = { ...lab.options.config, ...part };
  writeFileSync(lab.files[node].config, stringify(nodeConfig(lab.directory, node, { ...lab.options, config })));
};

/** Who became what, and why, as a node's journal has it: what a test that saw an unexpected move wants to know. */
export const transitionsOf = async (lab: Lab, node: NodeName): Promise<readonly string[]> =>
  (await lab.journal(node))
    .filter(({ kind }) => kind === 'transition')
    .map(({ from, to, cause, text }) => `${from} -> ${to} by ${cause}: ${text}`);

/** All that a healthy lab starts, for tests that first break something. */
export const startAll = (lab: Lab): void => {
  lab.witness.start();
  lab.agent.db1.start();
  lab.agent.db2.start();
};
