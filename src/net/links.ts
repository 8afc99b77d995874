/** Watches the links and the VIPs on them, by netlink multicast (rtnetlink(7)). */

import { canonicalAddress, type Vip } from './address.js';
import {
  listAddresses,
  listInterfaces,
  readAddress,
  readLink,
  readRouteMessage,
  withRouteChannel,
} from './interfaces.js';
import { type NetlinkMessage, Protocol, rt } from './netlink-layouts.js';
import { hearNotices, type Notices } from './netlink-notices.js';

export interface LinkWatchOptions {
  readonly interfaces: readonly string[];
  readonly vips: readonly Vip[];
  /** An interface came up or went down; also for each at the start. Switched on, with a carrier; missing is down. */
  readonly onLink: (name: string, up: boolean) => void;
  /** A VIP is no longer on an interface, whoever took it off. `address` as configured. */
  readonly onAddressRemoved: (address: string, interfaceName: string) => void;
  /** A VIP is on an interface, not always its own; also at the start. `address` as configured. */
  readonly onAddressAdded: (address: string, interfaceName: string) => void;
  /** Nothing can be heard or read for the moment; it is tried again. */
  readonly onFault?: (text: string) => void;
}

export interface LinkWatch {
  /** Tells the present state by the callbacks, before it returns; then each change. Throws where netlink is refused. */
  readonly start: () => void;
  readonly close: () => void;
}

const GROUPS: readonly number[] = [
  rt.MulticastGroups.LINK,
  rt.MulticastGroups.IPV4_IFADDR,
  rt.MulticastGroups.IPV6_IFADDR,
];

/** What is told apart: `up` by interface, and `address interface` pairs. */
interface State {
  readonly up: ReadonlyMap<string, boolean>;
  readonly on: ReadonlyMap<string, { readonly address: string; readonly interfaceName: string }>;
}

const NOTHING: State = { up: new Map(), on: new Map() };

/**
 * A notice only says that it is time to look: the state is then read as a whole, at most once in a turn of the
 * event loop, and compared. So an overflow, where notices are lost, needs no path of its own.
 */
export const createLinkWatch = (options: LinkWatchOptions): LinkWatch => {
  const { interfaces, vips, onLink, onAddressAdded, onAddressRemoved } = options;
  const vipByAddress = new Map(vips.map((vip) => [canonicalAddress(vip.address), vip]));
  let state = NOTHING;
  let notices: Notices | undefined;
  let looking: NodeJS.Immediate | undefined;

  const read = (): State =>
    withRouteChannel('reading links and addresses', (channel) => {
      const links = listInterfaces(channel);
      const nameOf = new Map(links.map((link) => [link.index, link.name]));
      const up = new Map(interfaces.map((name) => [name, links.some((link) => link.name === name && link.up)]));
      const on = new Map(
        listAddresses(channel).flatMap(({ address, interfaceIndex }) => {
          const vip = vipByAddress.get(address);
          const interfaceName = nameOf.get(interfaceIndex);
          if (vip === undefined || interfaceName === undefined) return [];
          return [[`${address} ${interfaceName}`, { address: vip.address, interfaceName }] as const];
        }),
      );
      return { up, on };
    });

  const look = (): void => {
    const before = state;
    state = read();
    for (const [name, up] of state.up) if (before.up.get(name) !== up) onLink(name, up);
    for (const [key, { address, interfaceName }] of before.on) {
      if (!state.on.has(key)) onAddressRemoved(address, interfaceName);
    }
    for (const [key, { address, interfaceName }] of state.on) {
      if (!before.on.has(key)) onAddressAdded(address, interfaceName);
    }
  };

  /** Whether a notice is about anything we watch; a host may have hundreds of other links that come and go. */
  const concerns = (part: NetlinkMessage): boolean => {
    try {
      const message = readRouteMessage(part);
      if (message.kind === 'link') return interfaces.includes(readLink(message)?.name ?? '');
      return message.kind === 'address' && vipByAddress.has(readAddress(message)?.address ?? '');
    } catch {
      // A layout that the package does not know must not end the agent; looking once too often costs nothing.
      return true;
    }
  };

  // At most once in a turn of the event loop, however many notices there are.
  const lookSoon = (): void => {
    looking ??= setImmediate(() => {
      looking = undefined;
      try {
        look();
      } catch (error) {
        options.onFault?.(`reading links and addresses: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
  };

  const close = (): void => {
    notices?.close();
    notices = undefined;
    if (looking !== undefined) clearImmediate(looking);
    looking = undefined;
  };

  return {
    start: () => {
      close();
      state = NOTHING;
      // The groups first: what changes between the two is told as a notice.
      notices = hearNotices({
        protocol: Protocol.ROUTE,
        groups: GROUPS,
        what: 'watching links and addresses',
        onNotice: (notice) => {
          if (concerns(notice)) lookSoon();
        },
        onLost: lookSoon,
        ...(options.onFault === undefined ? {} : { onFault: options.onFault }),
      });
      look();
    },
    close,
  };
};
