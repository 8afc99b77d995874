/**
 * Many pairs as a witness sees them: each interval a BEAT of an owner and one of a standby, each second a POLL? of the
 * standby. A program of its own, so that it can have a core of its own; prints what became of them as JSON.
 */

import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { beatOf } from '../../src/core/beat.fixture.js';
import { peekGroup } from '../../src/wire/layout.js';
import { createLink, type Link } from '../../src/wire/link.js';
import type { PairsResult, PairsSettings } from './witness-load.js';

const WITNESS = 'w1';
const TURN_MS = 1;
const BEATS_PER_POLL = 10;

const settingsFile = process.argv[2];
if (settingsFile === undefined) throw new Error('usage: pairs SETTINGS-FILE');
const settings = JSON.parse(readFileSync(settingsFile, 'utf8')) as PairsSettings;
const { groups, intervalMs, warmMs, lastsMs, port, key } = settings;

const now = (): number => performance.now();
const keys = [Buffer.from(key, 'base64')];
const linkOf = (group: string, self: string): Link =>
  createLink({ group, self, peers: [WITNESS], keys, randomBytes, nowMs: now });

interface Pair {
  readonly owner: Link;
  readonly standby: Link;
  beat: number;
  sentAt: number;
  answered: boolean;
}

const TERM = 1;
const IDLE_BEAT = beatOf({
  term: TERM,
  leaseMs: 3 * intervalMs,
  dataTerm: TERM,
  servedTerm: TERM,
  position: 'mariadb:0-1-123456789',
  sinceMs: 1_000,
});

const pairs = new Map<string, Pair>(
  groups.map((group) => [
    group,
    { owner: linkOf(group, 'db1'), standby: linkOf(group, 'db2'), beat: 0, sentAt: 0, answered: true },
  ]),
);
const inOrder = [...pairs.values()];

const answerMs: number[] = [];
const lateMs: number[] = [];
let asked = 0;
let unanswered = 0;
let counting = false;

const socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 1024 * 1024, sendBufferSize: 8 * 1024 * 1024 });
const send = (link: Link, message: Parameters<Link['seal']>[1]): void => {
  const datagram = link.seal(WITNESS, message);
  if (datagram !== null) socket.send(datagram);
};

const beat = (pair: Pair): void => {
  if (counting) {
    asked += 1;
    if (!pair.answered) unanswered += 1;
  }
  pair.beat += 1;
  pair.answered = false;
  pair.sentAt = now();
  send(pair.owner, { ...IDLE_BEAT, beat: pair.beat });
  send(pair.standby, { ...IDLE_BEAT, beat: pair.beat, role: 'standby', owner: false, readOnly: true });
  if (pair.beat % BEATS_PER_POLL === 0)
    send(pair.standby, { kind: 'poll?', term: TERM + 1, dataTerm: TERM, leaseMs: 3 * intervalMs });
};

const receive = (datagram: Buffer): void => {
  const pair = pairs.get(peekGroup(datagram) ?? '');
  if (pair === undefined) return;
  const asOwner = pair.owner.open(datagram);
  const opened =
    asOwner.type === 'dropped' && asOwner.cause === 'other-addressee' ? pair.standby.open(datagram) : asOwner;
  if (opened.type === 'hello') socket.send(opened.datagram);
  if (opened.type !== 'message' || opened.message.kind !== 'ack' || opened.message.beat !== pair.beat) return;
  if (counting && !pair.answered) answerMs.push(now() - pair.sentAt);
  pair.answered = true;
};

/** Spread over the interval, as they would be. */
const run = (): void => {
  const startedAt = now();
  let sent = 0;
  const turn = (): void => {
    const dueNow = Math.floor(((now() - startedAt) / intervalMs) * inOrder.length);
    while (sent < dueNow) {
      const pair = inOrder[sent % inOrder.length];
      if (counting) lateMs.push(now() - startedAt - (sent / inOrder.length) * intervalMs);
      sent += 1;
      if (pair !== undefined) beat(pair);
    }
  };
  setInterval(turn, TURN_MS);
};

const percentile = (values: readonly number[], share: number): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
};

const report = (): PairsResult => ({
  asked,
  unanswered,
  medianMs: percentile(answerMs, 0.5),
  p99Ms: percentile(answerMs, 0.99),
  sentLateP99Ms: percentile(lateMs, 0.99),
});

socket.on('message', receive);
socket.connect(port, '127.0.0.1', () => {
  run();
  setTimeout(() => {
    counting = true;
    process.stdout.write('counting\n');
  }, warmMs);
  setTimeout(() => {
    process.stdout.write(`${JSON.stringify(report())}\n`);
    process.exit();
  }, warmMs + lastsMs);
});
