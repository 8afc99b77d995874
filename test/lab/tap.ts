/** Watches every port of the switch for heartbeats and for whatever bears the VIP, and judges it. */

import { decodeBody } from '../../src/wire/decode.js';
import { readHeader } from '../../src/wire/layout.js';
import { WireError } from '../../src/wire/wire-error.js';
import { startTcpdump } from './capture.js';
import { createLeaseWatch, type LeaseReport, type SeenFrame, type SeenPacket } from './lease-watch.js';
import { createPcapReader, type PortPacket } from './pcap.js';
import { ADDRESSES, HOSTS, NODES, type NodeName } from './topology.js';
import { bearsVip, datagramOf } from './vip-packet.js';

const HEARTBEAT_PORT = 8694;
/** What the kernel keeps for tcpdump while that has no turn: many seconds' worth. */
const BUFFER_KIB = 16_384;

export interface Tap {
  stop(): Promise<LeaseReport>;
}

/** Heartbeats as they leave one host and reach another; what bears the VIP only as it leaves its host. */
const tapFilter = (vips: readonly string[]): string => {
  const sources = vips.map((vip) => `src host ${vip}`);
  return `udp port ${HEARTBEAT_PORT} or ( inbound and ( ${['arp', 'icmp6', ...sources].join(' or ')} ) )`;
};

/** Who has this hardware address; undefined for those of the second path, which are random. */
const hostOf = (mac: string): string | undefined => HOSTS.find((host) => ADDRESSES[host].mac === mac);

/** Null: no frame, or one that another host than its sender sent. */
const frameOf = (packet: PortPacket, datagram: Buffer): SeenFrame | null => {
  const host = hostOf(packet.mac);
  // Before anything is decoded: a stranger may send a million.
  if (host === 'stranger') return null;
  try {
    const header = readHeader(datagram);
    const { kind, sender, addressee } = header;
    if (kind === 'hello' || (host ?? sender) !== sender) return null;
    const { atMs, direction } = packet;
    return { atMs, sender, addressee, direction, message: decodeBody(datagram, header, kind) };
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
};

const nodeAt = (mac: string): NodeName | undefined => NODES.find((node) => ADDRESSES[node].mac === mac);

export interface TapOptions {
  readonly vips: readonly string[];
  /** Other addresses, and who is told of each packet from a node that bears one of them. */
  readonly others?: { readonly vips: readonly string[]; readonly onPacket: (seen: SeenPacket) => void };
  /** Nodes and witnesses of the group. */
  readonly voters: number;
  /** Is told each heartbeat as well. */
  readonly onFrame?: (seen: SeenFrame) => void;
}

/** Resolves once packets are being seen. */
export const startTap = async ({ vips, voters, others, onFrame }: TapOptions): Promise<Tap> => {
  const watch = createLeaseWatch({ nodes: NODES, voters });
  const reader = createPcapReader((packet) => {
    const datagram = datagramOf(packet);
    if (datagram?.port === HEARTBEAT_PORT) {
      const frame = frameOf(packet, datagram.bytes);
      if (frame === null) return;
      watch.frame(frame);
      onFrame?.(frame);
      return;
    }
    const node = nodeAt(packet.mac);
    if (packet.direction !== 'in' || node === undefined) return;
    const text = bearsVip(packet, vips);
    if (text !== null) watch.packet({ atMs: packet.atMs, node, text });
    const other = others && bearsVip(packet, others.vips);
    if (others && other) others.onPacket({ atMs: packet.atMs, node, text: other });
  });
  const options = ['-i', 'any', '-y', 'LINUX_SLL2', '-B', String(BUFFER_KIB), '-w', '-'];
  const tcpdump = await startTcpdump('switch', options, tapFilter([...vips, ...(others?.vips ?? [])]), (stdout) => {
    stdout.on('data', (chunk: Buffer) => reader.push(chunk));
  });
  return {
    stop: async () => {
      const dropped = await tcpdump.stop();
      const report = watch.report();
      if (dropped === 0) return report;
      return { ...report, problems: [...report.problems, `${dropped} packets were not seen by the capture`] };
    },
  };
};
