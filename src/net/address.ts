/** Addresses as people write them, and the bytes that go on the wire. */

import { isIPv4, isIPv6 } from 'node:net';

export type Family = 4 | 6;

/** A virtual address of the group and where it belongs. `prefixLength` as in the configuration, 1 to 32 or 128. */
export interface Vip {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: Family;
  readonly interface: string;
}

/** An Ethernet address as `52:54:00:12:34:56`, in lower case. */
export type Mac = string;

export const BROADCAST_MAC: Mac = 'ff:ff:ff:ff:ff:ff';

const HEXTETS = 8;
const MAC_BYTES = 6;

/**
 * The one way to write an address (RFC 5952 for IPv6), so that text can be compared.
 * Throws where it is no address.
 */
export const canonicalAddress = (text: string): string => {
  if (isIPv4(text)) return text;
  // The URL parser writes IPv6 hosts as RFC 5952 wants them; a zone would not be an address of a VIP.
  if (isIPv6(text) && !text.includes('%')) return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  throw new Error(`'${text}' is not an IPv4 or IPv6 address`);
};

/** 4 or 16 bytes in network order. Throws where it is no address. */
export const addressBytes = (text: string): Buffer => {
  const canonical = canonicalAddress(text);
  if (isIPv4(canonical)) return Buffer.from(canonical.split('.').map(Number));
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: HEXTETS - left.length - right.length }, () => '0');
  const bytes = Buffer.alloc(2 * HEXTETS);
  [...left, ...zeros, ...right].forEach((hextet, i) => {
    bytes.writeUInt16BE(Number.parseInt(hextet, 16), 2 * i);
  });
  return bytes;
};

/** The canonical text of 4 or 16 bytes. */
export const addressText = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join('.');
  const view = Buffer.from(bytes);
  const hextets = Array.from({ length: HEXTETS }, (_, i) => view.readUInt16BE(2 * i).toString(16));
  return canonicalAddress(hextets.join(':'));
};

/** Whether both lie in the same subnet of that prefix length; false for different families. */
export const sameSubnet = (a: Uint8Array, b: Uint8Array, prefixLength: number): boolean => {
  if (a.length !== b.length) return false;
  return a.every((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefixLength - 8 * i));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (byte & mask) === ((b[i] ?? 0) & mask);
  });
};

export const macBytes = (mac: Mac): Buffer => {
  const bytes = Buffer.from(mac.replaceAll(':', ''), 'hex');
  if (bytes.length !== MAC_BYTES) throw new Error(`'${mac}' is not an Ethernet address`);
  return bytes;
};

export const macText = (bytes: Uint8Array): Mac =>
  Array.from(bytes.subarray(0, MAC_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(':');
