/** What the kernel of a node does for the VIP whatever its agent does: the guard's timeout and the address's lifetime. */

/** The guard shuts this long before the lease ends (protocol.md, The guard). */
const GUARD_MARGIN_MS = 10;
/** Behind the guard the address's lifetime only tidies up (src/agent/address.ts). */
const LONG_LIFETIME_SECONDS = 15;
const LONG_REFRESH_MS = 5_000;
/** Without nftables it is all there is. */
const SHORT_REFRESH_MS = 500;
/** The kernel takes an address off up to this much late (docs/decisions/0014); here it always does. */
const ADDRESS_LATE_MS = 250;

/** What of the guard is wrong on purpose. */
export type GuardFault = 'stale-clock';

/** What stands behind the lease on every node of a group. */
export interface Guarding {
  /** `guard:` of the configuration; with `address` only the lifetime of the address. */
  readonly kind: 'nftables' | 'address';
  readonly lifetimeMs: number;
  readonly refreshMs: number;
  readonly fault: GuardFault | null;
}

/** `shortLifetimeSeconds`: what the core reckons with where the lifetime is all there is. */
export const createGuarding = (
  kind: Guarding['kind'],
  leaseMs: number,
  shortLifetimeSeconds: number,
  fault: GuardFault | null,
): Guarding => {
  const seconds = kind === 'address' ? shortLifetimeSeconds : Math.ceil(leaseMs / 1_000) + LONG_LIFETIME_SECONDS;
  const refreshMs = kind === 'address' ? SHORT_REFRESH_MS : LONG_REFRESH_MS;
  return { kind, lifetimeMs: seconds * 1_000, refreshMs, fault };
};

/** For how long it may still let traffic through when nothing is done to it any more, at most. */
export const openAtMostMs = (guarding: Guarding, leaseMs: number): number =>
  guarding.kind === 'address' ? guarding.lifetimeMs + ADDRESS_LATE_MS : leaseMs;

/** All times are the node's own clock. */
export interface Kernel {
  /** The agent means to hold the VIP: renewals refresh the guard. Forgotten when the agent dies. */
  holding: boolean;
  /** As the agent knows it. */
  leaseUntil: number;
  guardUntil: number;
  addressUntil: number;
  refreshedAt: number;
  /** Rises when connections are destroyed: whoever waits on an earlier one hears nothing any more. */
  connections: number;
  /** Neither address nor guard can be changed; and the true time by which the agent has asked again. */
  stuck: boolean;
  stuckUntil: number;
}

export const createKernel = (): Kernel => ({
  holding: false,
  leaseUntil: Number.NEGATIVE_INFINITY,
  guardUntil: Number.NEGATIVE_INFINITY,
  addressUntil: Number.NEGATIVE_INFINITY,
  refreshedAt: Number.NEGATIVE_INFINITY,
  connections: 0,
  stuck: false,
  stuckUntil: Number.NEGATIVE_INFINITY,
});

/** Clients reach this node by the VIP. */
export const passes = (kernel: Kernel, guarding: Guarding, local: number): boolean =>
  local < kernel.addressUntil && (guarding.kind === 'address' || local < kernel.guardUntil);

/** First half of `vip-on`: the guard, for what is left of the lease. False: too little. */
export const openGuard = (kernel: Kernel, guarding: Guarding, local: number, leaseUntil: number): boolean => {
  kernel.leaseUntil = leaseUntil;
  if (local >= leaseUntil) return false;
  if (guarding.kind === 'nftables') {
    if (leaseUntil - GUARD_MARGIN_MS <= local) return false;
    kernel.guardUntil = leaseUntil - GUARD_MARGIN_MS;
  }
  kernel.holding = true;
  return true;
};

/** Second half: the addresses. False: the lease was over meanwhile, or the VIP given up; then they must go again. */
export const addAddress = (kernel: Kernel, guarding: Guarding, local: number): boolean => {
  if (!kernel.holding) return false;
  setLifetime(kernel, guarding, local);
  return local < kernel.leaseUntil && passes(kernel, guarding, local);
};

const setLifetime = (kernel: Kernel, guarding: Guarding, local: number): void => {
  kernel.refreshedAt = local;
  kernel.addressUntil = local + guarding.lifetimeMs + ADDRESS_LATE_MS;
};

/** A renewal: deletes and adds in one transaction, which fails once the element has run out. False: it had. */
export const refreshGuard = (
  kernel: Kernel,
  guarding: Guarding,
  local: number,
  readAt: number,
  leaseUntil: number,
): boolean => {
  kernel.leaseUntil = leaseUntil;
  if (!kernel.holding) return true;
  if (guarding.kind === 'nftables' && !refreshElement(kernel, guarding, local, readAt, leaseUntil)) return false;
  // What the kernel has taken off is not put on again by a refresh.
  const due = local < leaseUntil && local - kernel.refreshedAt >= guarding.refreshMs;
  if (due && local < kernel.addressUntil) setLifetime(kernel, guarding, local);
  return true;
};

const refreshElement = (
  kernel: Kernel,
  { fault }: Guarding,
  local: number,
  readAt: number,
  leaseUntil: number,
): boolean => {
  if (fault === 'stale-clock') {
    // The kernel counts a timeout from when it is told, whenever the clock was read that it was reckoned from.
    kernel.guardUntil = local + (leaseUntil - GUARD_MARGIN_MS - readAt);
    return true;
  }
  if (local >= kernel.guardUntil || leaseUntil - GUARD_MARGIN_MS <= local) {
    if (!kernel.stuck) kernel.guardUntil = Number.NEGATIVE_INFINITY;
    return false;
  }
  kernel.guardUntil = leaseUntil - GUARD_MARGIN_MS;
  return true;
};

/** `vip-off`: guard shut, connections reset, addresses gone. False: the kernel refused. */
export const shutKernel = (kernel: Kernel): boolean => {
  kernel.holding = false;
  if (kernel.stuck) return false;
  kernel.guardUntil = Number.NEGATIVE_INFINITY;
  kernel.addressUntil = Number.NEGATIVE_INFINITY;
  kernel.connections += 1;
  return true;
};
