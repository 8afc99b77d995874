/** What `status` says of the addresses: the VIPs, and the standby VIP with where it is and why. */

import type { GuardLayer, StandbyVipStatus, VipStatus } from '../control/status.js';
import { describeStandbyVip, standbyVipUntil } from '../core/standby-vip.js';
import type { NodeState } from '../core/state.js';
import type { AddressState } from './address.js';
import type { StatusFacts } from './status.js';

/** An address as configured. */
interface Configured {
  readonly address: string;
  readonly interface: string;
}

/** What one address holder says, and which of its addresses the kernel has. */
interface Held {
  readonly address: AddressState;
  readonly present: readonly string[];
}

export const vipStatus = ({ momentOf }: StatusFacts, { address, present }: Held, vip: Configured): VipStatus => {
  const here = present.includes(vip.address.split('/')[0] ?? '');
  return {
    address: vip.address,
    interface: vip.interface,
    present: here,
    since: here && address.since !== null ? momentOf(address.since) : null,
    announced: address.announcedAt === null ? null : momentOf(address.announcedAt),
    error: address.error,
  };
};

export const guardLayers = (kind: StatusFacts['guard'], address: AddressState): readonly GuardLayer[] => {
  const lifetimes = { name: 'address', ...address.lifetimes } as const;
  if (kind === 'address') return [lifetimes];
  return [{ name: 'nftables', ...address.guard }, lifetimes];
};

export const standbyVipStatus = (s: NodeState, facts: StatusFacts): StandbyVipStatus | null => {
  const { standbyVip, now, guard } = facts;
  if (!standbyVip || !s.standbyVip || !s.config.standbyVip) return null;
  const until = standbyVipUntil(s);
  return {
    ...describeStandbyVip(s, now),
    vips: standbyVip.vips.map((vip) => vipStatus(facts, standbyVip, vip)),
    maxLagMs: s.config.standbyVip.maxLagMs,
    leftMs: until > now ? until - now : null,
    guard: guardLayers(guard, standbyVip.address),
  };
};
