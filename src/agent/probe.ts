/** Who answers for the VIPs on their link, asked before they are taken. */

import type { Outcome } from '../core/event.js';
import type { Instant } from '../core/types.js';
import { canonicalAddress, type Vip } from '../net/address.js';
import { lookupMac } from '../net/interfaces.js';
import { probeForStranger } from '../net/stranger.js';

/** How long one probe listens; the peer's answer means that its guard is still open, and is asked again. */
const PROBE_MS = 20;
const PROBE_ATTEMPTS = 25;

/** For so long nobody but the peer having answered stands: from the final position on, a planned move takes less. */
const AHEAD_MS = 1_000;

export interface VipProbe {
  /** A planned move is on its way here: who answers beside the peer, asked while the peer still holds the VIPs. */
  readonly askAhead: () => void;
  /** `peerGaveUp`: its own word, so that only a stranger is looked for. */
  readonly ask: (peerGaveUp: boolean) => Promise<Outcome>;
}

export interface VipProbeOptions {
  /** Asked at each probe: they may change meanwhile. */
  readonly vips: () => readonly Vip[];
  readonly now: () => Instant;
  readonly link: LinkQuestions;
}

/** What is asked of the link; neither rejects. */
export interface LinkQuestions {
  /** Once. False where it is not known, whatever the reason. */
  readonly nobodyButPeer: (vips: readonly Vip[]) => Promise<boolean>;
  /** ok: nobody, or nobody any more but the peer, which is waited for. */
  readonly nobody: (vips: readonly Vip[]) => Promise<Outcome>;
}

export const questionsFor = (peerAddresses: readonly string[], now: () => Instant): LinkQuestions => ({
  nobodyButPeer: (vips) => nobodyButPeer(vips, peerAddresses, now),
  nobody: (vips) => probeVips(vips, peerAddresses, now),
});

export const createVipProbe = ({ vips, now, link }: VipProbeOptions): VipProbe => {
  let ahead: { readonly vips: readonly Vip[]; readonly at: Instant; readonly nobody: Promise<boolean> } | null = null;
  return {
    askAhead: () => {
      const asked = vips();
      ahead = { vips: asked, at: now(), nobody: link.nobodyButPeer(asked) };
    },
    ask: async (peerGaveUp) => {
      const known = ahead;
      ahead = null;
      const stands = peerGaveUp && known !== null && known.vips === vips() && now() - known.at < AHEAD_MS;
      if (stands && (await known.nobody)) return { ok: true, detail: 'nobody but the peer answered for the VIP' };
      return link.nobody(vips());
    },
  };
};

const nobodyButPeer = async (
  vips: readonly Vip[],
  peerAddresses: readonly string[],
  now: () => Instant,
): Promise<boolean> => {
  try {
    const peerMacs = await macsOf(peerAddresses, vips);
    const result = await probeForStranger(vips, { timeoutMs: PROBE_MS, peerMacs, now });
    return result.kind === 'nobody' || result.answers.every((answer) => answer.from === 'peer');
  } catch {
    return false;
  }
};

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
