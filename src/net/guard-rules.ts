/** The guard's tables and the transactions on them, as nft(8) text. */

import { canonicalAddress, type Vip } from './address.js';

export interface GuardRules {
  /** Both tables anew, in one transaction and whatever there was: shut. */
  readonly install: string;
  readonly remove: string;
  /** From what `install` made, to open. */
  readonly open: (timeoutMs: number) => string;
  /** Whose elements time out. */
  readonly timed: readonly GuardSet[];
  /** New TCP connections to their elements are answered with a reset. */
  readonly refused: readonly GuardSet[];
  /**
   * What shows what `install` made, for comparing. One by one: nft 1.0 fills its cache for one table only, and then says
   * that there is no other.
   */
  readonly list: readonly string[];
}

/** A reset carries no data: 60 bytes of TCP header with all options, 40 of IPv6. */
const LONGEST_RESET_BYTES = 100;
/** Before connection tracking (-200) and everybody else's filters: what is dropped here has no effect on them. */
const PRIORITY = -310;
/** After translation of sources (100), which gives replies of a translated connection the VIP back. */
const LAST_PRIORITY = 310;
/** Of linux/netfilter/nf_tables.h, NFT_NAME_MAXLEN leaves far more; of configuration, groups are shorter. */
const MAX_GROUP_LENGTH = 80;

const list = (elements: readonly string[]): string => `{ ${elements.join(', ')} }`;

const elementsOf = (elements: readonly string[]): string =>
  elements.length === 0 ? '' : `elements = ${list(elements)};`;

/** The guard of the group's standby VIP; no group has a name like it. */
export const standbyGuard = (group: string): string => `${group}/standby`;

/** Table names are words; a group may be called `web-1.eu`. Hex keeps two groups apart whose names differ in a sign. */
export const guardTable = (group: string): string => {
  if (group === '' || group.length > MAX_GROUP_LENGTH) throw new Error(`'${group}' cannot name a guard`);
  return `vipd_${group.replaceAll(/[^A-Za-z0-9]/g, (sign) => `_${sign.codePointAt(0)?.toString(16) ?? ''}_`)}`;
};

/**
 * Packets that come are dropped before routing where the VIP is this host's, as rules of others may give them another
 * destination there (a published container, a proxy), and packets that leave once they have the VIP back. A standby may be
 * a router or a bridge for somebody: what it passes on to the active is let through, and only not translated by a
 * connection from when the VIP was here. `input` drops what was translated to the VIP itself. Neighbour advertisements
 * need no rule of their own: the kernel sends those for an address from that address (ndisc_send_na). ARP does not pass
 * through inet.
 */
const tables = (table: string, v4: readonly string[], v6: readonly string[], links: readonly string[]): string => {
  const reset = `tcp flags & (fin | syn | rst) == rst meta length <= ${LONGEST_RESET_BYTES} accept`;
  const attempt = 'tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset';
  const shut4 = (end: 'saddr' | 'daddr'): string => `ip ${end} @vips4 ip ${end} != @live4`;
  const shut6 = (end: 'saddr' | 'daddr'): string => `ip6 ${end} @vips6 ip6 ${end} != @live6`;
  const names = list(links.map((link) => `"${link}"`));
  const fromLink = `iifname ${names}`;
  const fromHere = `oifname ${names} iifname != ${names}`;
  return `
add table inet ${table}
delete table inet ${table}
add table arp ${table}
delete table arp ${table}
table inet ${table} {
  set vips4 { type ipv4_addr; ${elementsOf(v4)} }
  set vips6 { type ipv6_addr; ${elementsOf(v6)} }
  set live4 { type ipv4_addr; flags timeout; }
  set live6 { type ipv6_addr; flags timeout; }
  set refused4 { type ipv4_addr; }
  set refused6 { type ipv6_addr; }
  chain prerouting {
    type filter hook prerouting priority ${PRIORITY}; policy accept;
    ${shut4('daddr')} fib daddr type local drop
    ${shut6('daddr')} fib daddr type local drop
    ${shut4('daddr')} ${fromLink} notrack
    ${shut6('daddr')} ${fromLink} notrack
  }
  chain input {
    type filter hook input priority ${PRIORITY}; policy accept;
    ${shut4('daddr')} drop
    ${shut6('daddr')} drop
    ip daddr @refused4 ${attempt}
    ip6 daddr @refused6 ${attempt}
  }
  chain output {
    type filter hook output priority ${PRIORITY}; policy accept;
    ${shut4('saddr')} ${reset}
    ${shut4('saddr')} drop
    ${shut6('saddr')} ${reset}
    ${shut6('saddr')} drop
    ${shut4('daddr')} fib daddr type local drop
    ${shut6('daddr')} fib daddr type local drop
  }
  chain postrouting {
    type filter hook postrouting priority ${LAST_PRIORITY}; policy accept;
    ${shut4('saddr')} ${reset}
    ${shut4('saddr')} fib saddr type local drop
    ${shut4('saddr')} ${fromHere} drop
    ${shut6('saddr')} ${reset}
    ${shut6('saddr')} fib saddr type local drop
    ${shut6('saddr')} ${fromHere} drop
  }
}
table arp ${table} {
  set vips4 { type ipv4_addr; ${elementsOf(v4)} }
  set live4 { type ipv4_addr; flags timeout; }
  chain output {
    type filter hook output priority ${PRIORITY}; policy accept;
    arp saddr ip @vips4 arp saddr ip != @live4 drop
  }
}
`;
};

export interface GuardSet {
  readonly family: 'inet' | 'arp';
  readonly table: string;
  readonly set: string;
  /** Addresses in canonical form. */
  readonly elements: readonly string[];
}

export const guardRules = (group: string, vips: readonly Vip[]): GuardRules => {
  const table = guardTable(group);
  const ofFamily = (family: number): readonly string[] =>
    vips.filter((vip) => vip.family === family).map((vip) => canonicalAddress(vip.address));
  const v4 = ofFamily(4);
  const v6 = ofFamily(6);
  const links = [...new Set(vips.map((vip) => vip.interface))];
  const timed: readonly GuardSet[] = [
    { family: 'inet', table, set: 'live4', elements: v4 } as const,
    { family: 'arp', table, set: 'live4', elements: v4 } as const,
    { family: 'inet', table, set: 'live6', elements: v6 } as const,
  ].filter(({ elements }) => elements.length > 0);
  const refused: readonly GuardSet[] = [
    { family: 'inet', table, set: 'refused4', elements: v4 } as const,
    { family: 'inet', table, set: 'refused6', elements: v6 } as const,
  ].filter(({ elements }) => elements.length > 0);

  const adding = ({ family, set, elements }: GuardSet, timeoutMs: number): string =>
    `add element ${family} ${table} ${set} ${list(elements.map((one) => `${one} timeout ${timeoutMs}ms`))}`;

  return {
    install: tables(table, v4, v6, links),
    // Added first, so that removing what is not there is no error; `destroy` is newer than what Debian 12 has.
    remove: `add table inet ${table}\ndelete table inet ${table}\nadd table arp ${table}\ndelete table arp ${table}`,
    open: (timeoutMs) => timed.map((set) => adding(set, timeoutMs)).join('\n'),
    timed,
    refused,
    list: [`list table inet ${table}`, `list table arp ${table}`],
  };
};
