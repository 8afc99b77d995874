/** Holds the VIPs for the agent: guard, addresses, announcements and sockets, moved together and in the right order. */

import type { Event, Outcome } from '../core/event.js';
import { addressLifetimeSeconds } from '../core/timing.js';
import type { Instant, Millis } from '../core/types.js';
import { canonicalAddress, type Vip } from '../net/address.js';
import { createGuard, type Guard } from '../net/guard.js';
import { createSocketDestroyer } from '../net/sockets.js';
import { createVips } from '../net/vip.js';
import { createVipProbe, questionsFor, type VipProbe } from './probe.js';
import { createRefusal } from './refusal.js';
import { createLineLimit } from './tellings.js';
import { createVipParts, linksOf, type VipParts } from './vip-parts.js';

export interface AddressOptions {
  readonly group: string;
  readonly vips: readonly Vip[];
  /** The other set, which another holder has. */
  readonly siblings: () => readonly Vip[];
  /** `address`: no nftables here; only the lifetimes of the addresses stand behind the lease. */
  readonly guard: 'nftables' | 'address';
  readonly leaseMs: Millis;
  /** The peer's addresses, by which its answer to a probe is told from a stranger's. */
  readonly peerAddresses: readonly string[];
  readonly now: () => Instant;
  readonly emit: (event: Event) => void;
  readonly log: (level: 'info' | 'warn' | 'error', text: string) => void;
}

export interface AddressHolder {
  /** Guard in place and shut, VIPs off, links watched. Survives a missing interface or nftables: then unfit, and says so. */
  readonly open: () => Promise<void>;
  /** VIPs on under this lease, verified, announced. */
  readonly on: (leaseUntil: Instant) => Promise<Outcome>;
  /** Guard shut, sockets reset, VIPs off; all asked of the kernel before this returns its promise. */
  readonly off: () => Promise<Outcome>;
  /** A renewed lease. False: the guard had shut already, and what it guarded must be fenced. */
  readonly renew: (leaseUntil: Instant) => boolean;
  /**
   * New connections are answered with a reset, those that stand go on: while a planned move shuts clients out. What the
   * kernel does not take is tried again, and told in `state`.
   */
  readonly rejectNew: (on: boolean) => void;
  /** Who answers for the VIPs? ok: nobody, or nobody any more but the peer. */
  readonly probe: VipProbe;
  readonly state: () => AddressState;
  /** Those VIPs that are on now, as the kernel says; none where it does not. */
  readonly present: () => Promise<readonly string[]>;
  /** Before {@link change}: rejects where somebody answers for one of these that this node, which holds the others, has not. */
  readonly mayAdd: (vips: readonly Vip[]) => Promise<void>;
  /**
   * Other VIPs from now on; those in both sets pass traffic all the while. Answers the links that carry them. Rejects
   * with the reason, and with the old ones as they were, where one of the new cannot be had. Nothing in it waits: each call
   * has been carried out when it returns its promise, so no lease can end, and no move begin, between.
   */
  readonly change: (vips: readonly Vip[]) => Promise<readonly string[]>;
  readonly close: () => void;
}

export interface AddressState {
  readonly holding: boolean;
  readonly since: Instant | null;
  readonly announcedAt: Instant | null;
  readonly guard: { readonly armed: boolean; readonly detail: string };
  /** The kernel takes the addresses off by itself where the agent is gone. */
  readonly lifetimes: { readonly armed: boolean; readonly detail: string };
  readonly error: string;
}

/** Without nftables the lifetime is all there is: as short as whole seconds above the lease can be. */
const SHORT_REFRESH_MS = 500;
/**
 * Behind the guard it only tidies up after an agent that is gone. Each refresh waits for the kernel's one lock for all
 * network configuration (rtnl), which a host that makes and removes containers can hold for a tenth of a second.
 */
const LONG_REFRESH_MS = 5_000;
const LONG_LIFETIME_SECONDS = 15;
const REOPEN_MS = 5_000;

export const createAddressHolder = (options: AddressOptions): AddressHolder => {
  const { now, emit, log } = options;
  const guard: Guard | null =
    options.guard === 'nftables' ? createGuard({ group: options.group, vips: options.vips, now }) : null;
  const guarded = options.guard === 'nftables';
  const lifetimeSeconds = guarded
    ? Math.ceil(options.leaseMs / 1_000) + LONG_LIFETIME_SECONDS
    : addressLifetimeSeconds(options.leaseMs);
  const refreshMs = guarded ? LONG_REFRESH_MS : SHORT_REFRESH_MS;
  const lifetime = { lifetimeSeconds };
  const link = questionsFor(options.peerAddresses, now);
  let holding = false;
  let since: Instant | null = null;
  let announcedAt: Instant | null = null;
  let leaseUntil: Instant = 0;
  let refreshedAt: Instant = 0;
  let error = '';
  let refreshError = '';
  let guardDetail = guard
    ? 'not installed yet'
    : 'guard: address; only the lifetimes of the addresses stand behind the lease';
  let guardReady = false;
  let watched = false;
  let reopen: NodeJS.Timeout | null = null;
  let guardRetry: NodeJS.Timeout | null = null;
  const holds = (): boolean => holding && now() < leaseUntil && (guard?.holds() ?? true);

  const limit = createLineLimit(now);
  /** What others can cause as often as they like. */
  const logOften = (level: 'warn' | 'error', name: string, text: string): void => {
    const line = limit(name, text);
    if (line !== null) log(level, line);
  };

  /** Without its tables in place there is nothing that refuses, and those made later do not. */
  const refusal = createRefusal({
    refuse: (on) => {
      if (guardReady) guard?.rejectNew(on);
    },
    log: (level, text) => (level === 'info' ? log(level, text) : logOften(level, 'refusal', text)),
  });

  /** A restored address is announced again: somebody may have heard otherwise meanwhile. */
  const putBack = async (address: string): Promise<void> => {
    if (!holds()) return;
    try {
      await parts.vips.add(lifetime);
      if (!holds()) return void (await parts.vips.remove());
      announce();
      emit({ type: 'vip-lost', address, restored: true });
    } catch (cause) {
      error = `putting ${address} back: ${messageOf(cause)}`;
      emit({ type: 'vip-lost', address: error, restored: false });
    }
  };

  const makeParts = (configured: readonly Vip[]): VipParts =>
    createVipParts(configured, {
      siblings: options.siblings,
      holds,
      mayHold: () => holding,
      now,
      emit,
      announce: () => announce(),
      putBack: (address) => void putBack(address),
      log,
      logOften,
    });
  let parts = makeParts(options.vips);

  const announce = (): void => {
    parts.announcer.start();
    announcedAt = now();
  };

  /** Tables of ours were flushed by another hand: nothing may pass until they stand again. */
  const onGuardGone = (): void => {
    if (!guard) return;
    const held = holding;
    void parts.vips.remove().catch(() => undefined);
    installGuard();
    if (guardReady)
      logOften('error', 'guard', 'the guard was removed from nftables by another hand; it was built anew');
    if (!held) return;
    if (reopenGuard(guard)) void putBack('guard');
    else emit({ type: 'vip-lost', address: 'the guard could not be opened again', restored: false });
  };

  const reopenGuard = (tables: Guard): boolean => {
    try {
      return guardReady && now() < leaseUntil && tables.openUntil(leaseUntil);
    } catch (cause) {
      log('error', messageOf(cause));
      return false;
    }
  };

  const installGuard = (): void => {
    if (!guard) return;
    try {
      guard.install();
      guardReady = true;
      guardDetail = 'installed';
    } catch (cause) {
      const why = messageOf(cause);
      // Told once, and tried again for as long as it takes.
      if (guardReady || guardDetail !== why)
        log('error', `the guard cannot be used, so this node will not be active: ${why}`);
      guardReady = false;
      guardDetail = why;
    }
    emit({ type: 'check', name: 'guard', ok: guardReady, detail: guardDetail });
    if (guardReady && !watched) guard.watch(onGuardGone);
    watched = watched || guardReady;
    if (guardRetry) clearTimeout(guardRetry);
    guardRetry = guardReady ? null : setTimeout(installGuard, REOPEN_MS);
  };

  const openVips = async (): Promise<void> => {
    try {
      await parts.vips.open();
      if (!holding) await parts.vips.remove();
      error = '';
    } catch (cause) {
      error = messageOf(cause);
      log('error', `${error}; tried again in ${REOPEN_MS / 1_000} s`);
      reopen = setTimeout(() => void openVips(), REOPEN_MS);
    }
  };

  const refreshLifetimes = async (): Promise<void> => {
    try {
      await parts.vips.refresh(lifetimeSeconds);
      refreshError = '';
    } catch (cause) {
      refreshError = messageOf(cause);
      log('error', refreshError);
    }
  };

  const lifetimes = (): AddressState['lifetimes'] => {
    const detail = `the kernel takes the addresses off ${lifetimeSeconds} s after they were last renewed`;
    return refreshError === '' ? { armed: true, detail } : { armed: false, detail: refreshError };
  };

  const guardState = (): AddressState['guard'] => {
    const refused = refusal.problem();
    if (refused !== '') return { armed: false, detail: `new clients may still be refused: ${refused}` };
    return { armed: guardReady && (!holding || (guard?.holds() ?? false)), detail: guardDetail };
  };

  const changeGuard = (vips: readonly Vip[]): void => {
    if (guard && !guard.change(vips)) log('error', 'the lease was too short to keep the guard open; it is shut');
  };

  /** On a node that holds none, nothing is put on. */
  const putOn = async (added: readonly Vip[]): Promise<void> => {
    if (!holding || added.length === 0) return;
    const vips = createVips({ vips: added, siblings: options.siblings });
    try {
      await vips.add(lifetime);
    } catch (cause) {
      await vips.remove().catch(() => undefined);
      throw cause;
    } finally {
      vips.close();
    }
  };

  const takeOff = async (gone: readonly Vip[]): Promise<void> => {
    if (gone.length === 0) return;
    const vips = createVips({ vips: gone });
    const sockets = createSocketDestroyer({ vips: gone, onUnsupported: (text) => log('warn', text) });
    sockets.destroy();
    await vips.remove().catch((cause: unknown) => log('error', messageOf(cause)));
    sockets.close();
    vips.close();
  };

  return {
    open: async () => {
      installGuard();
      if (!guard) emit({ type: 'check', name: 'guard', ok: true, detail: guardDetail });
      await openVips();
      parts.links.start();
    },

    on: async (until) => {
      leaseUntil = until;
      if (now() >= until || (guard && !guard.openUntil(until)))
        return { ok: false, detail: 'the lease was too short to open the guard' };
      holding = true;
      since = now();
      refreshedAt = now();
      try {
        await parts.vips.add(lifetime);
        // Everything may have changed while the kernel answered.
        if (!holds()) return { ok: false, detail: 'the lease ran out while the VIP was put on' };
        announce();
        error = '';
        return { ok: true, detail: `${parts.configured.map((vip) => vip.address).join(', ')} on and announced` };
      } catch (cause) {
        error = messageOf(cause);
        return { ok: false, detail: error };
      }
    },

    off: async () => {
      holding = false;
      refreshError = '';
      since = null;
      const shut = guard?.shut() ?? true;
      parts.announcer.stop();
      const reset = parts.sockets.destroy();
      try {
        await parts.vips.remove();
        error = '';
        return {
          ok: true,
          detail: `VIP off${reset > 0 ? `, ${reset} connections reset` : ''}${shut ? '' : '; the guard could not be shut'}`,
        };
      } catch (cause) {
        error = messageOf(cause);
        return { ok: false, detail: guard ? `${error}${shut ? '; the guard is shut' : ''}` : error };
      }
    },

    renew: (until) => {
      leaseUntil = until;
      if (!holding) return true;
      const refreshed = guard?.refreshUntil(until) ?? 'open';
      if (refreshed === 'shut') return false;
      // The notice of it is still on its way: a restart of nftables.service flushes twice.
      if (refreshed === 'gone') onGuardGone();
      // A lifetime begun after the lease's end would outlast the voters' promise, which `guard: address` lives by.
      if (now() < until && now() - refreshedAt >= refreshMs) {
        refreshedAt = now();
        void refreshLifetimes();
      }
      return true;
    },

    rejectNew: refusal.set,

    probe: createVipProbe({ vips: () => parts.configured, now, link }),

    state: () => ({
      holding,
      since,
      announcedAt,
      error,
      guard: guardState(),
      lifetimes: lifetimes(),
    }),

    mayAdd: async (next) => {
      const added = without(next, parts.configured);
      if (!holding || added.length === 0) return;
      const nobody = await link.nobody(added);
      if (!nobody.ok) throw new Error(nobody.detail);
    },

    change: async (next) => {
      const before = parts.configured;
      const added = without(next, before);
      const fresh = makeParts(next);
      try {
        await fresh.vips.open();
        changeGuard([...before, ...added]);
        await putOn(added);
      } catch (cause) {
        fresh.close();
        changeGuard(before);
        throw cause;
      }
      parts.close();
      await takeOff(without(before, next));
      parts = fresh;
      // All that counts is done: what fails now is told, and undoes nothing.
      try {
        changeGuard(next);
        parts.links.start();
        if (holds()) announce();
      } catch (cause) {
        log('error', messageOf(cause));
      }
      return linksOf(next);
    },

    present: () => parts.vips.present().catch(() => []),

    close: () => {
      if (reopen) clearTimeout(reopen);
      if (guardRetry) clearTimeout(guardRetry);
      refusal.close();
      parts.close();
      guard?.close();
    },
  };
};

/** Those of `vips` whose address is in none of `others`. */
const without = (vips: readonly Vip[], others: readonly Vip[]): readonly Vip[] => {
  const known = new Set(others.map((vip) => canonicalAddress(vip.address)));
  return vips.filter((vip) => !known.has(canonicalAddress(vip.address)));
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
