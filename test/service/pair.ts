/** A pair and its witness on booted machines, installed and set up as an operator would: packages, then the provision scripts. */

import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Report } from '../../src/control/report.js';
import type { NodeStatus } from '../../src/control/status.js';
import type { CommandResult } from '../lab/command.js';
import { WRITES_TABLE } from '../lab/database.js';
import { ROOT } from '../lab/programs.js';
import { ADDRESSES, addressesOf, buildTopology, NODES, type NodeName, VIP4 } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import type { Ground } from './ground.js';
import { createMachine, type Machine, type MachineName, mountCgroups, NETWORK } from './machine.js';
import { allowRealTime } from './real-time.js';

/** Ample on a busy machine; every wait is over as soon as it can be. */
export const PATIENCE_MS = 120_000;

export interface Pair {
  readonly machines: Readonly<Record<MachineName, Machine>>;
  readonly appPassword: string;
  vipctl(node: NodeName, ...args: readonly string[]): Promise<CommandResult>;
  /** What a node says of the group. */
  status(node: NodeName): Promise<Report>;
  self(node: NodeName): Promise<NodeStatus>;
  /** One is active, the other a fit standby, and replication is in sync. */
  whole(): Promise<void>;
  active(): Promise<NodeName>;
  holdsVip(node: NodeName): Promise<boolean>;
  isReadOnly(node: NodeName): Promise<boolean>;
  /** SQL as root of that host's server; rows as the client prints them. */
  sql(node: NodeName, statement: string): Promise<string>;
  /** The user and the sets of capabilities that the last post-promote hook of a node had. */
  hookFacts(node: NodeName): Promise<readonly string[]>;
  destroy(): Promise<void>;
}

/** A hook that tells as whom it was run, and with which capabilities. */
const HOOK = 'facts';
const FACTS = '/var/lib/vipd/hook-facts';
const HOOK_SCRIPT = `#!/bin/sh\n{ id -un; grep -E 'Cap(Eff|Prm|Inh|Amb)' /proc/self/status; } >${FACTS}\n`;

export const peerOf = (node: NodeName): NodeName => (node === 'db1' ? 'db2' : 'db1');

/** `apt-get install` of local files, without a question. */
export const install = (machine: Machine, ...packages: readonly string[]): Promise<string> => {
  const inside = packages.map((file) => {
    mkdirSync(join(machine.root, 'root/packages'), { recursive: true });
    copyFileSync(file, join(machine.root, 'root/packages', basename(file)));
    return `/root/packages/${basename(file)}`;
  });
  return machine.run('env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-qy', ...inside);
};

/** The three of a group, booted on a root directory; `prepare` may put files into each before. */
export const bootMachines = async (base: string, prepare: (machine: Machine) => void): Promise<Pair['machines']> => {
  await mountCgroups();
  await buildTopology(NETWORK);
  const [db1, db2, w1] = await Promise.all([
    createMachine('db1', base),
    createMachine('db2', base),
    createMachine('w1', base),
  ]);
  for (const machine of [db1, db2, w1]) {
    allowRealTime(machine);
    prepare(machine);
    await machine.boot();
  }
  return { db1, db2, w1 };
};

/** By the provision scripts. */
export const createPair = async ({ base, packages }: Ground): Promise<Pair> => {
  const secrets = newSecrets();
  const machines = await bootMachines(base, (machine) => {
    for (const [file, secret] of Object.entries(secrets)) machine.write(`root/vipd-secrets/${file}`, secret, 0o600);
    for (const script of ['database.sh', 'witness.sh', 'client.sh']) {
      machine.write(`root/${script}`, readFileSync(join(ROOT, 'scripts/provision', script), 'utf8'), 0o755);
    }
  });
  const { w1 } = machines;
  await install(w1, packages.vipd, packages.witness);
  await w1.run('systemctl', 'disable', '--now', 'mariadb.service');
  await w1.run('/root/witness.sh');
  for (const node of NODES) {
    machines[node].write(`etc/vipd/hooks.d/post-promote/${HOOK}`, HOOK_SCRIPT, 0o755);
    await install(machines[node], packages.vipd);
    const serverId = node === 'db1' ? '1' : '2';
    await orJournal(machines[node], machines[node].run('/root/database.sh', serverId, ADDRESSES[peerOf(node)].ipv4));
  }
  const pair = pairOf(machines, secrets['app-password']);
  for (const node of NODES) {
    await machines[node].run('sh', '-c', `printf '${CALM}' >>/etc/vipd/vipd.yaml && systemctl restart vipd`);
    // At its start the agent ends the sessions of whoever is logged in.
    await waitFor(
      async () => (await pair.self(node)).role !== 'starting' || 'starting',
      `the agent of ${node} has started`,
      PATIENCE_MS,
    );
    await pair.sql(node, APPLICATION);
  }
  await pair.whole();
  return pair;
};

/** A lease that a busy machine does not miss, and no limit to moves: what moves here moves for the reason the test gives. */
const CALM = 'heartbeat: { dead_after: 10 }\\nmoves: { max_failovers: 100 }\\n';

/** Not logged: each host has them for itself, as its accounts. */
const APPLICATION = `SET SESSION sql_log_bin = 0; CREATE DATABASE lab; ${WRITES_TABLE};
  GRANT INSERT ON lab.* TO 'app'@'10.99.0.%'`;

/** What failed on a machine is told by its journal. */
const orJournal = <T>(machine: Machine, work: Promise<T>): Promise<T> =>
  work.catch(async (cause: unknown) => {
    const journal = await machine.run('journalctl', '--no-pager', '-n', '60');
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${journal}`, { cause });
  });

const newSecrets = () => {
  const secret = (): string => `${randomBytes(32).toString('hex')}\n`;
  return {
    key: secret(),
    'agent-password': secret(),
    'replication-password': secret(),
    'app-password': secret(),
  } as const;
};

/** What can be asked of three machines on which a group is installed. */
export const pairOf = (machines: Pair['machines'], appPassword: string): Pair => {
  const vipctl: Pair['vipctl'] = (node, ...args) => machines[node].attempt('vipctl', ...args);
  const status = async (node: NodeName): Promise<Report> => {
    const { stdout, stderr } = await vipctl(node, 'status', '--json');
    if (stdout === '') throw new Error(`vipctl status on ${node}: ${stderr}`);
    return JSON.parse(stdout) as Report;
  };
  const self = async (node: NodeName): Promise<NodeStatus> => {
    const found = (await status(node)).nodes.find((one) => one.self);
    if (found === undefined) throw new Error(`${node} does not know itself`);
    return found;
  };
  const sql: Pair['sql'] = async (node, statement) =>
    (await machines[node].run('mariadb', '--batch', '--skip-column-names', '-e', statement)).trim();
  const active = async (): Promise<NodeName> => {
    for (const node of NODES) {
      if (machines[node].isOn() && (await vipctl(node, 'is-active')).stdout.trim() === 'active') return node;
    }
    throw new Error('nobody is active');
  };
  return {
    machines,
    appPassword: appPassword.trim(),
    vipctl,
    status,
    self,
    active,
    sql,
    whole: () =>
      waitFor(
        async () => {
          const { headline, problems } = await status(await active());
          return problems.length === 0 || `${headline}; ${problems.map(({ text }) => text).join('; ')}`;
        },
        'the pair is whole',
        PATIENCE_MS,
      ),
    holdsVip: async (node) => (await addressesOf(node)).includes(VIP4),
    isReadOnly: async (node) => (await sql(node, 'SELECT @@global.read_only')) !== '0',
    hookFacts: async (node) => (await machines[node].run('cat', FACTS)).trim().split('\n'),
    destroy: async () => {
      for (const machine of Object.values(machines)) await machine.destroy();
    },
  };
};
