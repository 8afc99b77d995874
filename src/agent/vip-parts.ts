/** What is made for one set of VIPs, and made anew for another: addresses, sockets, announcements, the watch of their links. */

import type { Event } from '../core/event.js';
import type { Instant } from '../core/types.js';
import type { Vip } from '../net/address.js';
import { type Announcer, createAnnouncer } from '../net/announce.js';
import { createLinkWatch, type LinkWatch } from '../net/links.js';
import { createSocketDestroyer, type SocketDestroyer } from '../net/sockets.js';
import { createVips, type Vips } from '../net/vip.js';

export interface VipPartsOptions {
  /** The other set, which another holder has. */
  readonly siblings: () => readonly Vip[];
  /** Under a lease that has not run out, and behind a guard that is open. */
  readonly holds: () => boolean;
  /** This node has put them on, whatever has become of the lease since. */
  readonly mayHold: () => boolean;
  readonly now: () => Instant;
  readonly emit: (event: Event) => void;
  readonly announce: () => void;
  /** An address was taken off by another hand. */
  readonly putBack: (address: string) => void;
  readonly log: (level: 'warn' | 'error', text: string) => void;
  /** What others can cause as often as they like; limited for each `name`. */
  readonly logOften: (level: 'warn' | 'error', name: string, text: string) => void;
}

export interface VipParts {
  readonly configured: readonly Vip[];
  readonly vips: Vips;
  readonly sockets: SocketDestroyer;
  readonly announcer: Announcer;
  readonly links: LinkWatch;
  readonly close: () => void;
}

export const createVipParts = (configured: readonly Vip[], options: VipPartsOptions): VipParts => {
  const { siblings, holds, mayHold, now, emit, announce, putBack, log, logOften } = options;
  const vips = createVips({ vips: configured, siblings, onNotice: (text) => log('warn', text) });
  const sockets = createSocketDestroyer({ vips: configured, onUnsupported: (text) => log('warn', text) });
  const announcer = createAnnouncer({
    vips: configured,
    holds,
    now,
    // By address alone: whoever makes up addresses of Ethernet would have each of them told.
    onForeignClaim: ({ mac, address }) =>
      logOften('warn', `claim ${address}`, `${mac} announced ${address}, which this node holds; answered`),
    onFault: (text) => log('error', text),
  });
  const links = createLinkWatch({
    interfaces: linksOf(configured),
    vips: configured,
    onLink: (name, up) => {
      emit({ type: 'link', name, up });
      if (up && holds()) announce();
    },
    onAddressRemoved: putBack,
    onAddressAdded: (address, name) => {
      if (mayHold()) return;
      const what = `${address} was put on ${name} by another hand while this node does not hold it; taking it off`;
      logOften('warn', `added ${address}`, what);
      vips.remove().catch((cause: unknown) => log('error', cause instanceof Error ? cause.message : String(cause)));
    },
    onFault: (text) => log('error', text),
  });
  const close = (): void => {
    announcer.stop();
    links.close();
    sockets.close();
    vips.close();
  };
  return { configured, vips, sockets, announcer, links, close };
};

export const linksOf = (vips: readonly Vip[]): readonly string[] => [...new Set(vips.map((vip) => vip.interface))];
