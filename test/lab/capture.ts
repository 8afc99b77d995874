/** Packet captures on a lab host, as tcpdump prints them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
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

/** `filter` is a pcap-filter(7) expression. Resolves once packets are being seen. */
export const startCapture = async (place: Place, link: string, filter: string): Promise<Capture> => {
  const tcpdump = ['tcpdump', '-i', link, '-n', '-e', '-tt', '-l', '--immediate-mode', ...filter.split(' ')];
  const [command = '', ...args] = [...on(place), ...tcpdump];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const packets: Packet[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const match = /^(\d+\.\d+) (.*)$/.exec(line);
    if (match !== null) packets.push({ at: Number(match[1]) * 1_000, text: match[2] ?? '' });
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`tcpdump on ${place} is not ready`)), READY_DEADLINE_MS);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (!said.includes('listening on')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', () => reject(new Error(`tcpdump on ${place}: ${said}`)));
  });
  return {
    packets,
    stop: async () => {
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      await closed;
      clearTimeout(timer);
      return packets;
    },
  };
};
