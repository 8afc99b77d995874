/**
 * Judges each packet that bears the standby VIP by what the wire shows: an observer that trusts no agent.
 *
 * The standby may send from when a grant has reached it until `s + L(1−ρ)`, s being the first sending of the BEAT that the
 * grant answers (protocol.md, The standby VIP), or until its BEAT says that it has given it back. Whoever sends beside such
 * a right of the other node is found; so is a standby that sends without one. Whether an owner has its lease is judged
 * elsewhere, by the VIP.
 */

import { countedLease } from '../../src/core/timing.js';
import type { SeenFrame, SeenPacket } from './lease-watch.js';
import { NODES, type NodeName } from './topology.js';

/** BEATs remembered while they may still be answered. */
const ASKS_LIMIT = 64;
const NAMED_PACKETS = 5;

interface Seen {
  /** First sending, by number of the BEAT. */
  readonly asks: Map<number, number>;
  /** Until when it may send by the grants that reached it; 0: it may not. */
  untilMs: number;
  owner: boolean;
  /** Number of its newest BEAT. */
  newest: number;
}

export interface StandbyVipReport {
  /** Empty: never two, and never without a right. */
  readonly problems: readonly string[];
  /** Packets that were judged, by node and by family. */
  readonly judged: number;
  /** How often another node began to send. */
  readonly changes: number;
}

/** To be told everything in the order of its time. */
export interface StandbyVipWatch {
  frame(seen: SeenFrame): void;
  packet(seen: SeenPacket): void;
  report(): StandbyVipReport;
}

export const createStandbyVipWatch = (): StandbyVipWatch => {
  const nodes: Readonly<Record<NodeName, Seen>> = {
    db1: { asks: new Map(), untilMs: 0, owner: false, newest: 0 },
    db2: { asks: new Map(), untilMs: 0, owner: false, newest: 0 },
  };
  const named: string[] = [];
  const families = new Set<string>();
  let offending = 0;
  let judged = 0;
  let changes = 0;
  let last: NodeName | null = null;
  // What was granted before the first BEAT that we saw has run out by then.
  let judgedFromMs = Number.POSITIVE_INFINITY;
  const nodeOf = (name: string): NodeName | undefined => NODES.find((node) => node === name);

  /** Numbers begin anew with each life of an agent, and what an earlier one was granted is nothing to it. */
  const forgetEarlierLife = (seen: Seen, beat: number): void => {
    if (beat < seen.newest) seen.asks.clear();
    seen.newest = beat;
  };

  const sent = ({ sender, atMs, message }: SeenFrame): void => {
    const node = nodeOf(sender);
    if (node === undefined || message.kind !== 'beat') return;
    const seen = nodes[node];
    judgedFromMs = Math.min(judgedFromMs, atMs + message.leaseMs);
    seen.owner = message.owner;
    forgetEarlierLife(seen, message.beat);
    if (!message.standbyVip || message.owner) seen.asks.clear();
    if (!message.standbyVip) seen.untilMs = 0;
    if (!message.standbyVip || message.owner || seen.asks.has(message.beat)) return;
    seen.asks.set(message.beat, atMs);
    const [oldest] = seen.asks.keys();
    if (seen.asks.size > ASKS_LIMIT && oldest !== undefined) seen.asks.delete(oldest);
  };

  const reached = ({ addressee, message }: SeenFrame): void => {
    const node = nodeOf(addressee);
    if (node === undefined || message.kind !== 'grant') return;
    const askedAt = nodes[node].asks.get(message.beat);
    if (askedAt === undefined) return;
    nodes[node].untilMs = Math.max(nodes[node].untilMs, askedAt + countedLease(message.leaseMs));
  };

  /** Null: it may be sent. */
  const offence = ({ node, atMs }: SeenPacket): string | null => {
    const own = nodes[node];
    const other = nodes[node === 'db1' ? 'db2' : 'db1'];
    if (!other.owner && atMs <= other.untilMs) return 'while it is granted to the other node';
    if (own.owner) return null;
    if (own.untilMs === 0) return 'granted to nobody';
    return atMs <= own.untilMs ? null : `${(atMs - own.untilMs).toFixed(1)} ms after its grant had run out`;
  };

  return {
    frame: (seen) => (seen.direction === 'in' ? sent(seen) : reached(seen)),
    packet: (seen) => {
      if (seen.atMs < judgedFromMs) return;
      judged += 1;
      families.add(seen.text.includes('fd99:') ? 'IPv6' : 'IPv4');
      if (last !== null && last !== seen.node) changes += 1;
      last = seen.node;
      const why = offence(seen);
      if (why === null) return;
      offending += 1;
      if (named.length >= NAMED_PACKETS) return;
      named.push(`${new Date(seen.atMs).toISOString().slice(11, -1)} ${seen.node} sent ${seen.text}: ${why}`);
    },
    report: () => {
      const problems = [...named];
      if (offending > named.length) problems.push(`${offending} packets bore the standby VIP without a right, in all`);
      if (families.size < 2)
        problems.push(`the standby VIP was seen over ${[...families].join(' and ') || 'nothing'} only`);
      return { problems, judged, changes };
    },
  };
};
