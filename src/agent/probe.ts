/** Who answers for the VIPs on their link, asked before they are taken. */

import type { Outcome } from '../core/event.js';
import type { Instant } from '../core/types.js';
import { canonicalAddress, type Vip } from '../net/address.js';
import { lookupMac } from '../net/interfaces.js';
import { probeForStranger } from '../net/stranger.js';

/** How long one probe listens; the peer's answer means that its guard is still open, and is asked again. */
const PROBE_MS = 20;
const PROBE_ATTEMPTS = 25;

/** ok: nobody, or nobody any more but the peer. Never rejects. */
export const probeVips = async (
  vips: readonly Vip[],
  peerAddresses: readonly string[],
  now: () => Instant,
): Promise<Outcome> => {
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
    return {
      ok: false,
      detail: `asking who answers for the VIP: ${cause instanceof Error ? cause.message : String(cause)}`,
    };
  }
};

const macsOf = async (addresses: readonly string[], vips: readonly Vip[]): Promise<readonly string[]> => {
  const interfaces = [...new Set(vips.map((vip) => vip.interface))];
  const found = await Promise.all(addresses.flatMap((address) => interfaces.map((name) => lookupMac(address, name))));
  return found.filter((mac) => mac !== null);
};
