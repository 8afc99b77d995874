/** Puts the virtual addresses on their interfaces and takes them off, by rtnetlink. */

import { readFileSync, writeFileSync } from 'node:fs';
import { interfaceIndex } from '../host/libc.js';
import { addressBytes, canonicalAddress, sameSubnet, type Vip } from './address.js';
import {
  addressFamily,
  addressPayload,
  type InterfaceAddress,
  LIFETIME_FOREVER,
  listAddresses,
  openRouteChannel,
  requireInterfaces,
} from './interfaces.js';
import { FlagsNew, rt } from './netlink-layouts.js';
import type { NetlinkChannel, NetlinkRequest, NetlinkResult } from './netlink-request.js';

export interface VipsOptions {
  readonly vips: readonly Vip[];
  /** Other VIPs of ours that may be on the same links: no addresses of the host's own. */
  readonly siblings?: () => readonly Vip[];
  /** Something the operator should know that stops nothing. */
  readonly onNotice?: (text: string) => void;
}

export interface Lifetime {
  /** The kernel removes the address this long after it was added or refreshed; whole seconds. Absent: never. */
  readonly lifetimeSeconds?: number;
}

export interface Vips {
  /** Checks that each interface exists. Rejects with an error that says which does not. */
  readonly open: () => Promise<void>;
  /**
   * All VIPs on, and read back. Those that are on already only get the lifetime. Rejects with what the kernel refused.
   * IPv6: without duplicate address detection, which would keep the address unusable for a second (IFA_F_NODAD; the
   * probe for a stranger has been done), and deprecated from the start, so that it is never the source of the host's
   * own connections (RFC 6724 rule 3).
   */
  readonly add: (lifetime?: Lifetime) => Promise<void>;
  /** New lifetimes for VIPs that are on. False where one is not: then nothing is put back. Rejects on refusal. */
  readonly refresh: (lifetimeSeconds: number) => Promise<boolean>;
  /**
   * All VIPs off. Every delete has been carried out when the call returns its promise; "not there" is success. Also
   * takes off what another hand put on another interface or with another prefix. Rejects where one is still there.
   */
  readonly remove: () => Promise<void>;
  /** Those VIPs that are on their interface now, as configured. */
  readonly present: () => Promise<readonly string[]>;
  readonly close: () => void;
}

/** Configured addresses first, then what else was found of them; more passes would chase somebody who adds them. */
const REMOVE_PASSES = 3;
/** Errors that mean that the address, or its interface, is not there. */
const ABSENT: readonly string[] = ['EADDRNOTAVAIL', 'ENODEV'];

const describe = (vip: Vip): string => `${vip.address}/${vip.prefixLength} on ${vip.interface}`;

const requireIndex = (vip: Vip): number => {
  const index = interfaceIndex(vip.interface);
  if (index === null) throw new Error(`adding ${describe(vip)}: there is no such interface now`);
  return index;
};

/** The host has another address in the VIP's subnet there: the route to that subnet is that one's. */
const sharesSubnet = (vip: Vip, index: number, vips: readonly Vip[], all: readonly InterfaceAddress[]): boolean => {
  const bytes = addressBytes(vip.address);
  const ours = new Set(vips.map((v) => canonicalAddress(v.address)));
  return all.some(
    (a) =>
      a.interfaceIndex === index &&
      !ours.has(a.address) &&
      a.prefixLength === vip.prefixLength &&
      sameSubnet(addressBytes(a.address), bytes, vip.prefixLength),
  );
};

/**
 * IPv4: in the subnet of the host's own address the VIP becomes a secondary, which is never chosen as a source and has
 * no route of its own. IPv6 knows no secondaries: there the prefix route is left to the host's own address
 * (IFA_F_NOPREFIXROUTE), and made where there is none.
 */
const addRequest = (
  vip: Vip,
  index: number,
  noPrefixRoute: boolean,
  lifetimeSeconds: number | undefined,
): NetlinkRequest => {
  const bytes = addressBytes(vip.address);
  const valid = lifetimeSeconds ?? LIFETIME_FOREVER;
  const flags: rt.AddressFlags =
    vip.family === 4 ? {} : { nodad: true, ...(noPrefixRoute ? { noprefixroute: true as const } : {}) };
  return {
    type: rt.MessageType.NEWADDR,
    flags: FlagsNew.CREATE | FlagsNew.REPLACE,
    payload: addressPayload(
      { family: addressFamily(vip.family), prefixlen: vip.prefixLength, index },
      {
        address: bytes,
        local: bytes,
        flags,
        cacheInfo: { ifaPrefered: vip.family === 4 ? valid : 0, ifaValid: valid, cstamp: 0, tstamp: 0 },
      },
    ),
  };
};

const deleteRequest = (address: string, prefixLength: number, index: number): NetlinkRequest => {
  const bytes = addressBytes(address);
  return {
    type: rt.MessageType.DELADDR,
    payload: addressPayload(
      { family: addressFamily(bytes.length === 4 ? 4 : 6), prefixlen: prefixLength, index },
      { local: bytes, address: bytes },
    ),
  };
};

const refusal = (result: NetlinkResult | undefined): string | null =>
  result === undefined || result.errno === 0 ? null : result.code;

/**
 * With `promote_secondaries` off (the kernel's default; systemd sets it), removing an IPv4 address takes all addresses
 * of its subnet with it. Should a network manager once have taken the host's own address off and put it back, the VIP
 * would be first, and removing it would cut the host off. So it is switched on for the VIP's interfaces.
 */
const promoteSecondaries = (vip: Vip, notice: (text: string) => void): void => {
  const setting = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/promote_secondaries`;
  try {
    if ([vip.interface, 'all'].some((name) => readFileSync(setting(name), 'utf8').trim() === '1')) return;
    writeFileSync(setting(vip.interface), '1');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    notice(
      `${vip.interface}: promote_secondaries is off and could not be switched on (${why}); removing ${vip.address} ` +
        `could take the host's own address with it: set net.ipv4.conf.${vip.interface}.promote_secondaries=1`,
    );
  }
};

/** The host's own address came after the VIP and became the secondary: then the VIP would be the host's source. */
const isAheadOfHost = (vip: Vip, index: number, vips: readonly Vip[], all: readonly InterfaceAddress[]): boolean => {
  const address = canonicalAddress(vip.address);
  const own = all.find((a) => a.interfaceIndex === index && a.address === address);
  if (vip.family === 6 || own === undefined || own.secondary) return false;
  return sharesSubnet(
    vip,
    index,
    vips,
    all.filter((a) => a.secondary),
  );
};

export const createVips = ({ vips, siblings = () => [], onNotice = () => undefined }: VipsOptions): Vips => {
  const names = vips.map(describe).join(', ');
  let opened: NetlinkChannel | undefined;
  const channel = (): NetlinkChannel => {
    opened ??= openRouteChannel(`the addresses ${names}`);
    return opened;
  };

  const onTheirInterface = (): readonly Vip[] => {
    const all = listAddresses(channel());
    return vips.filter((vip) => {
      const address = canonicalAddress(vip.address);
      const index = interfaceIndex(vip.interface);
      return all.some((a) => a.address === address && a.interfaceIndex === index);
    });
  };

  const put = (wanted: readonly Vip[], lifetimeSeconds: number | undefined): void => {
    const all = listAddresses(channel());
    const ours = [...vips, ...siblings()];
    const requests = wanted.flatMap((vip) => {
      const index = requireIndex(vip);
      const add = addRequest(vip, index, sharesSubnet(vip, index, ours, all), lifetimeSeconds);
      if (!isAheadOfHost(vip, index, ours, all)) return [{ vip, request: add }];
      return [
        { vip, request: deleteRequest(vip.address, vip.prefixLength, index) },
        { vip, request: add },
      ];
    });
    const results = channel().run(requests.map(({ request }) => request));
    requests.forEach(({ vip }, i) => {
      const code = refusal(results[i]);
      if (code === null) return;
      const hint = code === 'EPERM' ? ': the agent needs CAP_NET_ADMIN' : '';
      throw new Error(`adding ${describe(vip)}: the kernel refused with ${code}${hint}`);
    });
  };

  const verify = (): void => {
    const all = listAddresses(channel());
    for (const vip of vips) {
      const address = canonicalAddress(vip.address);
      const index = interfaceIndex(vip.interface);
      const found = all.find((a) => a.address === address && a.interfaceIndex === index);
      if (found === undefined) throw new Error(`adding ${describe(vip)}: the kernel agreed, but it is not there`);
      if (found.tentative || found.duplicate) {
        throw new Error(`adding ${describe(vip)}: it is ${found.duplicate ? 'a duplicate' : 'tentative'}, not usable`);
      }
    }
  };

  const removeConfigured = (): void => {
    const requests = vips.flatMap((vip) => {
      const index = interfaceIndex(vip.interface);
      return index === null ? [] : [deleteRequest(vip.address, vip.prefixLength, index)];
    });
    // Results are not looked at: what counts is what is still there.
    channel().run(requests);
  };

  const leftOver = (): readonly InterfaceAddress[] => {
    const ours = new Set(vips.map((vip) => canonicalAddress(vip.address)));
    return listAddresses(channel()).filter((a) => ours.has(a.address));
  };

  const removeAll = (): void => {
    removeConfigured();
    let refused: string | null = null;
    for (let pass = 1; pass < REMOVE_PASSES; pass++) {
      const left = leftOver();
      if (left.length === 0) return;
      const requests = left.map((a) => deleteRequest(a.address, a.prefixLength, a.interfaceIndex));
      const codes = channel().run(requests).map(refusal);
      refused = codes.find((code) => code !== null && !ABSENT.includes(code)) ?? refused;
    }
    const left = leftOver().map((a) => `${a.address}/${a.prefixLength}`);
    if (left.length === 0) return;
    const why = refused === null ? 'somebody puts it back' : `the kernel refused with ${refused}`;
    throw new Error(`removing ${left.join(', ')}: still there, ${why}`);
  };

  return {
    open: async () => {
      requireInterfaces(
        channel(),
        vips.map((vip) => vip.interface),
      );
      for (const vip of vips) if (vip.family === 4 && vip.prefixLength < 32) promoteSecondaries(vip, onNotice);
    },
    add: async ({ lifetimeSeconds } = {}) => {
      put(vips, lifetimeSeconds);
      verify();
    },
    refresh: async (lifetimeSeconds) => {
      // The kernel would add what is not there (it does not look at NLM_F_CREATE), and a late refresh must not.
      const there = onTheirInterface();
      put(there, lifetimeSeconds);
      return there.length === vips.length;
    },
    remove: async () => removeAll(),
    present: async () => onTheirInterface().map((vip) => vip.address),
    close: () => {
      opened?.close();
      opened = undefined;
    },
  };
};
