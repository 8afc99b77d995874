/**
 * Judges each packet that bears the VIP by the leases that the wire shows: an observer that trusts no agent.
 *
 * A node's lease runs until `s + L(1−ρ)`, s being the first sending of its newest BEAT that a majority acknowledged
 * (protocol.md, Owner 1), or of the VOTE? that won it the term; its RELEASE ends it. Whoever sends for the VIP outside of
 * its lease, or within another's, is found.
 */

import type { Message } from '../../src/core/message.js';
import { countedLease, fenceBudget } from '../../src/core/timing.js';
import type { NodeName } from './topology.js';

/** Questions remembered while they may still be answered: several leases' worth. */
const QUESTIONS_LIMIT = 128;
/** Offending packets that are told one by one. */
const NAMED_PACKETS = 5;

/** A heartbeat frame on a port of the switch. */
export interface SeenFrame {
  /** Unix time in milliseconds. */
  readonly atMs: number;
  readonly sender: string;
  readonly addressee: string;
  /** `in`: it left its sender. `out`: it reaches its addressee. */
  readonly direction: 'in' | 'out';
  readonly message: Message;
}

/** A packet from a node that bears the VIP. */
export interface SeenPacket {
  readonly atMs: number;
  readonly node: NodeName;
  readonly text: string;
}

/** A lease that ran out: its owner did not give it up. */
export interface LostLease {
  readonly node: NodeName;
  readonly term: number;
  readonly endMs: number;
  /** The last packet in this lease that bore the VIP; null: there was none. */
  readonly lastPacketMs: number | null;
}

export interface LeaseReport {
  /** Empty: whoever sent had the lease, and nobody else. */
  readonly problems: readonly string[];
  readonly lost: readonly LostLease[];
  /** Packets that were judged. */
  readonly judged: number;
}

/** To be told everything in the order of its time. */
export interface LeaseWatch {
  frame(seen: SeenFrame): void;
  packet(seen: SeenPacket): void;
  report(): LeaseReport;
}

interface Lease {
  readonly node: NodeName;
  readonly term: number;
  readonly untilMs: number;
  /** What its owner asks of the voters. */
  readonly leaseMs: number;
  readonly end: 'runs' | 'given up' | 'ran out';
  readonly lastPacketMs: number | null;
}

/** A BEAT or VOTE? of a node, and who has answered it. */
interface Question {
  readonly atMs: number;
  readonly leaseMs: number;
  readonly answered: Set<string>;
}

export interface LeaseWatchOptions {
  readonly nodes: readonly NodeName[];
  /** Nodes and witnesses. */
  readonly voters: number;
}

/** Empty: it was given up. */
const lostOf = ({ node, term, untilMs, end, lastPacketMs }: Lease): readonly LostLease[] =>
  end === 'given up' ? [] : [{ node, term, endMs: untilMs, lastPacketMs }];

const clock = (atMs: number): string => new Date(atMs).toISOString().slice(11, -1);

export const createLeaseWatch = ({ nodes, voters }: LeaseWatchOptions): LeaseWatch => {
  const majority = Math.floor(voters / 2) + 1;
  const questions = new Map<string, Question>();
  const leases = new Map<NodeName, Lease>();
  const lost: LostLease[] = [];
  const named: string[] = [];
  let offending = 0;
  let judged = 0;
  // What was counted from before the first BEAT that we saw has run out by then.
  let judgedFromMs = Number.POSITIVE_INFINITY;
  let seenUntilMs = 0;

  /** Resends bear the number of the first sending: that one counts. */
  const ask = (key: string, atMs: number, leaseMs: number): void => {
    if (questions.has(key)) return;
    questions.set(key, { atMs, leaseMs, answered: new Set() });
    const [oldest] = questions.keys();
    if (questions.size > QUESTIONS_LIMIT && oldest !== undefined) questions.delete(oldest);
  };

  const answer = (key: string, from: string, to: string, term: number): void => {
    const question = questions.get(key);
    const node = nodes.find((name) => name === to);
    if (question === undefined || node === undefined) return;
    question.answered.add(from);
    if (question.answered.size + 1 < majority) return;
    renew(node, term, question);
  };

  const renew = (node: NodeName, term: number, { atMs, leaseMs }: Question): void => {
    const untilMs = atMs + countedLease(leaseMs);
    const lease = leases.get(node);
    if (lease?.term === term && lease.end === 'runs') {
      leases.set(node, { ...lease, untilMs: Math.max(lease.untilMs, untilMs) });
    } else if (lease === undefined || lease.term < term) {
      if (lease !== undefined) lost.push(...lostOf(lease));
      leases.set(node, { node, term, untilMs, leaseMs, end: 'runs', lastPacketMs: null });
    }
  };

  const release = (sender: string, term: number, atMs: number): void => {
    for (const lease of leases.values()) {
      if (lease.node !== sender || lease.term !== term || lease.end !== 'runs') continue;
      // An owner that is not renewed fences in the last moments of its lease; with a quick database it says so before the end.
      const end = atMs > lease.untilMs - fenceBudget(lease.leaseMs) ? 'ran out' : 'given up';
      leases.set(lease.node, { ...lease, end, untilMs: Math.min(lease.untilMs, atMs) });
    }
  };

  const sent = ({ sender, atMs, message }: SeenFrame): void => {
    if (message.kind === 'vote?') ask(`${sender} vote ${message.term}`, atMs, message.leaseMs);
    if (message.kind === 'release') release(sender, message.term, atMs);
    if (message.kind !== 'beat' || !message.owner) return;
    ask(`${sender} beat ${message.term} ${message.beat}`, atMs, message.leaseMs);
    judgedFromMs = Math.min(judgedFromMs, atMs + message.leaseMs);
  };

  const reached = ({ sender, addressee, message }: SeenFrame): void => {
    if (message.kind === 'ack')
      answer(`${addressee} beat ${message.term} ${message.beat}`, sender, addressee, message.term);
    if (message.kind === 'vote' && message.verdict.granted)
      answer(`${addressee} vote ${message.term}`, sender, addressee, message.term);
  };

  /** Null: it may be sent. */
  const offence = ({ node, atMs }: SeenPacket): string | null => {
    const own = leases.get(node);
    if (own === undefined) return `${node} never had a lease`;
    if (atMs > own.untilMs)
      return `${(atMs - own.untilMs).toFixed(1)} ms after its lease of term ${own.term} had ended`;
    const other = [...leases.values()].find((lease) => lease.node !== node && atMs <= lease.untilMs);
    return other === undefined ? null : `within the lease of ${other.node}, term ${other.term}`;
  };

  return {
    frame: (seen) => {
      seenUntilMs = seen.atMs;
      return seen.direction === 'in' ? sent(seen) : reached(seen);
    },
    packet: (seen) => {
      if (seen.atMs < judgedFromMs) return;
      judged += 1;
      const lease = leases.get(seen.node);
      const why = offence(seen);
      if (why === null) {
        if (lease !== undefined) leases.set(seen.node, { ...lease, lastPacketMs: seen.atMs });
        return;
      }
      offending += 1;
      if (named.length < NAMED_PACKETS) named.push(`${clock(seen.atMs)} ${seen.node} sent ${seen.text}: ${why}`);
    },
    report: () => {
      const ended = [...leases.values()].filter(({ end, untilMs }) => end !== 'runs' || untilMs < seenUntilMs);
      const problems = [...named];
      if (offending > named.length) problems.push(`${offending} packets bore the VIP without a lease, in all`);
      if (judged === 0) problems.push('no packet bore the VIP while the switch was watched: nothing was judged');
      return { problems, lost: [...lost, ...ended.flatMap(lostOf)], judged };
    },
  };
};
