/** Runs a lab test file again as a host of a small network of its own, which ends with it. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { insideSandbox, startInSandbox } from './sandbox.js';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** A whole file of tests runs inside of the one test that is seen from the outside. */
const WHOLE_FILE_MS = 180_000;

/** The test process itself is `db1`; the others are namespaces on the same bridge. */
export type Neighbour = 'db2' | 'client';

interface HostAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

export const HOST = {
  db1: { ipv4: '10.99.0.1', ipv6: 'fd99::1', mac: '02:99:00:00:00:01' },
  db2: { ipv4: '10.99.0.2', ipv6: 'fd99::2', mac: '02:99:00:00:00:02' },
  client: { ipv4: '10.99.0.10', ipv6: 'fd99::10', mac: '02:99:00:00:00:10' },
} as const satisfies Record<'db1' | Neighbour, HostAddresses>;

/**
 * For a lab test file: outside, defines one test that runs this file inside namespaces of its own; inside, builds the
 * network and lets `define` define the real tests.
 */
export const inOwnNetwork = async (file: string, define: () => void | Promise<void>): Promise<void> => {
  if (insideSandbox()) {
    buildNetwork();
    await define();
    return;
  }
  test(
    'passes as a host of a network of its own (its tests are told above)',
    async () => {
      const vitest = resolve(ROOT, 'node_modules/vitest/vitest.mjs');
      const child = startInSandbox([process.execPath, vitest, 'run', '--root', ROOT, '--project', 'lab', file]);
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
    },
    WHOLE_FILE_MS,
  );
};

/** Runs a command here (db1), to its end; answers what it printed. Throws on any other exit status than 0. */
export const here = (...argv: readonly [string, ...string[]]): string => {
  const [command, ...args] = argv;
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
};

/** Runs a command on a neighbour, to its end. */
export const on = (host: Neighbour, ...argv: readonly string[]): string => here('ip', 'netns', 'exec', host, ...argv);

/** Starts a command on a neighbour; the caller ends it. */
export const startOn = (host: Neighbour, ...argv: readonly string[]): ChildProcess =>
  spawn('ip', ['netns', 'exec', host, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });

const buildNetwork = (): void => {
  // One process may run several files' worth of hooks: the network is built once in a namespace.
  if (here('ip', '-brief', 'link').includes('eth0')) return;
  here('ip', 'link', 'set', 'lo', 'up');
  here('ip', 'netns', 'add', 'switch');
  here('ip', '-n', 'switch', 'link', 'add', 'name', 'br0', 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0');
  here('ip', '-n', 'switch', 'link', 'set', 'br0', 'up');
  plug('db1', []);
  for (const host of ['db2', 'client'] as const) {
    here('ip', 'netns', 'add', host);
    here('ip', '-n', host, 'link', 'set', 'lo', 'up');
    plug(host, ['-n', host]);
  }
};

const plug = (host: keyof typeof HOST, where: readonly string[]): void => {
  const { ipv4, ipv6, mac } = HOST[host];
  // Without a name, `netns 1` is the first process of the sandbox, whose namespace is db1's.
  const netns = host === 'db1' ? '1' : host;
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', netns];
  here('ip', '-n', 'switch', 'link', 'add', 'name', `port-${host}`, ...peer);
  here('ip', '-n', 'switch', 'link', 'set', `port-${host}`, 'master', 'br0', 'up');
  here('ip', ...where, 'link', 'set', 'eth0', 'up');
  here('ip', ...where, 'address', 'add', `${ipv4}/24`, 'dev', 'eth0');
  here('ip', ...where, 'address', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
};

/** Pulls or plugs db1's cable: it sees its carrier go or come. */
export const setCable = (plugged: boolean): void => {
  here('ip', '-n', 'switch', 'link', 'set', 'port-db1', plugged ? 'up' : 'down');
};

export interface Capture {
  /** What tcpdump printed so far, a line for each packet. */
  readonly lines: () => readonly string[];
  readonly stop: () => Promise<void>;
}

/** tcpdump on a neighbour's eth0 with link-level headers; resolves once it listens. */
export const capture = async (host: Neighbour, filter: string): Promise<Capture> => {
  const child = startOn(host, 'tcpdump', '-i', 'eth0', '-nne', '-l', '--immediate-mode', '-Q', 'in', filter);
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await new Promise<void>((listening, failed) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('listening on')) listening();
    });
    child.once('exit', () => failed(new Error(`tcpdump ended: ${said}`)));
  });
  return {
    lines: () => printed.split('\n').filter((line) => line !== ''),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
    },
  };
};
