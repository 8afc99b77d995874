/** What the tests of `vipctl replication` say again and again: a fresh pair, the commands, and what came of them. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../../src/doctor/finding.js';
import { attempt, type CommandResult } from '../lab/command.js';
import { createLab, type Lab } from '../lab/lab.js';
import type { Server } from '../lab/mysqld.js';
import { VIPCTL } from '../lab/programs.js';
import type { ServerKind, ServerSettings } from '../lab/server-kind.js';
import { NODES, type NodeName, on } from '../lab/topology.js';

/** As a server is without a word in my.cnf, where that is not what vipd needs and can be changed while it runs. */
const BARE: Readonly<Record<ServerKind['name'], ServerSettings>> = {
  mariadb: {
    sync_binlog: false,
    gtid_strict_mode: false,
    slave_net_timeout: false,
    auto_increment_increment: false,
    auto_increment_offset: false,
    rpl_semi_sync_slave_enabled: false,
    rpl_semi_sync_master_wait_point: false,
    rpl_semi_sync_master_timeout: false,
  },
  mysql: {
    gtid_mode: 'OFF',
    enforce_gtid_consistency: 'OFF',
    replica_net_timeout: false,
    auto_increment_increment: false,
    auto_increment_offset: false,
    plugin_load: false,
    rpl_semi_sync_source_wait_point: false,
    rpl_semi_sync_source_timeout: false,
    rpl_semi_sync_replica_enabled: false,
  },
};

export const PASSWORD = "repl \\ it's";

export interface Ground {
  readonly lab: Lab;
  setup(node: NodeName, ...args: readonly string[]): Promise<CommandResult>;
  /** On both at the same time, as an operator with two terminals. */
  setupBoth(): Promise<readonly CommandResult[]>;
  replication(node: NodeName, ...args: readonly string[]): Promise<CommandResult>;
  /** The same with a terminal before it, at which `line` is typed; answers what the terminal shows. */
  typed(node: NodeName, line: string, ...args: readonly string[]): Promise<CommandResult>;
  /** Faults and warnings. */
  check(node: NodeName): Promise<readonly Finding[]>;
}

const COMMAND_MS = 60_000;
/** Nobody sets the other node up meanwhile. */
export const ALONE = ['--wait', '1s'] as const;

/** Logged, as whatever an installation or an application does. */
export const logged = (server: Server, ...statements: readonly string[]): Promise<unknown> => {
  const { openForAccounts, closeAfterAccounts } = server.kind;
  const all = [
    openForAccounts,
    'SET GLOBAL read_only=OFF',
    ...statements,
    'SET GLOBAL read_only=ON',
    closeAfterAccounts,
  ];
  return server.sql(all.join('; '));
};

/** Of an application. */
export const DATA = [
  'CREATE DATABASE shop',
  'CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, v INT)',
  'INSERT INTO shop.orders (v) VALUES (1)',
] as const;

export const makeGround = async (flavour: ServerKind['name'], settings: ServerSettings = {}): Promise<Ground> => {
  const lab = await createLab({ flavour, agents: false, fresh: { ...BARE[flavour], ...settings } });
  const passwordFile = join(lab.directory, 'replication-password');
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
  const replication = (node: NodeName, ...args: readonly string[]): Promise<CommandResult> =>
    attempt([...on(node), process.execPath, VIPCTL, '--config', lab.files[node].config, 'replication', ...args], {
      timeoutMs: COMMAND_MS,
    });
  const typed = async (node: NodeName, line: string, ...args: readonly string[]): Promise<CommandResult> => {
    const [shown, keys] = [join(lab.directory, 'shown'), join(lab.directory, 'keys')];
    writeFileSync(shown, '');
    writeFileSync(keys, `${line}\n`, { mode: 0o600 });
    const command = [process.execPath, VIPCTL, '--config', lab.files[node].config, 'replication', ...args].join(' ');
    // Whoever types ahead of the question is shown what he types: the terminal does that, not the program.
    const typist = `until grep -q 'assword of' ${shown}; do sleep 0.05; done; sleep 0.2; cat ${keys}`;
    const script = `(${typist}) | script --quiet --flush --return --command '${command}' ${shown}`;
    const { status, stderr } = await attempt([...on(node), 'sh', '-c', script], { timeoutMs: COMMAND_MS });
    return { status, stderr, stdout: readFileSync(shown, 'utf8') };
  };
  const setup = (node: NodeName, ...args: readonly string[]): Promise<CommandResult> =>
    replication(node, 'setup', '--password-file', passwordFile, ...args);
  return {
    lab,
    setup,
    setupBoth: () => Promise.all(NODES.map((node) => setup(node))),
    replication,
    typed,
    check: async (node) => {
      const { stdout, stderr } = await replication(node, 'check', '--json');
      if (stdout === '') throw new Error(`check told nothing: ${stderr}`);
      const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
      return findings.filter(({ verdict }) => verdict !== 'ok');
    },
  };
};
