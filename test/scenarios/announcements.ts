/** Checks that a client saw each new holder of the VIP announce itself: five times at once, five times a second later. */

import type { Packet } from '../lab/capture.js';
import type { Move } from '../lab/checks.js';
import { ADDRESSES, NODES, type NodeName } from '../lab/topology.js';

/** What a capture on a client has to let through. */
export const ANNOUNCEMENT_FILTER = 'arp or icmp6';
export const ANNOUNCEMENTS_IN_A_BURST = 5;
export const BURSTS_PER_TAKEOVER = 2;
/** The frames of a burst leave within a few milliseconds, bursts are a second apart. */
const BETWEEN_BURSTS_MS = 400;
/** Who was active for so long before the next was has had the VIP for longer than a second, however slow that move. */
const SURE_OF_BOTH_MS = 3_000;

/** How many frames each burst had, in order. */
export const bursts = (packets: readonly Packet[]): readonly number[] => {
  const sizes: number[] = [];
  packets.forEach((packet, index) => {
    const before = packets[index - 1];
    const last = sizes.length - 1;
    if (before === undefined || packet.at - before.at > BETWEEN_BURSTS_MS) sizes.push(1);
    else sizes[last] = (sizes[last] ?? 0) + 1;
  });
  return sizes;
};

/** Frames in which `node` says that it has `vip`: sent to everybody, not an answer to one host. */
const announcementsOf = (packets: readonly Packet[], node: NodeName, vip: string): readonly Packet[] =>
  packets.filter(
    ({ text }) =>
      text.startsWith(`${ADDRESSES[node].mac} > `) &&
      / > (ff:ff:ff:ff:ff:ff|33:33:)/.test(text) &&
      (text.includes(`Announcement ${vip}`) ||
        text.includes(`who-has ${vip} tell ${vip}`) ||
        text.includes(`Reply ${vip} is-at`) ||
        text.includes(`neighbor advertisement, tgt is ${vip}`)),
  );

/** Times that this node took its own place again, or that the next move came soon: ahead of the second burst, maybe. */
const cutShort = (moves: readonly Move[], node: NodeName): number =>
  moves.filter((move, index) => {
    const next = moves[index + 1];
    if (move.node !== node || next === undefined) return false;
    return next.node === node || Date.parse(next.at) - Date.parse(move.at) < SURE_OF_BOTH_MS;
  }).length;

/** `moves`: those since the capture began; `mayEndEarly`: agents are killed, at any moment, so only first bursts are sure. */
export const checkAnnouncements = (
  packets: readonly Packet[],
  vips: readonly string[],
  moves: readonly Move[],
  mayEndEarly = false,
): readonly string[] =>
  NODES.flatMap((node) => {
    const takeovers = moves.filter((move) => move.node === node).length;
    const wanted = mayEndEarly ? takeovers : takeovers * BURSTS_PER_TAKEOVER - cutShort(moves, node);
    return vips.flatMap((vip) => {
      const sizes = bursts(announcementsOf(packets, node, vip));
      const full = sizes.filter((size) => size >= ANNOUNCEMENTS_IN_A_BURST).length;
      if (full >= wanted) return [];
      return [`${node} took ${vip} ${takeovers} times, and a client saw bursts of ${sizes.join(', ') || 'nothing'}`];
    });
  });
