/**
 * Sends packets that are not genuine to the given voters: recorded frames again, the same with bits flipped or cut
 * short, and random bytes. Each comes from the address of another voter, so that the sender looks right.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const PORT = 8694;
const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Ethernet, IPv4 without options, UDP. */
const HEADERS_BYTES = 14 + 20 + 8;
const MAX_FRAME_BYTES = 1_200;
/** Sent at once, then a pause: the voters share two cores with everything else, and are to be fooled, not drowned. */
const BATCH = 100;
const PAUSE_MS = 5;

const [packets, ...recordings] = process.argv.slice(2);
if (packets === undefined || recordings.length < 2) {
  throw new Error('usage: attack PACKETS TARGET=PCAP-FILE TARGET=PCAP-FILE...');
}

interface Voter {
  readonly address: string;
  /** Genuine frames that it has got before. */
  readonly file: string;
}

const voters = recordings.map((recording): Voter => {
  const [address = '', file = ''] = recording.split('=');
  return { address, file };
});

/** UDP payloads of a little-endian pcap file (pcap-savefile(5)). */
const payloads = (file: Buffer): readonly Buffer[] => {
  const found: Buffer[] = [];
  let at = PCAP_HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= file.length) {
    const length = file.readUInt32LE(at + 8);
    const start = at + RECORD_HEADER_BYTES;
    found.push(file.subarray(start + HEADERS_BYTES, start + length));
    at = start + length;
  }
  return found;
};

/** Bytes that look random and are the same in every run. */
const noise = (seed: number, length: number): Buffer => {
  const blocks = Math.ceil(length / 32);
  const parts = Array.from({ length: blocks }, (_, block) => createHash('sha256').update(`${seed}/${block}`).digest());
  return Buffer.concat(parts).subarray(0, length);
};

const packet = (genuine: readonly Buffer[], n: number): Buffer => {
  const frame = genuine[n % genuine.length] ?? Buffer.alloc(0);
  switch (n % 4) {
    case 0:
      return frame;
    case 1: {
      const forged = Buffer.from(frame);
      const bit = noise(n, 4).readUInt32LE() % Math.max(1, forged.length * 8);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return forged;
    }
    case 2:
      // Not to one byte: a witness sends those to itself, and does not count them.
      return frame.subarray(0, 2 + (n % Math.max(1, frame.length - 2)));
    default:
      return noise(n, n % MAX_FRAME_BYTES);
  }
};

const ip = (...args: readonly string[]): void => {
  execFileSync('ip', ['address', ...args]);
};

const attack = async (target: Voter, source: string, first: number, count: number): Promise<void> => {
  const genuine = payloads(readFileSync(target.file));
  // The address is ours for as long as we send: a target's own must not be, or the packets would stay here.
  ip('add', `${source}/32`, 'dev', 'lo');
  const socket: Socket = createSocket('udp4');
  socket.bind(PORT, source);
  await once(socket, 'listening');
  socket.connect(PORT, target.address);
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  for (let n = 0; n < count; n += 1) {
    socket.send(packet(genuine, first + n), () => undefined);
    if (n % BATCH === BATCH - 1) await sleep(PAUSE_MS);
  }
  socket.close();
  ip('del', `${source}/32`, 'dev', 'lo');
};

const share = Math.ceil(Number(packets) / voters.length);
for (const [index, voter] of voters.entries()) {
  const source = voters[(index + 1) % voters.length] ?? voter;
  await attack(voter, source.address, index * share, share);
}
