/** A lab: two database hosts, a witness and clients on a switch, with everything that a test can do to them. */

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, request } from '../../src/control/client.js';
import { MAX_HISTORY_ENTRIES, type RequestInput } from '../../src/control/protocol.js';
import type { HistoryEntry, Status } from '../../src/control/status.js';
import { type Capture, startCapture } from './capture.js';
import { attempt, type CommandOptions, type CommandResult, run } from './command.js';
import { createDaemon, type Daemon } from './daemon.js';
import { APP_PASSWORD, APP_USER, MYSQL_PORT, SERVER_IDS, startDatabase } from './database.js';
import { mountSmallDisk, SERVER_SIZE, unmountDisks } from './disk.js';
import { applyCuts, bothWays, type Cut, type Traffic } from './faults.js';
import {
  type LabOptions,
  type NodeFiles,
  vipAddresses,
  type WitnessFiles,
  writeNodeFiles,
  writeWitnessFiles,
} from './host-files.js';
import { KINDS } from './kinds.js';
import { FIRST_IDS, type LoadClient, type LoadSettings, startLoadClient } from './load.js';
import { initialise, type Server } from './mysqld.js';
import { runVipd, VIPCTL } from './programs.js';
import { insideSandbox, LAB_ROOT } from './sandbox.js';
import type { ServerKind } from './server-kind.js';
import {
  addHost,
  buildTopology,
  type HostName,
  NODES,
  type NodeName,
  on,
  type Place,
  removeHost,
  removeTopology,
  setCable,
  type TopologyOptions,
} from './topology.js';
import { setWallClock, underWallClock } from './wall-clock.js';

const ASK_TIMEOUT_MS = 5_000;
const FRESH_EVERY_MS = 5;
const HELD_EVERY_MS = 10;

/** The clients that write: over whatever ARP says, and two that stick to one node each. */
export interface Load {
  readonly fresh: LoadClient;
  readonly pinned: Readonly<Record<NodeName, LoadClient>>;
  stop(): Promise<void>;
}

export interface Lab {
  readonly directory: string;
  readonly options: LabOptions;
  /** The address that clients use. */
  readonly vip: string;
  readonly vips: readonly string[];
  readonly files: Readonly<Record<NodeName, NodeFiles>>;
  readonly database: Readonly<Record<NodeName, Server>>;
  readonly agent: Readonly<Record<NodeName, Daemon>>;
  readonly witness: Daemon;
  readonly witnessFiles: WitnessFiles;
  exec(place: Place, argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  vipctl(node: NodeName, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Straight over the control socket, which is quicker than starting vipctl. */
  ask(node: NodeName, input: RequestInput): Promise<Answer>;
  /** Rejects where no agent answers. */
  status(node: NodeName): Promise<Status>;
  journal(node: NodeName): Promise<readonly HistoryEntry[]>;
  /** Add to the cuts in force. */
  cut(cuts: readonly Cut[]): Promise<void>;
  cutBetween(a: Cut['from'], b: Cut['to'], traffic?: Traffic): Promise<void>;
  /** Loss between any two of these hosts, both ways, of everything. */
  lose(percent: number, hosts: readonly HostName[]): Promise<void>;
  /** All cuts away. Cables stay as they are. */
  heal(): Promise<void>;
  cable(host: HostName, plugged: boolean): Promise<void>;
  /** Step the wall clock of that host's daemons away from the machine's; seen within a second. Needs `ownClocks`. */
  setWallClock(host: NodeName | 'w1', offsetSeconds: number): void;
  /** As when the power fails: not another packet, every process dead, nothing kept but the disk. */
  powerOff(node: NodeName): Promise<void>;
  /** The machine boots: network, database, and the agent unless told otherwise. */
  powerOn(node: NodeName, withAgent?: boolean): Promise<void>;
  /** `link` is eth0 on a host, or the host's name on the switch; `filter` is a pcap-filter(7) expression. */
  capture(place: Place, link: string, filter: string): Promise<Capture>;
  load(): Load;
  /** Keep the logs, records and state directories of this lab in `directory`. */
  keep(directory: string): void;
  destroy(): Promise<void>;
}

export const peerOf = (node: NodeName): NodeName => (node === 'db1' ? 'db2' : 'db1');

const forNodes = async <T>(make: (node: NodeName) => Promise<T>): Promise<Record<NodeName, T>> => {
  const [db1, db2] = await Promise.all([make('db1'), make('db2')]);
  return { db1, db2 };
};

/** Whoever has no CAP_SYS_NICE, and no limit that allows it, gets no better priority (sched(7), getrlimit(2)). */
const ORDINARY_PRIORITY = [
  ...['prlimit', '--rtprio=0:0', '--nice=0:0', '--'],
  ...['setpriv', '--bounding-set=-sys_nice', '--inh-caps=-sys_nice', '--'],
];

/** Root has neither of them for itself (capabilities(7)): the mode of a file counts for it as for anybody. */
const ORDINARY_ACCESS = [
  'setpriv',
  ...['bounding-set', 'inh-caps'].map((set) => `--${set}=-dac_override,-dac_read_search`),
  '--',
];

const agentOf = (node: NodeName, files: NodeFiles, before: readonly string[]): Daemon =>
  createDaemon({
    name: `vipd on ${node}`,
    host: node,
    argv: [...before, ...runVipd(), '--config', files.config],
    logFile: files.agentLog,
  });

const witnessOf = (files: WitnessFiles, clock: readonly string[]): Daemon =>
  createDaemon({
    name: 'vipd witness on w1',
    host: 'w1',
    argv: [...clock, ...runVipd(), 'witness', '--config', files.config],
    logFile: files.log,
  });

export const createLab = async (options: LabOptions = {}): Promise<Lab> => {
  if (!insideSandbox()) throw new Error('a lab is built inside the sandbox only: see enterSandbox in sandbox.ts');
  const parent = options.directory ?? LAB_ROOT;
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'lab-'));
  const topology: TopologyOptions = { secondPath: options.secondPath ?? false };
  await buildTopology(topology);
  await applyCuts([]);
  const files = await forNodes(async (node) => writeNodeFiles(directory, node, options));
  const witnessFiles = writeWitnessFiles(directory);
  const clock = (host: NodeName | 'w1') => (options.ownClocks ? underWallClock(directory, host) : []);
  if (options.smallDisks) for (const place of stateDirectories({ files, witnessFiles })) await mountSmallDisk(place);
  if (options.smallServerDisks) for (const node of NODES) await mountSmallDisk(files[node].mysqlDirectory, SERVER_SIZE);
  // One after the other: the first makes the template that both are copied from.
  const kind = KINDS[options.flavour ?? 'mariadb'];
  await offerPrograms(kind);
  for (const node of NODES) await initialise(kind, join(files[node].mysqlDirectory, 'data'), SERVER_IDS[node]);
  const { fresh, longHistory = false } = options;
  const database = await forNodes((node) =>
    startDatabase(kind, node, files[node], {
      wrap: clock(node),
      longHistory,
      ...(fresh === undefined ? {} : { fresh }),
    }),
  );
  const before = (node: NodeName) => [
    ...clock(node),
    ...(options.ordinaryPriority ? ORDINARY_PRIORITY : []),
    ...(options.ordinaryAccess ? ORDINARY_ACCESS : []),
  ];
  const agent = { db1: agentOf('db1', files.db1, before('db1')), db2: agentOf('db2', files.db2, before('db2')) };
  const witness = witnessOf(witnessFiles, clock('w1'));
  if (options.agents ?? true) {
    if (options.witness ?? true) witness.start();
    for (const node of NODES) agent[node].start();
  }
  return assemble({ directory, options, topology, files, witnessFiles, database, agent, witness });
};

interface Parts
  extends Pick<Lab, 'directory' | 'options' | 'files' | 'witnessFiles' | 'database' | 'agent' | 'witness'> {
  readonly topology: TopologyOptions;
}

const stateDirectories = ({ files, witnessFiles }: Pick<Lab, 'files' | 'witnessFiles'>): readonly string[] => [
  files.db1.stateDirectory,
  files.db2.stateDirectory,
  witnessFiles.stateDirectory,
];

const assemble = (parts: Parts): Lab => {
  const { directory, options, files, database, agent, witness } = parts;
  const vips = vipAddresses(options);
  const vip = vips[0] ?? '';
  let cuts: readonly Cut[] = [];
  const loads = new Set<Load>();

  const exec: Lab['exec'] = (place, argv, given) => attempt([...on(place), ...argv], given);
  const ask = (node: NodeName, input: RequestInput) =>
    request(files[node].controlSocket, input, { timeoutMs: ASK_TIMEOUT_MS });
  const data = async (node: NodeName, input: RequestInput): Promise<unknown> => {
    const answer = await ask(node, input);
    if (answer.kind === 'done' && answer.ok) return answer.data;
    throw new Error(`${node} does not answer ${input.request}: ${answer.text}`);
  };
  const cut = async (more: readonly Cut[]): Promise<void> => {
    cuts = [...cuts, ...more];
    await applyCuts(cuts);
  };

  return {
    ...parts,
    vip,
    vips,
    exec,
    vipctl: (node, args, given) =>
      exec(node, [process.execPath, VIPCTL, '--config', files[node].config, ...args], given),
    ask,
    status: async (node) => (await data(node, { request: 'status' })) as Status,
    journal: async (node) =>
      (await data(node, { request: 'history', limit: MAX_HISTORY_ENTRIES })) as readonly HistoryEntry[],
    cut,
    cutBetween: (a, b, traffic = 'all') => cut(bothWays(traffic, a, b)),
    lose: (lossPercent, hosts) =>
      cut(hosts.flatMap((from) => hosts.filter((to) => to !== from).map((to) => lossy(from, to, lossPercent)))),
    heal: async () => {
      cuts = [];
      await applyCuts(cuts);
    },
    cable: setCable,
    setWallClock: (host, offsetSeconds) => setWallClock(directory, host, offsetSeconds),
    powerOff: async (node) => {
      await setCable(node, false);
      await Promise.all([agent[node].stop('SIGKILL'), database[node].stop('SIGKILL')]);
      await removeHost(node, parts.topology);
    },
    powerOn: async (node, withAgent = true) => {
      await addHost(node, parts.topology);
      await database[node].start();
      if (withAgent) agent[node].start();
    },
    capture: startCapture,
    load: () => {
      const load = startLoad(vip, directory);
      loads.add(load);
      return load;
    },
    keep: (target) => keepFiles(directory, target),
    destroy: async () => {
      await Promise.all([...loads].map((load) => load.stop()));
      await Promise.all([agent.db1, agent.db2, witness].map((daemon) => daemon.stop('SIGKILL')));
      await Promise.all(NODES.map((node) => database[node].stop('SIGKILL')));
      await removeTopology();
      if (options.smallDisks) for (const place of stateDirectories(parts)) await unmountDisks(place);
      if (options.smallServerDisks) for (const node of NODES) await unmountDisks(files[node].mysqlDirectory);
      rmSync(directory, { recursive: true, force: true });
    },
  };
};

const lossy = (from: HostName, to: HostName, lossPercent: number): Cut => ({ traffic: 'all', from, to, lossPercent });

const startLoad = (vip: string, directory: string): Load => {
  const target = { host: vip, port: MYSQL_PORT, user: APP_USER, password: APP_PASSWORD };
  const start = (host: 'client' | 'pin1' | 'pin2', settings: Pick<LoadSettings, 'kind' | 'everyMs' | 'firstId'>) =>
    startLoadClient(host, { ...target, ...settings }, directory);
  const fresh = start('client', { kind: 'fresh', everyMs: FRESH_EVERY_MS, firstId: FIRST_IDS.fresh });
  const pinned = {
    db1: start('pin1', { kind: 'held', everyMs: HELD_EVERY_MS, firstId: FIRST_IDS.pin1 }),
    db2: start('pin2', { kind: 'held', everyMs: HELD_EVERY_MS, firstId: FIRST_IDS.pin2 }),
  };
  let stopping: Promise<unknown> | undefined;
  return {
    fresh,
    pinned,
    stop: async () => {
      stopping ??= Promise.all([fresh.stop(), pinned.db1.stop(), pinned.db2.stop()]);
      await stopping;
    },
  };
};

/** The agents look for the server's programs in the usual places; those of the sandbox are its own. */
const offerPrograms = async ({ programs }: ServerKind): Promise<void> => {
  if (programs === undefined) return;
  const { status } = await attempt(['mountpoint', '--quiet', PROGRAMS_PLACE]);
  if (status !== 0) await run(['mount', '--bind', programs, PROGRAMS_PLACE]);
};
const PROGRAMS_PLACE = '/usr/local/sbin';

/** Data directories and sockets stay behind: they are large, or cannot be copied. */
const keepFiles = (directory: string, target: string): void => {
  cpSync(directory, target, {
    recursive: true,
    filter: (path) => !/\/mysql\/data(\/|$)|\.sock$/.test(path),
  });
};
