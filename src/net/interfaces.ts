/** What the kernel says of its interfaces, their addresses and their neighbours (rtnetlink(7)). */

import { addressBytes, addressText, canonicalAddress, type Family, type Mac, macText } from './address.js';
import { AttrStream, type NetlinkMessage, Protocol, rt } from './netlink-layouts.js';
import { type NetlinkChannel, openNetlinkChannel } from './netlink-request.js';

export interface Interface {
  readonly index: number;
  readonly name: string;
  /** Null where the link has no Ethernet address (loopback, tunnels): nothing is announced there. */
  readonly mac: Mac | null;
  /** Switched on, and its link is there. */
  readonly up: boolean;
  /** Bytes; null where the kernel does not tell. */
  readonly mtu: number | null;
}

export interface InterfaceAddress {
  readonly address: string;
  readonly prefixLength: number;
  readonly interfaceIndex: number;
  /** IPv4: of a subnet whose primary address is another one. */
  readonly secondary: boolean;
  /** IPv6: not usable yet, or found to be a duplicate. */
  readonly tentative: boolean;
  readonly duplicate: boolean;
  /** Seconds until the kernel removes it; null for ever. */
  readonly validSeconds: number | null;
}

export const AF_INET = 2;
export const AF_INET6 = 10;
/** IF_OPER_DOWN and IF_OPER_LOWERLAYERDOWN of RFC 2863, as in linux/if.h; a driver may also not tell (0, unknown). */
const OPER_DOWN: readonly number[] = [2, 3];
const ETHERNET_BYTES = 6;
/** INFINITY_LIFE_TIME of linux/if_addr.h. */
export const LIFETIME_FOREVER = 0xffffffff;

export const addressFamily = (family: Family): number => (family === 4 ? AF_INET : AF_INET6);

/** What a link message says; null for one that names no interface. */
export const readLink = (message: rt.LinkMessage): Interface | null => {
  const { index, flags } = message.data;
  const { ifname, address, operstate, mtu } = message.attrs;
  if (index === undefined || ifname === undefined) return null;
  const ethernet = address?.length === ETHERNET_BYTES && flags?.loopback !== true && flags?.noarp !== true;
  const down = operstate !== undefined && OPER_DOWN.includes(operstate);
  return {
    index,
    name: ifname,
    mac: ethernet && address !== undefined ? macText(address) : null,
    up: flags?.up === true && flags.lowerUp === true && !down,
    mtu: mtu ?? null,
  };
};

/** What an address message says; null for one without an address. */
export const readAddress = (message: rt.AddressMessage): InterfaceAddress | null => {
  const { index, prefixlen } = message.data;
  const bytes = message.attrs.local ?? message.attrs.address;
  if (index === undefined || prefixlen === undefined || bytes === undefined) return null;
  const flags = message.attrs.flags ?? message.data.flags ?? {};
  const valid = message.attrs.cacheInfo?.ifaValid ?? LIFETIME_FOREVER;
  return {
    address: addressText(bytes),
    prefixLength: prefixlen,
    interfaceIndex: index,
    secondary: flags.secondary === true,
    tentative: flags.tentative === true,
    duplicate: flags.dadfailed === true,
    validSeconds: valid === LIFETIME_FOREVER ? null : valid,
  };
};

type RouteMessage = ReturnType<typeof rt.parseMessage>;

/** A part of a dump or notification as the `netlink` package reads it. */
export const readRouteMessage = (part: Pick<NetlinkMessage, 'type' | 'data'>): RouteMessage =>
  rt.parseMessage(part.type, part.data);

const dump = (channel: NetlinkChannel, type: number, payload: Uint8Array): readonly RouteMessage[] =>
  channel.dump({ type, payload }).map(readRouteMessage);

const format = (write: (out: AttrStream) => void): Buffer => {
  const out = new AttrStream();
  write(out);
  return Buffer.concat(out.bufs);
};

/** The interfaces of this network namespace. */
export const listInterfaces = (channel: NetlinkChannel): readonly Interface[] => {
  const payload = format((out) => rt.formatLinkMessage({ kind: 'link', data: {}, attrs: {} }, out));
  return dump(channel, rt.MessageType.GETLINK, payload).flatMap((message) => {
    const link = message.kind === 'link' ? readLink(message) : null;
    return link === null ? [] : [link];
  });
};

/** Every address of every interface. */
export const listAddresses = (channel: NetlinkChannel): readonly InterfaceAddress[] => {
  const payload = format((out) => rt.formatAddressMessage({ kind: 'address', data: {}, attrs: {} }, out));
  return dump(channel, rt.MessageType.GETADDR, payload).flatMap((message) => {
    const address = message.kind === 'address' ? readAddress(message) : null;
    return address === null ? [] : [address];
  });
};

/** The payload of an RTM_NEWADDR or RTM_DELADDR. */
export const addressPayload = (data: rt.Address, attrs: rt.AddressAttrs): Buffer =>
  format((out) => rt.formatAddressMessage({ kind: 'address', data, attrs }, out));

export const openRouteChannel = (what: string): NetlinkChannel => openNetlinkChannel(Protocol.ROUTE, what);

/** Opens a channel for one question. */
export const withRouteChannel = <T>(what: string, ask: (channel: NetlinkChannel) => T): T => {
  const channel = openRouteChannel(what);
  try {
    return ask(channel);
  } finally {
    channel.close();
  }
};

/**
 * The interfaces of those names, in their order.
 * Throws an error that says which is missing and which there are.
 */
export const requireInterfaces = (channel: NetlinkChannel, names: readonly string[]): readonly Interface[] => {
  const all = listInterfaces(channel);
  return names.map((name) => {
    const found = all.find((link) => link.name === name);
    if (found !== undefined) return found;
    const there = all.map((link) => link.name).join(', ');
    throw new Error(`no interface '${name}' on this host (there are: ${there}); correct vip.interface, or bring it up`);
  });
};

/**
 * Who answers for an address, by the kernel's neighbour table (RTM_GETNEIGH); null where it does not know, or the
 * neighbour was found unreachable. Throws where there is no such interface.
 */
export const lookupMac = async (address: string, interfaceName: string): Promise<Mac | null> =>
  withRouteChannel(`looking up the neighbour ${address} on ${interfaceName}`, (channel) => {
    const [link] = requireInterfaces(channel, [interfaceName]);
    const wanted = canonicalAddress(address);
    const family = addressBytes(wanted).length === 4 ? AF_INET : AF_INET6;
    const payload = format((out) => rt.formatNeighborMessage({ kind: 'neighbor', data: { family }, attrs: {} }, out));
    for (const message of dump(channel, rt.MessageType.GETNEIGH, payload)) {
      if (message.kind !== 'neighbor' || message.data.ifindex !== link?.index) continue;
      const { dst, lladdr } = message.attrs;
      if (dst === undefined || lladdr?.length !== ETHERNET_BYTES || addressText(dst) !== wanted) continue;
      if (message.data.state?.failed !== true) return macText(lladdr);
    }
    return null;
  });
