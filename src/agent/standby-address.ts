/** Holds the standby VIP for the agent: an address holder of its own, with a guard of its own, told in the core's words. */

import type { VipdConfig } from '../config/types.js';
import type { Event, Outcome } from '../core/event.js';
import type { Instant } from '../core/types.js';
import { standbyGuard } from '../net/guard-rules.js';
import { type AddressHolder, type AddressOptions, createAddressHolder } from './address.js';
import { createLineLimit } from './tellings.js';

export interface StandbyAddress extends Pick<AddressHolder, 'open' | 'off' | 'renew' | 'state' | 'present' | 'close'> {
  /** Asks who answers for it, then puts it on under the lease as it is after that. */
  readonly on: (signal: AbortSignal, leaseUntil: () => Instant) => Promise<Outcome>;
}

export type StandbyAddressOptions = Omit<AddressOptions, 'group' | 'vips' | 'guard' | 'peerAddresses'>;

/** Null: none is configured. */
export const createStandbyAddress = (config: VipdConfig, options: StandbyAddressOptions): StandbyAddress | null => {
  const { standbyVip, group, guard, peer } = config;
  if (standbyVip === null) return null;
  const holder = createAddressHolder({
    ...options,
    group: standbyGuard(group),
    vips: standbyVip.vips,
    guard,
    peerAddresses: [peer.address],
    emit: inWordsOfItsOwn(options),
    log: (level, text) => options.log(level, `standby VIP: ${text}`),
  });
  const { open, off, renew, state, present, close } = holder;
  return {
    open,
    off,
    renew,
    state,
    present,
    close,
    on: async (signal, leaseUntil) => {
      const nobody = await holder.probe.ask(false);
      if (!nobody.ok || signal.aborted) return nobody;
      return holder.on(leaseUntil());
    },
  };
};

/** A guard or a link that fails here is no reason to give the VIP up. */
const inWordsOfItsOwn = ({ emit, log, now }: StandbyAddressOptions): ((event: Event) => void) => {
  const limit = createLineLimit(now);
  const down = new Set<string>();
  let guard = '';
  const tell = (): void => {
    const [link] = down;
    emit({ type: 'standby-vip-usable', why: guard || (link === undefined ? '' : `link ${link} is down`) });
  };
  return (event) => {
    if (event.type === 'check') guard = event.ok ? '' : `its guard cannot be used: ${event.detail}`;
    else if (event.type === 'link') event.up ? down.delete(event.name) : down.add(event.name);
    else if (event.type === 'vip-lost' && event.restored) {
      const line = limit(event.address, `somebody took ${event.address} off; it was put back and announced`);
      if (line !== null) log('warn', `standby VIP: ${line}`);
      return;
    } else if (event.type === 'vip-lost') return emit({ type: 'standby-vip-lost', detail: event.address });
    else return emit(event);
    tell();
  };
};
