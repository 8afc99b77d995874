/** Asks the link whether anybody answers for a VIP before it is taken, without changing anybody's tables. */

import { canonicalAddress, type Mac, type Vip } from './address.js';
import { arpProbe, type Claim, neighbourProbe } from './frame.js';
import { type Interface, listInterfaces, requireInterfaces, withRouteChannel } from './interfaces.js';
import { type ClaimListener, listenForClaims, openFrameSender } from './packet.js';

export interface ProbeOptions {
  /** How long answers are waited for. A host on the same link answers in well under a millisecond when it is idle. */
  readonly timeoutMs: number;
  /** Hardware addresses of the peer on that link, as far as they are known. */
  readonly peerMacs: readonly Mac[];
  /** Milliseconds; only differences are used. */
  readonly now: () => number;
}

export interface ProbeAnswer extends Claim {
  readonly from: 'peer' | 'stranger';
  readonly afterMs: number;
}

export type ProbeResult =
  | { readonly kind: 'nobody' }
  /** At least one; the first of each address and hardware address. */
  | { readonly kind: 'answered'; readonly answers: readonly ProbeAnswer[] };

/** Distinct holders kept; more do not change the verdict. */
const MAX_ANSWERS = 64;

/**
 * One ARP probe (RFC 5227 2.1.1) for each IPv4 VIP and one neighbour solicitation (RFC 4862 5.4.2) for each IPv6 VIP.
 * Any claim of a VIP that comes within the time counts as an answer, also one that was not asked for.
 * Rejects where an interface is missing or down, or packet sockets are not allowed: then nothing is known.
 */
export const probeForStranger = async (vips: readonly Vip[], options: ProbeOptions): Promise<ProbeResult> => {
  const { links, ownMacs } = withRouteChannel('probing for a stranger', (channel) => ({
    links: requireInterfaces(
      channel,
      vips.map((vip) => vip.interface),
    ),
    ownMacs: listInterfaces(channel).flatMap((link) => link.mac ?? []),
  }));
  const startedMs = options.now();
  const answers = new Map<string, ProbeAnswer>();
  const hear = (claim: Claim): void => {
    const key = `${claim.address} ${claim.mac}`;
    if (ownMacs.includes(claim.mac) || answers.has(key) || answers.size >= MAX_ANSWERS) return;
    const from = options.peerMacs.includes(claim.mac) ? 'peer' : 'stranger';
    answers.set(key, { ...claim, from, afterMs: options.now() - startedMs });
  };

  const listeners: ClaimListener[] = [];
  const sender = openFrameSender();
  try {
    vips.forEach((vip, i) => {
      const link = links[i];
      if (link !== undefined) listeners.push(...listenFor(vip, link, hear));
    });
    vips.forEach((vip, i) => {
      const link = links[i];
      if (link === undefined || link.mac === null) return;
      sender.send(
        link.index,
        vip.family === 4 ? arpProbe(vip.address, link.mac) : neighbourProbe(vip.address, link.mac),
      );
    });
    await new Promise((resolve) => setTimeout(resolve, options.timeoutMs));
    // A busy event loop may run the timer before it has looked at the sockets.
    for (const listener of listeners) listener.drain();
  } finally {
    for (const listener of listeners) listener.close();
    sender.close();
  }
  return answers.size === 0 ? { kind: 'nobody' } : { kind: 'answered', answers: [...answers.values()] };
};

const listenFor = (vip: Vip, link: Interface, hear: (claim: Claim) => void): readonly ClaimListener[] => {
  if (link.mac === null) return [];
  return [
    listenForClaims({
      interfaceIndex: link.index,
      family: vip.family,
      addresses: [canonicalAddress(vip.address)],
      onClaim: hear,
      // The link went down meanwhile: what was heard counts, and link watching tells the rest.
      onFault: () => undefined,
    }),
  ];
};
