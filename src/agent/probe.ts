/** Who answers for the VIPs on their link, asked before they are taken. */

import type { Outcome } from '../core/event.js';
import type { Instant } from '../core/types.js';
import { canonicalAddress, type Vip } from '../net/address.js';
import { lookupMac } from '../net/interfaces.js';
import { probeForStranger } from '../net/stranger.js';

/** How long one probe listens; the peer's answer means that its guard is still open, and is asked again. */
const PROBE_MS = 20;
const PROBE_ATTEMPTS = 25;

/** For so long what was found ahead stands: from the final position on, and in an election, less time passes. */
const AHEAD_MS = 1_000;

/** Who answered; `unknown`: a stranger, or it could not be asked. */
type Found = 'nobody' | 'peer' | 'unknown';

export interface VipProbe {
  /** The VIPs may come here soon: who answers for them, asked while the peer may hold them still. */
  readonly askAhead: () => void;
  /** What was found is worth nothing any more. */
  readonly forget: () => void;
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
  /** Once. */
  readonly find: (vips: readonly Vip[]) => Promise<Found>;
  /** ok: nobody, or nobody any more but the peer, which is waited for. */
  readonly nobody: (vips: readonly Vip[]) => Promise<Outcome>;
}

export const questionsFor = (peerAddresses: readonly string[], now: () => Instant): LinkQuestions => ({
  find: (vips) => find(vips, peerAddresses, now),
  nobody: (vips) => probeVips(vips, peerAddresses, now),
});

export const createVipProbe = ({ vips, now, link }: VipProbeOptions): VipProbe => {
  let ahead: { readonly vips: readonly Vip[]; readonly at: Instant; readonly found: Promise<Found> } | null = null;
  return {
    askAhead: () => {
      const asked = vips();
      ahead = { vips: asked, at: now(), found: link.find(asked) };
    },
    forget: () => {
      ahead = null;
    },
    ask: async (peerGaveUp) => {
      const known = ahead;
      ahead = null;
      const stands = known !== null && known.vips === vips() && now() - known.at < AHEAD_MS;
      const found = stands ? await known.found : 'unknown';
      if (found === 'nobody') return { ok: true, detail: 'nobody answers for the VIP' };
      if (found === 'peer' && peerGaveUp) return { ok: true, detail: 'nobody but the peer answered for the VIP' };
      return link.nobody(vips());
    },
  };
};

const find = async (vips: readonly Vip[], peerAddresses: readonly string[], now: () => Instant): Promise<Found> => {
  try {
    const peerMacs = await macsOf(peerAddresses, vips);
    const result = await probeForStranger(vips, { timeoutMs: PROBE_MS, peerMacs, now });
    if (result.kind === 'nobody') return 'nobody';
    return result.answers.every((answer) => answer.from === 'peer') ? 'peer' : 'unknown';
  } catch {
    return 'unknown';
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
