/** A host of the lab that boots: systemd in a container (systemd-nspawn(1)), a disk of its own, the lab's network. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt, type CommandResult, run } from '../lab/command.js';
import { LAB_ROOT } from '../lab/sandbox.js';
import { addHost, type NodeName, removeHost, type TopologyOptions } from '../lab/topology.js';
import { waitFor, waitForValue } from '../lab/wait.js';

export type MachineName = NodeName | 'w1';

/** A boot takes a few seconds; a busy machine may take ten times as long. */
const BOOT_MS = 120_000;
/** TimeoutStopSec of the agent's unit, and what the rest of the machine takes. */
const SHUTDOWN_MS = 120_000;
const COMMAND_MS = 120_000;
/** The kernel's one cgroup hierarchy of version 2; a sandbox does not show it, and systemd wants a part of it. */
const CGROUPS = '/sys/fs/cgroup';
/** Where it is, systemd-journald.service(8) keeps the journal over a boot. */
const JOURNAL = 'var/log/journal';
const CGROUP_PREFIX = 'vipd-lab-';
export const NETWORK: TopologyOptions = { secondPath: false };

export interface Machine {
  readonly name: MachineName;
  /** Its root directory, as seen from outside. */
  readonly root: string;
  /** What it wrote on its console, over all its boots. */
  readonly console: string;
  /** Switches it on, with a network as new as a kernel's, and waits until systemd has started everything. */
  boot(): Promise<void>;
  /** Its systemd runs. */
  isOn(): boolean;
  /** A command in it, as root; rejects on any exit status but 0. */
  run(...argv: readonly string[]): Promise<string>;
  attempt(...argv: readonly string[]): Promise<CommandResult>;
  /** What its journal says, of all its boots, also while it is off. */
  journal(...options: readonly string[]): Promise<readonly string[]>;
  /** Processes of a service, by the ids that they have outside of it. */
  processesOf(unit: string): readonly number[];
  /** `systemctl poweroff`, to the end. */
  powerOff(): Promise<void>;
  /** Every process of it dead at once; its disk stays. */
  powerCut(): Promise<void>;
  /** A file in it. */
  write(path: string, text: string, mode?: number): void;
  /** It and its cgroups are gone. */
  destroy(): Promise<void>;
}

/** Once in a sandbox, before the first machine. */
export const mountCgroups = async (): Promise<void> => {
  await run(['mount', '-t', 'cgroup2', 'cgroup2', CGROUPS]);
  // What a run left that was killed: nothing but the names.
  for (const name of readdirSync(CGROUPS)) {
    const left = join(CGROUPS, name);
    if (name.startsWith(CGROUP_PREFIX) && isEmpty(left)) removeCgroup(left);
  }
};

/** A machine on `base`, a root directory that it only reads, in the place of the lab's host of that name. */
export const createMachine = async (name: MachineName, base: string): Promise<Machine> => {
  const directory = join(LAB_ROOT, 'machines', name);
  const root = join(directory, 'root');
  const consoleLog = join(directory, 'console.log');
  // The process id is that of another pid namespace in each sandbox, the inode of that namespace is not.
  const cgroup = join(CGROUPS, `${CGROUP_PREFIX}${name}-${await ownNamespace()}`);
  for (const part of ['disk', 'work', 'root']) mkdirSync(join(directory, part), { recursive: true });
  mkdirSync(cgroup, { recursive: true });
  writeFileSync(consoleLog, '');
  const layers = `lowerdir=${base},upperdir=${join(directory, 'disk')},workdir=${join(directory, 'work')}`;
  // Else a directory of the base could not be renamed (overlayfs in the kernel's documentation), as on any other disk.
  await run(['mount', '-t', 'overlay', 'overlay', '-o', `${layers},redirect_dir=on`, root]);
  mkdirSync(join(root, JOURNAL), { recursive: true });
  // Without one the boot counts as the first, and what the packages left disabled is enabled (machine-id(5)).
  writeFileSync(join(root, 'etc/machine-id'), `${randomBytes(16).toString('hex')}\n`);
  writeFileSync(join(root, 'etc/hostname'), `${name}\n`);
  writeFileSync(join(root, 'etc/hosts'), `127.0.0.1 localhost ${name}\n::1 localhost\n`);

  let container: ChildProcess | undefined;
  const attemptIn = async (argv: readonly string[]): Promise<CommandResult> =>
    attempt([...enter(firstProcess(cgroup)), ...argv], { timeoutMs: COMMAND_MS });
  const runIn = async (...argv: readonly string[]): Promise<string> =>
    run([...enter(firstProcess(cgroup)), ...argv], { timeoutMs: COMMAND_MS });
  const gone = async (): Promise<void> => {
    const child = container;
    container = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await waitFor(() => isEmpty(cgroup), `${name} has no process left`, SHUTDOWN_MS);
  };
  const powerCut = async (): Promise<void> => {
    writeFileSync(join(cgroup, 'cgroup.kill'), '1');
    await gone();
  };
  return {
    name,
    root,
    console: consoleLog,
    boot: async () => {
      await removeHost(name, NETWORK);
      await addHost(name, NETWORK);
      container = start(name, root, cgroup, consoleLog);
      await waitForValue(
        async () => {
          const { stdout } = await attemptIn(['systemctl', 'is-system-running']);
          const state = stdout.trim();
          return ['running', 'degraded'].includes(state) ? { done: true, value: state } : { done: false, seen: state };
        },
        `${name} boots`,
        BOOT_MS,
      );
    },
    isOn: () => findFirstProcess(cgroup) !== null,
    run: runIn,
    attempt: (...argv) => attemptIn(argv),
    journal: async (...options) => {
      const directory = `--directory=${join(root, JOURNAL)}`;
      return (await run(['journalctl', directory, '--no-pager', '--output=cat', ...options])).split('\n');
    },
    processesOf: (unit) =>
      readFileSync(join(cgroup, 'payload', 'system.slice', unit, 'cgroup.procs'), 'utf8')
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [Number(line)])),
    powerOff: async () => {
      await attemptIn(['systemctl', 'poweroff', '--no-block']);
      await gone();
    },
    powerCut,
    write: (path, text, mode = 0o644) => {
      const file = join(root, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode });
    },
    destroy: async () => {
      await powerCut();
      removeCgroup(cgroup);
    },
  };
};

const ownNamespace = async (): Promise<string> => (await run(['readlink', '/proc/self/ns/pid'])).replaceAll(/\D/g, '');

const start = (name: MachineName, root: string, cgroup: string, consoleLog: string): ChildProcess => {
  const nspawn = [
    'systemd-nspawn',
    '--boot',
    `--machine=${name}`,
    `--directory=${root}`,
    `--network-namespace-path=/run/netns/${name}`,
    // Beyond what a container has by itself. A machine has every capability; what a unit gives away is the unit's.
    '--capability=CAP_NET_ADMIN',
    // No machined and no unit around it: the host of the tests need not run systemd.
    '--register=no',
    '--keep-unit',
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    '--console=pipe',
  ];
  const enterCgroup = 'echo $$ >"$0/cgroup.procs" && exec "$@"';
  const child = spawn('sh', ['-c', enterCgroup, cgroup, ...nspawn], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.on('data', (chunk: Buffer) => appendFileSync(consoleLog, chunk));
  }
  return child;
};

/** Its systemd, by the process id that it has here; null while it is off, or has not come to systemd yet. */
const findFirstProcess = (cgroup: string): string | null => {
  const processes = join(cgroup, 'payload', 'init.scope', 'cgroup.procs');
  const [first = ''] = existsSync(processes) ? readFileSync(processes, 'utf8').split('\n') : [];
  return first === '' ? null : first;
};

const firstProcess = (cgroup: string): string => {
  const first = findFirstProcess(cgroup);
  if (first === null) throw new Error('the machine is off, or has not come to systemd yet');
  return first;
};

/** Not with the environment of whoever runs the tests: a login of root's has this one. */
const enter = (pid: string): readonly string[] => [
  ...['nsenter', '--all', '--root', '--wd', `--target=${pid}`, '--'],
  ...['env', '-i', 'HOME=/root', 'LANG=C.UTF-8', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
];

/** cgroups(7): a group and all below it has no process. */
const isEmpty = (cgroup: string): boolean =>
  readFileSync(join(cgroup, 'cgroup.events'), 'utf8').includes('populated 0');

const removeCgroup = (cgroup: string): void => {
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(cgroup, entry.name));
  }
  rmdirSync(cgroup);
};
