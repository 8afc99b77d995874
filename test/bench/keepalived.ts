/** keepalived on both hosts, as guides for a dual-master pair have it, and set to be as quick as it can be. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDaemon, type Daemon } from '../lab/daemon.js';
import type { Lab } from '../lab/lab.js';
import { addressesOf, NODES, type NodeName, VIP4 } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import type { Running, Settings, System, SystemName } from './system.js';

const READY_WITHIN_MS = 60_000;
const MS_PER_SECOND = 1_000;
const PRIORITY = { db1: 100, db2: 90 } as const satisfies Record<NodeName, number>;

/** What differs between the two set-ups. keepalived's script interval and timeout take whole seconds only. */
interface Setup {
  readonly name: SystemName;
  readonly label: string;
  readonly version: 2 | 3;
  /** Absent: the interval that the measurement asks for. */
  readonly advertMs?: number;
  readonly checkSeconds: number;
  /** Absent: as the measurement asks for. */
  readonly fall?: number;
}

interface NodePaths {
  readonly config: string;
  readonly check: string;
  readonly notify: string;
}

const pathsOf = (lab: Lab, node: NodeName): NodePaths => {
  const directory = join(lab.directory, node, 'keepalived');
  mkdirSync(directory, { recursive: true });
  return {
    config: join(directory, 'keepalived.conf'),
    check: join(directory, 'check-mysql'),
    notify: join(directory, 'notify'),
  };
};

const configText = (node: NodeName, paths: NodePaths, setup: Setup, settings: Settings): string => `
global_defs {
  router_id ${node}
  script_user root
  enable_script_security
  vrrp_version ${setup.version}
}
vrrp_script mysql {
  script "${paths.check}"
  interval ${setup.checkSeconds}
  timeout 1
  fall ${setup.fall ?? settings.fall}
  rise 1
}
vrrp_instance mysql {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority ${PRIORITY[node]}
  advert_int ${(setup.advertMs ?? settings.intervalMs) / MS_PER_SECOND}
  virtual_ipaddress { ${VIP4}/24 dev eth0 }
  track_script { mysql }
  notify "${paths.notify}"
}
`;

const client = (lab: Lab, node: NodeName): string =>
  `mariadb --no-defaults -uroot --socket=${lab.files[node].mysqlSocket}`;

const writeFiles = (lab: Lab, node: NodeName, setup: Setup, settings: Settings): NodePaths => {
  const paths = pathsOf(lab, node);
  const script = (path: string, lines: readonly string[]): void =>
    writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
  script(paths.check, [`exec ${client(lab, node)} --connect-timeout=1 -Nse 'SELECT 1' >/dev/null 2>&1`]);
  script(paths.notify, [
    'case "$3" in MASTER) value=0 ;; *) value=1 ;; esac',
    `exec ${client(lab, node)} -e "SET GLOBAL read_only=$value"`,
  ]);
  writeFileSync(paths.config, configText(node, paths, setup, settings), { mode: 0o644 });
  return paths;
};

const daemonOf = (lab: Lab, node: NodeName, paths: NodePaths): Daemon => {
  const directory = join(lab.directory, node, 'keepalived');
  const pids = ['pid', 'vrrp_pid', 'checkers_pid'].map((name) => `--${name}=${join(directory, name)}`);
  return createDaemon({
    name: `keepalived on ${node}`,
    host: node,
    argv: ['keepalived', '--dont-fork', '--log-console', '--vrrp', `--use-file=${paths.config}`, ...pids],
    logFile: join(directory, 'log'),
  });
};

const holders = async (): Promise<readonly NodeName[]> => {
  const held = await Promise.all(NODES.map(async (node) => ((await addressesOf(node)).includes(VIP4) ? [node] : [])));
  return held.flat();
};

const isWritable = async (lab: Lab, node: NodeName): Promise<boolean> => {
  const [row] = await lab.database[node].sql('SELECT @@global.read_only AS readOnly');
  return Number(row?.readOnly) === 0;
};

const replicates = async (lab: Lab, node: NodeName): Promise<boolean> => {
  const [row] = await lab.database[node].sql('SHOW SLAVE STATUS');
  return row?.Slave_IO_Running === 'Yes' && row.Slave_SQL_Running === 'Yes';
};

const ready = async (lab: Lab): Promise<boolean | string> => {
  const [holder, second] = await holders();
  if (holder === undefined || second !== undefined) return `${holder ?? 'nobody'} has the VIP`;
  if (!(await isWritable(lab, holder))) return `${holder} is read-only`;
  for (const node of NODES) if (!(await replicates(lab, node))) return `${node} does not replicate`;
  return true;
};

/** keepalived's main process is a parent of the one that speaks VRRP, which would end politely after it. */
const killAll = async (lab: Lab, node: NodeName, daemon: Daemon): Promise<void> => {
  const children = await lab.exec(node, ['cat', `/proc/${daemon.pid}/task/${daemon.pid}/children`]);
  const pids = children.stdout.trim().split(' ').filter(Boolean).map(Number);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await daemon.stop('SIGKILL');
};

const start = async (lab: Lab, setup: Setup, settings: Settings): Promise<Running> => {
  for (const node of NODES) await lab.database[node].sql('START SLAVE');
  const daemons = Object.fromEntries(
    NODES.map((node) => [node, daemonOf(lab, node, writeFiles(lab, node, setup, settings))]),
  ) as Readonly<Record<NodeName, Daemon>>;
  for (const node of NODES) daemons[node].start();
  await waitFor(() => ready(lab), 'keepalived has a master', READY_WITHIN_MS);
  return {
    active: async () => {
      const [holder] = await holders();
      if (holder === undefined) throw new Error('nobody has the VIP');
      return holder;
    },
    switchover: (active) => daemons[active].stop('SIGTERM'),
    kill: (node) => killAll(lab, node, daemons[node]),
    steps: async () => new Map(),
    stop: async () => {
      await Promise.all(NODES.map((node) => (daemons[node].running ? killAll(lab, node, daemons[node]) : undefined)));
    },
  };
};

const system = (setup: Setup): System => ({
  name: setup.name,
  label: setup.label,
  lab: () => ({ agents: false, semiSync: 'off' }),
  start: (lab, settings) => start(lab, setup, settings),
});

/** VRRPv2 at its default of one second, a check every two seconds that has to fail twice. */
export const KEEPALIVED_GUIDE: System = system({
  name: 'keepalived-guide',
  label: 'keepalived, as guides have it',
  version: 2,
  advertMs: MS_PER_SECOND,
  checkSeconds: 2,
  fall: 2,
});

/** VRRPv3 at the interval asked for, a check every second that has to fail as often as asked for. */
export const KEEPALIVED_QUICK: System = system({
  name: 'keepalived-quick',
  label: 'keepalived, at its quickest',
  version: 3,
  checkSeconds: 1,
});
