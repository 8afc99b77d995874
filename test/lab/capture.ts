/** Packet captures on a lab host: tcpdump, and its packets as lines of text. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { on, type Place } from './topology.js';

const READY_DEADLINE_MS = 5_000;
const STOP_DEADLINE_MS = 5_000;

export interface Packet {
  /** Unix time in milliseconds, from the kernel's clock. */
  readonly at: number;
  /** The rest of tcpdump's line: hardware addresses, protocol, contents. */
  readonly text: string;
}

export interface Capture {
  /** So far; complete only after `stop`. */
  readonly packets: readonly Packet[];
  stop(): Promise<readonly Packet[]>;
}

export interface Tcpdump {
  /** Resolves once all of its output was read; answers how many packets the kernel had no room for. */
  stop(): Promise<number>;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

const untilListening = (child: Child, place: Place, said: () => string): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`tcpdump on ${place} is not ready`)), READY_DEADLINE_MS);
    child.stderr.on('data', () => {
      if (!said().includes('listening on')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', () => reject(new Error(`tcpdump on ${place}: ${said()}`)));
  });

/** `filter` is a pcap-filter(7) expression; `read` is given the output before any of it came. Resolves once it listens. */
export const startTcpdump = async (
  place: Place,
  options: readonly string[],
  filter: string,
  read: (stdout: Readable) => void,
): Promise<Tcpdump> => {
  const [command = '', ...args] = [...on(place), 'tcpdump', '-n', ...options, ...filter.split(' ')];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  read(child.stdout);
  await untilListening(child, place, () => said);
  return {
    stop: async () => {
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      await closed;
      clearTimeout(timer);
      return Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? 0);
    },
  };
};

/** Resolves once packets are being seen. */
export const startCapture = async (place: Place, link: string, filter: string): Promise<Capture> => {
  const packets: Packet[] = [];
  const options = ['-i', link, '-e', '-tt', '-l', '--immediate-mode'];
  const tcpdump = await startTcpdump(place, options, filter, (stdout) => {
    createInterface({ input: stdout }).on('line', (line) => {
      const match = /^(\d+\.\d+) (.*)$/.exec(line);
      if (match !== null) packets.push({ at: Number(match[1]) * 1_000, text: match[2] ?? '' });
    });
  });
  return {
    packets,
    stop: async () => {
      await tcpdump.stop();
      return packets;
    },
  };
};
