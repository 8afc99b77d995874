/** Ethernet frames that say, ask or answer who has an address: ARP (RFC 826, 5227) and neighbour discovery (RFC 4861). */

import { addressBytes, addressText, BROADCAST_MAC, type Mac, macBytes, macText } from './address.js';

export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;

/** Where the fields lie that socket filters look at, from the start of the Ethernet header. */
export const FRAME_OFFSET = {
  arpSenderIp: 28,
  ipv6NextHeader: 20,
  icmpv6Type: 54,
  neighbourTarget: 62,
} as const;

export const NEXT_HEADER_ICMPV6 = 58;
export const NEIGHBOUR_SOLICITATION = 135;
export const NEIGHBOUR_ADVERTISEMENT = 136;

const ETHERNET_BYTES = 14;
const ARP_BYTES = 28;
const IPV6_BYTES = 40;
const ICMPV6_NEIGHBOUR_BYTES = 24;
const LINK_LAYER_OPTION_BYTES = 8;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const NO_MAC: Mac = '00:00:00:00:00:00';
const ALL_NODES = 'ff02::1';
/** RFC 4861 section 7.1: a receiver drops neighbour discovery with any other hop limit. */
const HOP_LIMIT = 255;
const FLAG_OVERRIDE = 0x20000000;
const OPTION_TARGET_LINK_LAYER = 2;

const ethernet = (destination: Mac, source: Mac, type: number): Buffer => {
  const header = Buffer.alloc(ETHERNET_BYTES);
  macBytes(destination).copy(header, 0);
  macBytes(source).copy(header, 6);
  header.writeUInt16BE(type, 12);
  return header;
};

interface Arp {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: string;
  readonly targetMac: Mac;
  readonly targetIp: string;
}

const arp = (packet: Arp): Buffer => {
  const bytes = Buffer.alloc(ARP_BYTES);
  bytes.writeUInt16BE(HARDWARE_ETHERNET, 0);
  bytes.writeUInt16BE(PROTOCOL_IPV4, 2);
  bytes.writeUInt8(6, 4);
  bytes.writeUInt8(4, 5);
  bytes.writeUInt16BE(packet.operation, 6);
  macBytes(packet.senderMac).copy(bytes, 8);
  addressBytes(packet.senderIp).copy(bytes, 14);
  macBytes(packet.targetMac).copy(bytes, 18);
  addressBytes(packet.targetIp).copy(bytes, 24);
  return Buffer.concat([ethernet(BROADCAST_MAC, packet.senderMac, ETH_P_ARP), bytes]);
};

/** ARP Announcement, RFC 5227 section 2.3: a request in which sender and target are both the address. */
export const gratuitousArpRequest = (vip: string, mac: Mac): Buffer =>
  arp({ operation: ARP_REQUEST, senderMac: mac, senderIp: vip, targetMac: NO_MAC, targetIp: vip });

/** The reply form, RFC 5944 section 4.6: some switches and routers learn from this one only. */
export const gratuitousArpReply = (vip: string, mac: Mac): Buffer =>
  arp({ operation: ARP_REPLY, senderMac: mac, senderIp: vip, targetMac: mac, targetIp: vip });

/** ARP Probe, RFC 5227 section 2.1.1: the sender's address is zero, so that nobody's table changes. */
export const arpProbe = (vip: string, mac: Mac): Buffer =>
  arp({ operation: ARP_REQUEST, senderMac: mac, senderIp: '0.0.0.0', targetMac: NO_MAC, targetIp: vip });

/** The Internet checksum (RFC 1071). */
const checksum = (bytes: Buffer): number => {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += i + 1 < bytes.length ? bytes.readUInt16BE(i) : (bytes[i] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
};

/** RFC 2464 section 7: 33:33 and the last four bytes of the group. */
const multicastMac = (group: Uint8Array): Mac =>
  macText(Buffer.concat([Buffer.from([0x33, 0x33]), group.subarray(12)]));

/** RFC 4291 section 2.7.1: ff02::1:ff00:0/104 and the last three bytes of the address. */
export const solicitedNodeGroup = (address: string): string => {
  const group = addressBytes('ff02::1:ff00:0');
  addressBytes(address).copy(group, 13, 13);
  return addressText(group);
};

const icmpv6 = (source: string, destination: string, sourceMac: Mac, message: Buffer): Buffer => {
  const from = addressBytes(source);
  const to = addressBytes(destination);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo.writeUInt8(NEXT_HEADER_ICMPV6, 7);
  message.writeUInt16BE(checksum(Buffer.concat([from, to, pseudo, message])), 2);
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(message.length, 4);
  header.writeUInt8(NEXT_HEADER_ICMPV6, 6);
  header.writeUInt8(HOP_LIMIT, 7);
  return Buffer.concat([ethernet(multicastMac(to), sourceMac, ETH_P_IPV6), header, from, to, message]);
};

/** RFC 4861 section 7.2.6: unsolicited, to all nodes, override set, with our link-layer address. */
export const unsolicitedAdvertisement = (vip: string, mac: Mac): Buffer => {
  const message = Buffer.alloc(ICMPV6_NEIGHBOUR_BYTES + LINK_LAYER_OPTION_BYTES);
  message.writeUInt8(NEIGHBOUR_ADVERTISEMENT, 0);
  message.writeUInt32BE(FLAG_OVERRIDE, 4);
  addressBytes(vip).copy(message, 8);
  message.writeUInt8(OPTION_TARGET_LINK_LAYER, 24);
  message.writeUInt8(LINK_LAYER_OPTION_BYTES / 8, 25);
  macBytes(mac).copy(message, 26);
  return icmpv6(vip, ALL_NODES, mac, message);
};

/** RFC 4862 section 5.4.2, as duplicate address detection asks: from the unspecified address, without an option. */
export const neighbourProbe = (vip: string, mac: Mac): Buffer => {
  const message = Buffer.alloc(ICMPV6_NEIGHBOUR_BYTES);
  message.writeUInt8(NEIGHBOUR_SOLICITATION, 0);
  addressBytes(vip).copy(message, 8);
  return icmpv6('::', solicitedNodeGroup(vip), mac, message);
};

/** Somebody says on the link that it has this address. */
export interface Claim {
  readonly address: string;
  readonly mac: Mac;
}

const claimByArp = (frame: Buffer): Claim | null => {
  if (frame.length < ETHERNET_BYTES + ARP_BYTES) return null;
  if (frame.readUInt16BE(14) !== HARDWARE_ETHERNET || frame.readUInt16BE(16) !== PROTOCOL_IPV4) return null;
  const at = FRAME_OFFSET.arpSenderIp;
  return { address: addressText(frame.subarray(at, at + 4)), mac: macText(frame.subarray(22, 28)) };
};

const claimByAdvertisement = (frame: Buffer): Claim | null => {
  const end = ETHERNET_BYTES + IPV6_BYTES + ICMPV6_NEIGHBOUR_BYTES;
  if (frame.length < end || frame[FRAME_OFFSET.ipv6NextHeader] !== NEXT_HEADER_ICMPV6) return null;
  if (frame[FRAME_OFFSET.icmpv6Type] !== NEIGHBOUR_ADVERTISEMENT) return null;
  const at = FRAME_OFFSET.neighbourTarget;
  // An answer to the unspecified address may leave the option out; then the frame's own sender has to do.
  const option = frame.subarray(end, end + LINK_LAYER_OPTION_BYTES);
  const carried = option.length === LINK_LAYER_OPTION_BYTES && option[0] === OPTION_TARGET_LINK_LAYER;
  return {
    address: addressText(frame.subarray(at, at + 16)),
    mac: carried ? macText(option.subarray(2)) : macText(frame.subarray(6, 12)),
  };
};

/** Reads a claim out of a frame with its Ethernet header; null where it makes none. Never throws. */
export const readClaim = (frame: Buffer): Claim | null => {
  if (frame.length < ETHERNET_BYTES) return null;
  switch (frame.readUInt16BE(12)) {
    case ETH_P_ARP:
      return claimByArp(frame);
    case ETH_P_IPV6:
      return claimByAdvertisement(frame);
    default:
      return null;
  }
};
