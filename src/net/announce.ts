/** Tells the link who holds the VIPs: gratuitous ARP and unsolicited neighbour advertisements, and answers to others. */

import { canonicalAddress, type Vip } from './address.js';
import { type Claim, gratuitousArpReply, gratuitousArpRequest, unsolicitedAdvertisement } from './frame.js';
import { type Interface, requireInterfaces, withRouteChannel } from './interfaces.js';
import { type ClaimListener, type FrameSender, listenForClaims, openFrameSender } from './packet.js';

/** Five at once, as switches and hosts under load lose some; five more once a port that just came up forwards. */
export const ANNOUNCEMENTS_PER_BURST = 5;
export const SECOND_BURST_MS = 1_000;
/** Heals a table that missed both, or was told something else by a host we did not hear. */
export const REFRESH_MS = 60_000;
/** At most this often a foreign claim is answered, so that two hosts at odds do not flood the link (RFC 5227 2.4). */
export const ANSWER_INTERVAL_MS = 100;
/** A listener whose interface went down is opened again this often. */
const REOPEN_MS = 1_000;

export interface AnnouncerOptions {
  readonly vips: readonly Vip[];
  /**
   * Asked before each frame: do we hold the VIPs, by the clock? A process that was stopped and goes on must not
   * announce by a timer what it lost meanwhile.
   */
  readonly holds: () => boolean;
  /** Milliseconds; only differences are used. */
  readonly now: () => number;
  /** Somebody else claimed a VIP that we hold; it is being answered. At most once in ANSWER_INTERVAL_MS per VIP. */
  readonly onForeignClaim?: (claim: Claim) => void;
  /** An announcement could not be sent, or others cannot be heard; told once until it works again. */
  readonly onFault?: (text: string) => void;
}

export interface Announcer {
  /**
   * Announces at once, again after a second, then each minute, and answers foreign claims until stopped. When running
   * already, begins the series anew (a VIP put back, a link that came up). Throws where the first burst cannot be sent.
   */
  readonly start: () => void;
  readonly stop: () => void;
}

/** ARP in both forms; hosts take the request (RFC 5227), some switches and routers learn from the reply only. */
const framesOf = (vip: Vip, mac: string): readonly Buffer[] =>
  vip.family === 4
    ? [gratuitousArpRequest(vip.address, mac), gratuitousArpReply(vip.address, mac)]
    : [unsolicitedAdvertisement(vip.address, mac)];

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const createAnnouncer = (options: AnnouncerOptions): Announcer => {
  const { vips, holds, now, onForeignClaim, onFault } = options;
  const listeners: ClaimListener[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const lastAnswerMs = new Map<string, number>();
  let sender: FrameSender | undefined;
  let macs: readonly string[] = [];
  let faulty = false;

  const later = (delayMs: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, delayMs);
    timer.unref();
    timers.add(timer);
  };

  /** Looked up each time: a bond takes another member's hardware address when it fails over. */
  const interfaces = (): ReadonlyMap<string, Interface> => {
    const names = vips.map((vip) => vip.interface);
    const links = withRouteChannel('announcing', (channel) => requireInterfaces(channel, names));
    return new Map(links.map((link) => [link.name, link]));
  };

  const burst = (which: readonly Vip[], times: number): void => {
    if (sender === undefined) return;
    const links = interfaces();
    macs = [...links.values()].flatMap((link) => link.mac ?? []);
    for (let i = 0; i < times; i++) {
      for (const vip of which) {
        const link = links.get(vip.interface);
        if (link === undefined || link.mac === null) continue;
        for (const frame of framesOf(vip, link.mac)) if (holds()) sender.send(link.index, frame);
      }
    }
  };

  const report = (what: string, run: () => void): void => {
    try {
      run();
      faulty = false;
    } catch (error) {
      if (!faulty) onFault?.(`${what}: ${messageOf(error)}`);
      faulty = true;
    }
  };

  const answer = (vip: Vip, claim: Claim): void => {
    if (macs.includes(claim.mac) || !holds()) return;
    const sinceMs = now() - (lastAnswerMs.get(vip.address) ?? Number.NEGATIVE_INFINITY);
    // Within the interval an answer is on its way already; it goes at the interval's end, so the last word is ours.
    if (sinceMs < 0) return;
    const waitMs = Math.max(0, ANSWER_INTERVAL_MS - sinceMs);
    lastAnswerMs.set(vip.address, now() + waitMs);
    const send = (): void => report(`answering ${claim.mac}'s claim of ${vip.address}`, () => burst([vip], 1));
    if (waitMs === 0) send();
    else later(waitMs, send);
    onForeignClaim?.(claim);
  };

  const listenOn = (link: Interface, family: 4 | 6): void => {
    const here = vips.filter((vip) => vip.interface === link.name && vip.family === family);
    if (here.length === 0 || link.mac === null) return;
    const byAddress = new Map(here.map((vip) => [canonicalAddress(vip.address), vip]));
    const listener = listenForClaims({
      interfaceIndex: link.index,
      family,
      addresses: [...byAddress.keys()],
      onClaim: (claim) => {
        const vip = byAddress.get(claim.address);
        if (vip !== undefined) answer(vip, claim);
      },
      onFault: reopen,
    });
    listeners.push(listener);
  };

  const stopListening = (): void => {
    for (const listener of listeners.splice(0)) listener.close();
  };

  const listen = (): void => {
    stopListening();
    for (const link of interfaces().values()) {
      listenOn(link, 4);
      listenOn(link, 6);
    }
  };

  const reopen = (): void => {
    stopListening();
    later(REOPEN_MS, () => {
      try {
        listen();
      } catch (error) {
        report('listening for other holders', () => {
          throw error;
        });
        reopen();
      }
    });
  };

  const refresh = (): void => {
    report('announcing', () => burst(vips, 1));
    later(REFRESH_MS, refresh);
  };

  const stop = (): void => {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    lastAnswerMs.clear();
    stopListening();
    sender?.close();
    sender = undefined;
    faulty = false;
  };

  return {
    start: () => {
      stop();
      try {
        sender = openFrameSender();
        burst(vips, ANNOUNCEMENTS_PER_BURST);
        listen();
      } catch (error) {
        stop();
        throw error;
      }
      later(SECOND_BURST_MS, () => report('announcing', () => burst(vips, ANNOUNCEMENTS_PER_BURST)));
      later(REFRESH_MS, refresh);
    },
    stop,
  };
};
