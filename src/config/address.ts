/** IPv4 and IPv6 addresses, with or without prefix or port, as the configuration writes them. */

import { BlockList, isIP, SocketAddress } from 'node:net';
import { type Parsed, parsed, quote, refused } from './problem.js';

/** IP version. */
export type Family = 4 | 6;

export interface Address {
  /** Canonical text: IPv6 shortened and in lower case (RFC 5952). */
  readonly address: string;
  readonly family: Family;
}

export interface AddressWithPrefix extends Address {
  /** Bits of the network part: 0 to 32, or 0 to 128. */
  readonly prefixLength: number;
}

export interface Endpoint extends Address {
  readonly port: number;
}

const BITS = { 4: 32, 6: 128 } as const satisfies Record<Family, number>;

/** What node:net calls the versions. */
const NODE_FAMILY = { 4: 'ipv4', 6: 'ipv6' } as const satisfies Record<Family, string>;

const FORMS = 'write an IPv4 or IPv6 address such as 10.99.0.1 or fd00::1';

const INTERFACE_NAME = /^(?!\.{1,2}$)[^\s/:]{1,15}$/;

/** Reads an address without prefix, port or zone. */
export const parseAddress = (text: string): Parsed<Address> => {
  const version = isIP(text);
  if (version !== 0 && !text.includes('%')) return parsed(canonical(text, version === 6 ? 6 : 4));
  const bare = text.split('/')[0] ?? '';
  if (text.includes('/') && isIP(bare) !== 0) return refused(`${quote(text)} has a prefix length`, `write ${bare}`);
  if (text.includes('%')) return refused(`${quote(text)} has a zone`, 'write an address that needs none, not fe80::…');
  if (/^\[.*\]$/.test(text) || /^[0-9.]+:[0-9]+$/.test(text)) {
    return refused(`${quote(text)} is more than an address`, 'write the address alone, without brackets or port');
  }
  if (/^[0-9.]+$/.test(text)) {
    return refused(`${quote(text)} is not an IPv4 address`, 'write four numbers from 0 to 255 without leading zeros');
  }
  if (/^[a-z]+[0-9]+$/.test(text)) return refused(`${quote(text)} is not an address but looks like a name`, FORMS);
  return refused(`${quote(text)} is not an address`, FORMS);
};

/** Reads `10.99.0.100/24`. The prefix must be there: a guess would give the host a wrong route. */
export const parseAddressWithPrefix = (text: string): Parsed<AddressWithPrefix> => {
  const [before = '', prefix, ...rest] = text.split('/');
  const address = parseAddress(before);
  if (!address.ok) return refused(address.message, 'write an address with its prefix length, such as 10.99.0.100/24');
  const bits = BITS[address.value.family];
  if (prefix === undefined) {
    const usual = address.value.family === 4 ? 24 : 64;
    return refused(`${quote(text)} has no prefix length`, `write ${text}/${usual}, or what the network's length is`);
  }
  if (rest.length > 0 || !/^(0|[1-9][0-9]{0,2})$/.test(prefix) || Number(prefix) < 1 || Number(prefix) > bits) {
    return refused(`${quote(text)} has no valid prefix length`, `write a number from 1 to ${bits} after the slash`);
  }
  return parsed({ ...address.value, prefixLength: Number(prefix) });
};

/** Reads `127.0.0.1:8694`, `[fd00::1]:8694`, or an address alone, which then gets the default port if there is one. */
export const parseEndpoint = (text: string, defaultPort: number | null): Parsed<Endpoint> => {
  const form = defaultPort === null ? '127.0.0.1:8694 or [::1]:8694' : '10.99.0.3, 10.99.0.3:8694 or [fd00::3]:8694';
  const alone = isIP(text) !== 0;
  if (alone && defaultPort === null) return refused(`${quote(text)} has no port`, `write ${form}`);
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (!alone && match === null) return refused(`${quote(text)} is not an address with a port`, `write ${form}`);
  const address = parseAddress(alone ? text : (match?.[1] ?? match?.[2] ?? ''));
  if (!address.ok) return refused(address.message, `write ${form}`);
  const port = alone ? defaultPort : Number(match?.[3]);
  if (port === null || port < 1 || port > 65_535) {
    return refused(`${quote(text)} has no valid port`, 'write a port from 1 to 65535');
  }
  return parsed({ ...address.value, port });
};

const canonical = (text: string, family: Family): Address => ({
  address: new SocketAddress({ address: text, family: NODE_FAMILY[family] }).address,
  family,
});

/** Reads the name of a link: at most 15 bytes (IFNAMSIZ in netdevice(7)), without blank or slash. */
export const parseInterfaceName = (text: string): Parsed<string> => {
  if (isIP(text.split('/')[0] ?? '') !== 0) {
    return refused(`${quote(text)} is an address`, "write the interface's name, such as eth0; `ip link` lists them");
  }
  if (Buffer.byteLength(text) > 15 || !INTERFACE_NAME.test(text)) {
    return refused(
      `${quote(text)} is not an interface's name`,
      'write at most 15 characters without blank, slash or colon, such as eth0; `ip link` lists them',
    );
  }
  return parsed(text);
};

/** Why an address cannot be one host's on a network, or null. Sources: RFC 6890, RFC 4291 section 2.7. */
export const unusable = (address: Address): string | null => {
  if (address.family === 6 && address.address.startsWith('::ffff:')) return 'an IPv4 address in IPv6 notation';
  for (const [list, why] of SPECIAL) if (includes(list, address)) return why;
  return null;
};

const blockOf = (...networks: readonly (readonly [string, number, Family])[]): BlockList => {
  const list = new BlockList();
  for (const [network, prefix, family] of networks) list.addSubnet(network, prefix, NODE_FAMILY[family]);
  return list;
};

const includes = (list: BlockList, address: Address): boolean =>
  list.check(address.address, NODE_FAMILY[address.family]);

const SPECIAL: readonly (readonly [BlockList, string])[] = [
  [blockOf(['0.0.0.0', 8, 4], ['::', 128, 6]), 'the unspecified address'],
  [blockOf(['224.0.0.0', 4, 4], ['ff00::', 8, 6]), 'a multicast address'],
  [blockOf(['255.255.255.255', 32, 4]), 'the broadcast address'],
];

const LOOPBACK = blockOf(['127.0.0.0', 8, 4], ['::1', 128, 6]);
const LINK_LOCAL = blockOf(['169.254.0.0', 16, 4], ['fe80::', 10, 6]);

export const isLoopback = (address: Address): boolean => includes(LOOPBACK, address);
export const isLinkLocal = (address: Address): boolean => includes(LINK_LOCAL, address);

/**
 * Whether the address is the first or last of its IPv4 network, which no host can have (RFC 1122 section 3.2.1.3).
 * Networks of one or two addresses have neither (RFC 3021).
 */
export const networkOrBroadcast = (address: AddressWithPrefix): 'network' | 'broadcast' | null => {
  if (address.family !== 4 || address.prefixLength >= 31) return null;
  const value = address.address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - address.prefixLength);
  if (value % size === 0) return 'network';
  return value % size === size - 1 ? 'broadcast' : null;
};
