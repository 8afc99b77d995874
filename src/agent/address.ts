/** Holds the VIPs for the agent: guard, addresses, announcements and sockets, moved together and in the right order. */

import type { Event, Outcome } from '../core/event.js';
import { addressLifetimeSeconds } from '../core/timing.js';
import type { Instant, Millis } from '../core/types.js';
import { canonicalAddress, type Vip } from '../net/address.js';
import { type Announcer, createAnnouncer } from '../net/announce.js';
import { createGuard, type Guard } from '../net/guard.js';
import { lookupMac } from '../net/interfaces.js';
import { createLinkWatch, type LinkWatch } from '../net/links.js';
import { createSocketDestroyer, type SocketDestroyer } from '../net/sockets.js';
import { probeForStranger } from '../net/stranger.js';
import { createVips, type Vips } from '../net/vip.js';

export interface AddressOptions {
  readonly group: string;
  readonly vips: readonly Vip[];
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
  /** New connections are answered with a reset, those that stand go on: while a planned move shuts clients out. */
  readonly rejectNew: (on: boolean) => void;
  /** Who answers for the VIPs? ok: nobody, or nobody any more but the peer. */
  readonly probe: () => Promise<Outcome>;
  readonly state: () => AddressState;
  /** Those VIPs that are on now, as the kernel says; none where it does not. */
  readonly present: () => Promise<readonly string[]>;
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

/** How long one probe listens; the peer's answer means that its guard is still open, and is asked again. */
const PROBE_MS = 20;
const PROBE_ATTEMPTS = 25;
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
  const { vips: configured, now, emit, log } = options;
  const vips: Vips = createVips({ vips: configured, onNotice: (text) => log('warn', text) });
  const guard: Guard | null =
    options.guard === 'nftables' ? createGuard({ group: options.group, vips: configured, now }) : null;
  const sockets: SocketDestroyer = createSocketDestroyer({
    vips: configured,
    onUnsupported: (text) => log('warn', text),
  });
  const guarded = options.guard === 'nftables';
  const lifetimeSeconds = guarded
    ? Math.ceil(options.leaseMs / 1_000) + LONG_LIFETIME_SECONDS
    : addressLifetimeSeconds(options.leaseMs);
  const refreshMs = guarded ? LONG_REFRESH_MS : SHORT_REFRESH_MS;
  const lifetime = { lifetimeSeconds };
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

  const announcer: Announcer = createAnnouncer({
    vips: configured,
    holds,
    now,
    onForeignClaim: (claim) => log('warn', `${claim.mac} announced ${claim.address}, which this node holds; answered`),
    onFault: (text) => log('error', text),
  });

  /** A restored address is announced again: somebody may have heard otherwise meanwhile. */
  const putBack = async (address: string): Promise<void> => {
    if (!holds()) return;
    try {
      await vips.add(lifetime);
      if (!holds()) return void (await vips.remove());
      announce();
      emit({ type: 'vip-lost', address, restored: true });
    } catch (cause) {
      error = `putting ${address} back: ${messageOf(cause)}`;
      emit({ type: 'vip-lost', address: error, restored: false });
    }
  };

  const links: LinkWatch = createLinkWatch({
    interfaces: [...new Set(configured.map((vip) => vip.interface))],
    vips: configured,
    onLink: (name, up) => {
      emit({ type: 'link', name, up });
      if (up && holds()) announce();
    },
    onAddressRemoved: (address) => void putBack(address),
    onAddressAdded: (address, name) => {
      if (holding) return;
      log('warn', `${address} was put on ${name} by another hand while this node does not hold it; taking it off`);
      vips.remove().catch((cause: unknown) => log('error', messageOf(cause)));
    },
    onFault: (text) => log('error', text),
  });

  const announce = (): void => {
    announcer.start();
    announcedAt = now();
  };

  /** Tables of ours were flushed by another hand: nothing may pass until they stand again. */
  const onGuardGone = (): void => {
    if (!guard) return;
    const held = holding;
    void vips.remove().catch(() => undefined);
    installGuard();
    if (guardReady) log('error', 'the guard was removed from nftables by another hand; it was built anew');
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
      await vips.open();
      if (!holding) await vips.remove();
      error = '';
    } catch (cause) {
      error = messageOf(cause);
      log('error', `${error}; tried again in ${REOPEN_MS / 1_000} s`);
      reopen = setTimeout(() => void openVips(), REOPEN_MS);
    }
  };

  const refreshLifetimes = async (): Promise<void> => {
    try {
      await vips.refresh(lifetimeSeconds);
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

  return {
    open: async () => {
      installGuard();
      if (!guard) emit({ type: 'check', name: 'guard', ok: true, detail: guardDetail });
      await openVips();
      links.start();
    },

    on: async (until) => {
      leaseUntil = until;
      if (guard && !guard.openUntil(until)) return { ok: false, detail: 'the lease was too short to open the guard' };
      holding = true;
      since = now();
      refreshedAt = now();
      try {
        await vips.add(lifetime);
        // Everything may have changed while the kernel answered.
        if (!holds()) return { ok: false, detail: 'the lease ran out while the VIP was put on' };
        announce();
        error = '';
        return { ok: true, detail: `${configured.map((vip) => vip.address).join(', ')} on and announced` };
      } catch (cause) {
        error = messageOf(cause);
        return { ok: false, detail: error };
      }
    },

    off: async () => {
      holding = false;
      refreshError = '';
      since = null;
      announcer.stop();
      const shut = guard?.shut() ?? true;
      const reset = sockets.destroy();
      try {
        await vips.remove();
        error = '';
        return {
          ok: true,
          detail: `VIP off${reset > 0 ? `, ${reset} connections reset` : ''}${shut ? '' : '; the guard could not be shut'}`,
        };
      } catch (cause) {
        error = messageOf(cause);
        return { ok: false, detail: error };
      }
    },

    renew: (until) => {
      leaseUntil = until;
      if (!holding) return true;
      if (guard && !guard.refreshUntil(until)) return false;
      if (now() - refreshedAt >= refreshMs) {
        refreshedAt = now();
        void refreshLifetimes();
      }
      return true;
    },

    rejectNew: (on) => {
      try {
        if (guardReady) guard?.rejectNew(on);
      } catch (cause) {
        log('warn', messageOf(cause));
      }
    },

    probe: () => probe(options),

    state: () => ({
      holding,
      since,
      announcedAt,
      error,
      guard: { armed: guardReady && (!holding || (guard?.holds() ?? false)), detail: guardDetail },
      lifetimes: lifetimes(),
    }),

    present: () => vips.present().catch(() => []),

    close: () => {
      if (reopen) clearTimeout(reopen);
      if (guardRetry) clearTimeout(guardRetry);
      announcer.stop();
      links.close();
      sockets.close();
      vips.close();
      guard?.close();
    },
  };
};

const probe = async ({ vips, peerAddresses, now }: AddressOptions): Promise<Outcome> => {
  try {
    const peerMacs = await macsOf(peerAddresses, vips);
    for (let attempt = 1; attempt <= PROBE_ATTEMPTS; attempt += 1) {
      const result = await probeForStranger(vips, { timeoutMs: PROBE_MS, peerMacs, now });
      if (result.kind === 'nobody') return { ok: true, detail: 'nobody answers for the VIP' };
      const stranger = result.answers.find((answer) => answer.from === 'stranger');
      if (stranger)
        return {
          ok: false,
          detail: `a stranger, ${stranger.mac}, answers for ${canonicalAddress(stranger.address)}; find it and take the address off`,
        };
    }
    return { ok: false, detail: `the peer still answers for the VIP after ${PROBE_ATTEMPTS * PROBE_MS} ms` };
  } catch (cause) {
    return { ok: false, detail: `asking who answers for the VIP: ${messageOf(cause)}` };
  }
};

const macsOf = async (addresses: readonly string[], vips: readonly Vip[]): Promise<readonly string[]> => {
  const interfaces = [...new Set(vips.map((vip) => vip.interface))];
  const found = await Promise.all(addresses.flatMap((address) => interfaces.map((name) => lookupMac(address, name))));
  return found.filter((mac) => mac !== null);
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
