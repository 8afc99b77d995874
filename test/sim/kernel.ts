/** What the kernel of a node does for the VIP whatever its agent does: the guard's timeout and the address's lifetime. */

/** The guard shuts this long before the lease ends (protocol.md, The guard). */
const GUARD_MARGIN_MS = 10;
/** Whole seconds above the lease for the address itself, and how often it is set anew. */
const LIFETIME_MARGIN_SECONDS = 2;
const LIFETIME_REFRESH_MS = 1_000;

/** How the guard is handled; anything but `kernel` is a planted fault. */
export type GuardKind = 'kernel' | 'stale-clock';

/** All times are the node's own clock. */
export interface Kernel {
  /** The agent means to hold the VIP: renewals refresh the guard. Forgotten when the agent dies. */
  holding: boolean;
  guardUntil: number;
  addressUntil: number;
  refreshedAt: number;
  /** Rises when connections are destroyed: whoever waits on an earlier one hears nothing any more. */
  connections: number;
  /** Neither address nor guard can be changed. */
  stuck: boolean;
}

export const createKernel = (): Kernel => ({
  holding: false,
  guardUntil: Number.NEGATIVE_INFINITY,
  addressUntil: Number.NEGATIVE_INFINITY,
  refreshedAt: Number.NEGATIVE_INFINITY,
  connections: 0,
  stuck: false,
});

/** Clients reach this node by the VIP. */
export const passes = (kernel: Kernel, local: number): boolean =>
  local < kernel.guardUntil && local < kernel.addressUntil;

/** First half of `vip-on`: the guard, for what is left of the lease. False: too little. */
export const openGuard = (kernel: Kernel, local: number, leaseUntil: number): boolean => {
  if (leaseUntil - GUARD_MARGIN_MS <= local) return false;
  kernel.guardUntil = leaseUntil - GUARD_MARGIN_MS;
  kernel.holding = true;
  return true;
};

/** Second half: the addresses. False: it was shut meanwhile. */
export const addAddress = (kernel: Kernel, local: number, leaseMs: number): boolean => {
  if (!kernel.holding || local >= kernel.guardUntil) return false;
  setLifetime(kernel, local, leaseMs);
  return true;
};

const setLifetime = (kernel: Kernel, local: number, leaseMs: number): void => {
  kernel.refreshedAt = local;
  kernel.addressUntil = local + (Math.ceil(leaseMs / 1_000) + LIFETIME_MARGIN_SECONDS) * 1_000;
};

/** A renewal: deletes and adds in one transaction, which fails once the element has run out. False: it had. */
export const refreshGuard = (
  kernel: Kernel,
  local: number,
  readAt: number,
  leaseUntil: number,
  leaseMs: number,
  kind: GuardKind,
): boolean => {
  if (!kernel.holding) return true;
  if (kind === 'kernel' && (local >= kernel.guardUntil || leaseUntil - GUARD_MARGIN_MS <= local)) {
    if (!kernel.stuck) kernel.guardUntil = Number.NEGATIVE_INFINITY;
    return false;
  }
  // The kernel counts a timeout from when it is told, whenever the clock was read that it was reckoned from.
  kernel.guardUntil =
    kind === 'stale-clock' ? local + (leaseUntil - GUARD_MARGIN_MS - readAt) : leaseUntil - GUARD_MARGIN_MS;
  if (local - kernel.refreshedAt >= LIFETIME_REFRESH_MS && local < kernel.addressUntil)
    setLifetime(kernel, local, leaseMs);
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
