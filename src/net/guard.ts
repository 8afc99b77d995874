/** The kernel's dead-man's switch: a VIP passes traffic only as long as somebody keeps renewing it. */

import { SystemCallError } from '../host/libc.js';
import type { Vip } from './address.js';
import { type GuardElements, openGuardElements } from './guard-elements.js';
import { guardRules, guardTable } from './guard-rules.js';
import { Protocol } from './netlink-layouts.js';
import { hearNotices, type Notices } from './netlink-notices.js';
import { type Nftables, NftError, openNftables } from './nftables.js';

/**
 * The kernel stops passing packets this much before the deadline it is given: for the ticks it counts in, and for the
 * time between reading the clock here and the kernel's reading its own.
 */
export const GUARD_MARGIN_MS = 10;

/** A host so busy that the margin is overrun this many times in a row cannot keep a lease either. */
const MAX_ATTEMPTS = 3;

export interface GuardOptions {
  /** Names the tables: `vipd_GROUP`, families inet and arp. */
  readonly group: string;
  readonly vips: readonly Vip[];
  /** CLOCK_BOOTTIME in milliseconds; deadlines are on the same clock. */
  readonly now: () => number;
}

/**
 * shut: the old deadline has passed, in the kernel or by our clock, or could not be renewed; it stays shut until
 * `openUntil`. gone: another hand took the tables away a moment ago, and everything may pass: do what `watch` asks for.
 */
export type Refreshed = 'open' | 'shut' | 'gone';

/**
 * Every call is carried out when it returns, in about 0.1 ms. Deadlines are instants of `now`, not lengths, so that
 * time lost between reckoning and calling cannot lengthen them. All but `shut` and `remove` throw NftError.
 */
export interface Guard {
  /** Our tables anew: shut. Throws with what to install where nftables cannot be used. */
  readonly install: () => void;
  /** A promotion: pass traffic until the deadline. False where that is too near, or time ran out meanwhile: then shut. */
  readonly openUntil: (deadlineMs: number) => boolean;
  /** A renewed lease: pass traffic until the new deadline. */
  readonly refreshUntil: (deadlineMs: number) => Refreshed;
  /** Pass nothing. Where the tables are gone they are made anew, which is shut. False where that failed as well. */
  readonly shut: () => boolean;
  /** Takes our tables away: the VIPs are no longer guarded. Does not throw. */
  readonly remove: () => void;
  /**
   * Other VIPs from now on, in one transaction: what is open stays open until its deadline, for the VIPs of now. False
   * where that was too near: then shut. Throws NftError, and leaves all as it was, where nftables refuses.
   */
  readonly change: (vips: readonly Vip[]) => boolean;
  /** Traffic passes, by our clock. */
  readonly holds: () => boolean;
  /** New TCP connections to the VIPs are answered with a reset, those that stand go on: for a switchover. */
  readonly rejectNew: (on: boolean) => void;
  /** The tables are in the kernel as `install` made them. */
  readonly intact: () => boolean;
  /**
   * Tells when somebody changed or removed our tables (`nft flush ruleset`, a restart of nftables.service). They may
   * let everything pass then: take the VIPs off, `install`, and put them back under the lease.
   */
  readonly watch: (onGone: () => void) => void;
  /** Ends the watch and frees the library; leaves the tables, which shut by themselves. */
  readonly close: () => void;
}

/** What speaks to the kernel. */
interface GuardTools {
  readonly openNftables: () => Nftables;
  readonly openGuardElements: typeof openGuardElements;
}

export const createGuard = (
  { group, vips, now }: GuardOptions,
  tools: GuardTools = { openNftables, openGuardElements },
): Guard => {
  let rules = guardRules(group, vips);
  let library: Nftables | undefined;
  let opened: GuardElements | undefined;
  let installed = '';
  let closesAtMs = Number.NEGATIVE_INFINITY;
  let watched: Notices | undefined;

  const nft = (): Nftables => {
    library ??= tools.openNftables();
    return library;
  };

  const elements = (): GuardElements => {
    opened ??= tools.openGuardElements(rules);
    return opened;
  };

  const listed = (): string => rules.list.map((command) => nft().run(command)).join('\n');

  const install = (): void => {
    closesAtMs = Number.NEGATIVE_INFINITY;
    nft().run(rules.install);
    installed = listed();
  };

  const shut = (): boolean => {
    closesAtMs = Number.NEGATIVE_INFINITY;
    try {
      elements().shut();
      return true;
    } catch {
      try {
        install();
        return true;
      } catch {
        return false;
      }
    }
  };

  /**
   * The kernel counts a timeout from when it runs the commands. If this process was held up between reading the clock
   * and that, it counts too long; so the clock is read again straight after, and the time is set anew, or it is shut.
   */
  const passUntil = (deadlineMs: number, first: (timeoutMs: number) => void): boolean => {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const beforeMs = now();
      const timeoutMs = Math.floor(deadlineMs - GUARD_MARGIN_MS - beforeMs);
      if (timeoutMs <= 0) break;
      if (attempt === 1) first(timeoutMs);
      else elements().refresh(timeoutMs);
      if (now() - beforeMs <= GUARD_MARGIN_MS) {
        closesAtMs = deadlineMs - GUARD_MARGIN_MS;
        return true;
      }
    }
    shut();
    return false;
  };

  const intact = (): boolean => {
    try {
      return installed !== '' && listed() === installed;
    } catch {
      return false;
    }
  };

  const change = (next: readonly Vip[]): boolean => {
    const before = rules;
    rules = guardRules(group, next);
    if (installed === '') return true;
    try {
      if (now() < closesAtMs) {
        const { install: anew, open } = rules;
        opened?.use(rules);
        const openAnew = (timeoutMs: number) => nft().run(`${anew}\n${open(timeoutMs)}`);
        const passes = passUntil(closesAtMs + GUARD_MARGIN_MS, openAnew);
        installed = listed();
        return passes;
      }
      opened?.use(rules);
      install();
      return true;
    } catch (error) {
      rules = before;
      opened?.use(rules);
      throw error;
    }
  };

  return {
    install,
    change,
    openUntil: (deadlineMs) => {
      try {
        return passUntil(deadlineMs, elements().open);
      } catch (error) {
        shut();
        throw error;
      }
    },
    refreshUntil: (deadlineMs) => {
      if (now() >= closesAtMs) {
        shut();
        return 'shut';
      }
      try {
        return passUntil(deadlineMs, elements().refresh) ? 'open' : 'shut';
      } catch (error) {
        // A socket that cannot be had or read (EMFILE, ENOBUFS): nobody knows what the kernel made of it.
        if (!(error instanceof NftError || error instanceof SystemCallError)) throw error;
        if (error instanceof NftError && !intact()) return 'gone';
        shut();
        return 'shut';
      }
    },
    shut,
    remove: () => {
      closesAtMs = Number.NEGATIVE_INFINITY;
      installed = '';
      try {
        nft().run(rules.remove);
      } catch {
        // Without nftables there is nothing of ours to remove.
      }
    },
    holds: () => now() < closesAtMs,
    rejectNew: (on) => {
      elements().refuse(on);
    },
    intact,
    watch: (onGone) => {
      watched?.close();
      watched = watchRuleset(guardTable(group), elements().port, () => {
        if (installed !== '' && !intact()) onGone();
      });
    },
    close: () => {
      watched?.close();
      watched = undefined;
      library?.close();
      library = undefined;
      opened?.close();
      opened = undefined;
    },
  };
};

/** Of linux/netfilter/nfnetlink.h and nf_tables.h. */
const GROUP_NFTABLES = 7;
const SUBSYSTEM_NFTABLES = 10;
const NFGENMSG_BYTES = 4;
const ATTRIBUTE_HEADER_BYTES = 4;
/** Changes that can open a guard: NFT_MSG_NEWTABLE (it may be made dormant), DELTABLE, DELCHAIN, NEWRULE, DELRULE, DELSET. */
const CHANGES: readonly number[] = [0, 2, 5, 6, 8, 11];

/**
 * Each of these messages begins, after struct nfgenmsg, with the table's name as its attribute 1; later ones are told by
 * the caller's comparison. Refreshes, by which nothing else is changed, come from `ownPort` and are not even heard.
 */
const watchRuleset = (table: string, ownPort: number, onChange: () => void): Notices => {
  const name = Buffer.from(`${table}\0`);
  let checking: NodeJS.Immediate | undefined;
  // Once for a whole transaction: when its first notice comes, all of it has been carried out.
  const check = (): void => {
    checking ??= setImmediate(() => {
      checking = undefined;
      onChange();
    });
  };
  const concerns = (type: number, data: Buffer): boolean => {
    if (type >> 8 !== SUBSYSTEM_NFTABLES || !CHANGES.includes(type & 0xff)) return false;
    const at = NFGENMSG_BYTES + ATTRIBUTE_HEADER_BYTES;
    return data.subarray(at, at + name.length).equals(name);
  };
  const notices = hearNotices({
    protocol: Protocol.NETFILTER,
    groups: [GROUP_NFTABLES],
    exceptFrom: ownPort,
    what: `watching the nftables of ${table}`,
    onNotice: (notice) => {
      if (concerns(notice.type, notice.data)) check();
    },
    onLost: check,
  });
  return {
    close: () => {
      notices.close();
      if (checking !== undefined) clearImmediate(checking);
    },
  };
};
