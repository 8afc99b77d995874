/** Which packets bear a VIP: whatever leaves a host with the address as its source, or says who has it. */

import type { PortPacket } from './pcap.js';

const IPV4 = 0x08_00;
const ARP = 0x08_06;
const IPV6 = 0x86_dd;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
/** RFC 4861, section 4.4. */
const NEIGHBOUR_ADVERTISEMENT = 136;
const IPV6_HEADER_BYTES = 40;
const TCP_RESET = 0x04;

const ipv4Text = (bytes: Buffer, at: number): string => [...bytes.subarray(at, at + 4)].join('.');

/** Longest run of zero groups left out, as RFC 5952 writes it. */
const ipv6Text = (bytes: Buffer, at: number): string => {
  const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(at + 2 * n).toString(16));
  const runs = [...groups.join(':').matchAll(/\b0(?::0)+\b/g)].map(([run]) => run);
  const longest = runs.reduce((long, run) => (run.length > long.length ? run : long), '');
  if (longest === '') return groups.join(':');
  const [before = '', ...after] = groups.join(':').split(longest);
  return `${before.replace(/:$/, '')}::${after.join(longest).replace(/^:/, '')}`;
};

interface Internet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** From the transport's header on. */
  readonly payload: Buffer;
}

const internet = ({ etherType, bytes }: PortPacket): Internet | null => {
  if (etherType === IPV4) {
    return {
      source: ipv4Text(bytes, 12),
      destination: ipv4Text(bytes, 16),
      protocol: bytes.readUInt8(9),
      payload: bytes.subarray((bytes.readUInt8(0) & 0x0f) * 4, bytes.readUInt16BE(2)),
    };
  }
  if (etherType === IPV6) {
    const payload = bytes.subarray(IPV6_HEADER_BYTES, IPV6_HEADER_BYTES + bytes.readUInt16BE(4));
    return { source: ipv6Text(bytes, 8), destination: ipv6Text(bytes, 24), protocol: bytes.readUInt8(6), payload };
  }
  return null;
};

export interface Datagram {
  readonly port: number;
  readonly bytes: Buffer;
}

/** Null: no UDP. */
export const datagramOf = (packet: PortPacket): Datagram | null => {
  const ip = internet(packet);
  return ip?.protocol === UDP ? { port: ip.payload.readUInt16BE(2), bytes: ip.payload.subarray(8) } : null;
};

/** A reset without data: the guard lets those out, so that clients of a host that lost the VIP do not hang. */
const isBareReset = ({ protocol, payload }: Internet): boolean => {
  if (protocol !== TCP) return false;
  const headerBytes = (payload.readUInt8(12) >> 4) * 4;
  return (payload.readUInt8(13) & TCP_RESET) !== 0 && payload.length <= headerBytes;
};

const describeInternet = (ip: Internet): string => {
  if (ip.protocol === TCP || ip.protocol === UDP) {
    const ports = [ip.payload.readUInt16BE(0), ip.payload.readUInt16BE(2)] as const;
    const name = ip.protocol === TCP ? 'tcp' : 'udp';
    return `${name} ${ip.source} port ${ports[0]} > ${ip.destination} port ${ports[1]}, ${ip.payload.length} bytes`;
  }
  return `protocol ${ip.protocol} ${ip.source} > ${ip.destination}, ${ip.payload.length} bytes`;
};

/** Says what the packet is where it bears one of these addresses, else null. */
export const bearsVip = (packet: PortPacket, vips: readonly string[]): string | null => {
  if (packet.etherType === ARP) {
    const sender = ipv4Text(packet.bytes, 14);
    const word = packet.bytes.readUInt16BE(6) === 1 ? 'request' : 'reply';
    return vips.includes(sender) ? `arp ${word}: ${sender} is at ${packet.mac}` : null;
  }
  const ip = internet(packet);
  if (ip === null) return null;
  if (ip.protocol === ICMPV6 && ip.payload.readUInt8(0) === NEIGHBOUR_ADVERTISEMENT) {
    const target = ipv6Text(ip.payload, 8);
    if (vips.includes(target)) return `neighbour advertisement: ${target} is at ${packet.mac}`;
  }
  return vips.includes(ip.source) && !isBareReset(ip) ? describeInternet(ip) : null;
};
