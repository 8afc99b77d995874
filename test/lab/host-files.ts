/** The files of each lab host, as an operator would write them: vipd.yaml, witness.yaml, key, credentials, hooks. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import type { ServerKind, ServerSettings } from './server-kind.js';
import { serviceCommands, writeServiceCommands } from './service.js';
import { ADDRESSES, GATEWAY, NODES, type NodeName, SECOND_PATH, VIP4, VIP6, withPrefix } from './topology.js';

export const GROUP = 'lab';
export const AGENT_USER = 'vipd';
export const AGENT_PASSWORD = 'lab-agent';
/** The key of every group that this process builds. */
const KEY = randomBytes(32).toString('base64');

/** Part of vipd.yaml; objects are merged, all else replaced. */
export interface ConfigPart {
  readonly [key: string]: unknown;
}

export interface LabOptions {
  /** Default mariadb. */
  readonly flavour?: ServerKind['name'];
  /** Where the hosts' files lie; absent: in the sandbox's memory. */
  readonly directory?: string;
  /** False: databases alone. Default true. */
  readonly agents?: boolean;
  /** Default true. */
  readonly witness?: boolean;
  /** A VIP of each family; clients use the IPv6 one. Default false. */
  readonly ipv6?: boolean;
  /** Default manage. */
  readonly semiSync?: 'off' | 'monitor' | 'manage';
  /** A cable between db1 and db2 beside the switch. Default false. */
  readonly secondPath?: boolean;
  /** Every state directory is a small disk of its own, so that one can be filled. Default false. */
  readonly smallDisks?: boolean;
  /** Each server's files lie on a small disk of their own, so that one can be filled. Default false. */
  readonly smallServerDisks?: boolean;
  /** Each host has a wall clock of its own, which can be set. Default false. */
  readonly ownClocks?: boolean;
  /** The agents may neither run in real time nor go before others, as in a container. Default false. */
  readonly ordinaryPriority?: boolean;
  /** The agents may read only what belongs to their user, as under a unit without CAP_DAC_READ_SEARCH. Default false. */
  readonly ordinaryAccess?: boolean;
  /** Both servers hold what many others committed: their positions do not fit into a heartbeat. Default false. */
  readonly longHistory?: boolean;
  /** Scripts by `PHASE/NAME`, for both nodes. */
  readonly hooks?: Readonly<Record<string, string>>;
  /** Further settings of vipd.yaml, for both nodes. */
  readonly config?: ConfigPart;
  /** Servers as just installed, with these settings besides the usual ones: no accounts, no tables, no channel. */
  readonly fresh?: ServerSettings;
}

/** Where everything of one database host lies. */
export interface NodeFiles {
  readonly directory: string;
  readonly config: string;
  readonly controlSocket: string;
  readonly mysqlDirectory: string;
  readonly mysqlSocket: string;
  readonly stateDirectory: string;
  readonly hooksDirectory: string;
  readonly agentLog: string;
}

export const nodeFiles = (labDirectory: string, node: NodeName): NodeFiles => {
  const directory = join(labDirectory, node);
  return {
    directory,
    config: join(directory, 'etc', 'vipd.yaml'),
    controlSocket: join(directory, 'control.sock'),
    mysqlDirectory: join(directory, 'mysql'),
    mysqlSocket: join(directory, 'mysql', 'mysqld.sock'),
    stateDirectory: join(directory, 'state'),
    hooksDirectory: join(directory, 'etc', 'hooks.d'),
    agentLog: join(directory, 'vipd.log'),
  };
};

/** Addresses of the VIP; the first is the one that clients use. */
export const vipAddresses = (options: LabOptions): readonly string[] => (options.ipv6 ? [VIP6, VIP4] : [VIP4]);

const isPart = (value: unknown): value is ConfigPart =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const merge = (base: ConfigPart, more: ConfigPart): ConfigPart => {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const old = merged[key];
    merged[key] = isPart(old) && isPart(value) ? merge(old, value) : value;
  }
  return merged;
};

export const nodeConfig = (labDirectory: string, node: NodeName, options: LabOptions): ConfigPart => {
  const files = nodeFiles(labDirectory, node);
  const etc = dirname(files.config);
  const service = serviceCommands(etc);
  const base: ConfigPart = {
    group: GROUP,
    node,
    nodes: { db1: { address: ADDRESSES.db1.ipv4, priority: 100 }, db2: { address: ADDRESSES.db2.ipv4, priority: 90 } },
    witnesses: (options.witness ?? true) ? [{ name: 'w1', address: ADDRESSES.w1.ipv4 }] : [],
    key_file: join(etc, 'key'),
    vip: vipAddresses(options).map((address) => ({ address: withPrefix(address), interface: 'eth0' })),
    heartbeat: { interval: '100ms', dead_after: 3, ...(options.secondPath ? { paths: [SECOND_PATH] } : {}) },
    mysql: {
      socket: files.mysqlSocket,
      defaults_file: join(etc, 'mysql.cnf'),
      check: { interval: '1s', timeout: '1s', fall: 2, rise: 2, write_probe: true },
      semi_sync: options.semiSync ?? 'manage',
    },
    gateways: [GATEWAY],
    hooks: { directory: files.hooksDirectory, timeout: '10s' },
    control: { socket: files.controlSocket, group: 'root' },
    rejoin: { stop: [service.stop], start: [service.start] },
    state_directory: files.stateDirectory,
  };
  return merge(base, options.config ?? {});
};

const writeSecret = (path: string, text: string): void => writeFileSync(path, text, { mode: 0o600 });

export const writeNodeFiles = (labDirectory: string, node: NodeName, options: LabOptions): NodeFiles => {
  const files = nodeFiles(labDirectory, node);
  const etc = dirname(files.config);
  for (const directory of [etc, files.mysqlDirectory, files.stateDirectory, files.hooksDirectory]) {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }
  writeFileSync(files.config, stringify(nodeConfig(labDirectory, node, options)));
  writeServiceCommands(etc, join(files.mysqlDirectory, 'mysqld.pid'));
  writeSecret(join(etc, 'key'), `${KEY}\n`);
  writeSecret(join(etc, 'mysql.cnf'), `[client]\nuser=${AGENT_USER}\npassword=${AGENT_PASSWORD}\n`);
  for (const [name, script] of Object.entries(options.hooks ?? {})) {
    const path = join(files.hooksDirectory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, script, { mode: 0o755 });
  }
  return files;
};

export interface WitnessFiles {
  readonly config: string;
  readonly stateDirectory: string;
  readonly log: string;
}

export const writeWitnessFiles = (labDirectory: string): WitnessFiles => {
  const directory = join(labDirectory, 'w1');
  const stateDirectory = join(directory, 'state');
  mkdirSync(stateDirectory, { recursive: true });
  const keyFile = join(directory, 'key');
  writeSecret(keyFile, `${KEY}\n`);
  const config = join(directory, 'witness.yaml');
  writeFileSync(
    config,
    stringify({
      name: 'w1',
      listen: ADDRESSES.w1.ipv4,
      groups: [{ name: GROUP, nodes: NODES, key_file: keyFile }],
      state_directory: stateDirectory,
    }),
  );
  return { config, stateDirectory, log: join(directory, 'witness.log') };
};
