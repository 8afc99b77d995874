import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Message } from '../../src/core/message.js';
import type { VoterRecord } from '../../src/core/types.js';
import { emptyRecord } from '../../src/core/voter.js';
import { createWitnessServer, type Endpoint } from '../../src/witness/server.js';
import { createRandom, deadlineMs, FUZZ_SEED, runs } from './budget.js';
import { createHostileMember, GROUP, type HostileMember, KEY } from './hostile-member.js';
import { usedBytes } from './memory.js';
import { message } from './messages.js';

const POOL = 2_000;
const FRAMES = 60_000;
/** Far above what a garbage collector leaves lying about, far below a leak of a few bytes a frame. */
const GROWTH_LIMIT_BYTES = 4_000_000;
const AT: Endpoint = { address: '10.99.0.1', port: 8694, path: '10.99.0.3' };
const NODES = ['db1', 'db2'] as const;

interface Bench {
  readonly record: () => VoterRecord | null;
  /** Everything that is waiting for the disk gets its answer. */
  readonly settle: () => Promise<void>;
  readonly fire: (node: (typeof NODES)[number], said: Message) => void;
  readonly counters: () => Readonly<Record<string, number>>;
}

/** A real witness server with two members that hold its key, and a disk that fails every now and then. */
const createBench = (random: (below: number) => number, stored: VoterRecord | null): Bench => {
  let now = 1_000;
  let record = stored;
  const durable: VoterRecord[] = stored ? [stored] : [];
  const members = new Map<string, HostileMember>();
  // Thrown where it was found it would look to the server like a disk that fails.
  const problems: string[] = [];
  const server = createWitnessServer({
    name: 'w1',
    groups: [
      {
        name: GROUP,
        nodes: NODES,
        keys: [KEY],
        record: stored,
        save: async (next) => {
          if (random(20) === 0) throw new Error('ENOSPC');
          problems.push(...judgeRecord(record, next));
          record = next;
          durable.push(next);
          if (durable.length > 8) durable.shift();
        },
      },
    ],
    now: () => now,
    randomBytes,
    reply: (_, datagram) => {
      for (const member of members.values()) {
        const opened = member.link.open(datagram);
        if (opened.type === 'message') problems.push(...judgeAnswer(opened.message, durable));
      }
    },
    log: () => undefined,
  });
  for (const node of NODES)
    members.set(
      node,
      createHostileMember(node, ['w1', 'db1', 'db2'], random, () => now),
    );
  return {
    record: () => record,
    settle: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (problems.length > 0) throw new Error(problems[0]);
    },
    fire: (node, said) => {
      now += random(20) === 0 ? random(1_000) : random(5) / 2;
      const datagram = members.get(node)?.next('w1', said).datagram;
      if (datagram) server.receive(datagram, AT);
    },
    counters: () => server.counters()[GROUP] ?? {},
  };
};

/** Terms only rise, and a term has one holder. */
const judgeRecord = (before: VoterRecord | null, after: VoterRecord): readonly string[] => {
  if (!before) return [];
  if (after.maxTerm < before.maxTerm) return [`its term fell from ${before.maxTerm} to ${after.maxTerm}`];
  if (before.maxTerm > after.maxTerm || before.holder === null || before.holder === after.holder) return [];
  return before.maxTerm === after.maxTerm
    ? [`term ${after.maxTerm} went from ${before.holder} to ${after.holder}`]
    : [];
};

/** No grant, no promise and no word that a term serves leaves before it is on disk. */
const judgeAnswer = (answer: Message, durable: readonly VoterRecord[]): readonly string[] => {
  const onDisk = durable.some((on) => {
    switch (answer.kind) {
      case 'vote':
        return !answer.verdict.granted || on.maxTerm === answer.term;
      case 'served':
        return on.servedTerm === answer.term;
      case 'ack':
        return on.maxTerm === answer.term && on.maxLeaseMs >= answer.leaseMs;
      default:
        return true;
    }
  });
  const promises =
    answer.kind === 'ack' || answer.kind === 'served' || (answer.kind === 'vote' && answer.verdict.granted);
  return onDisk || !promises ? [] : [`said before it was on disk: ${JSON.stringify(answer)}`];
};

it('withstands members gone mad: no answer ahead of the disk, no term twice, memory flat', {
  timeout: deadlineMs(60_000),
}, async () => {
  const random = createRandom(FUZZ_SEED);
  const sample = fc.sample(message, { numRuns: POOL, seed: FUZZ_SEED });
  const play = async (bench: Bench, frames: number): Promise<void> => {
    for (let i = 0; i < frames; i += 1) {
      const said = sample[random(sample.length)];
      const node = NODES[random(2)];
      if (said && node) bench.fire(node, said);
      if (random(3) === 0) await bench.settle();
    }
  };
  try {
    // Many short lives: absurd terms end the interesting part of one soon.
    for (let life = 0; life < runs(40); life += 1)
      await play(createBench(random, random(2) ? emptyRecord() : null), 200);
    const bench = createBench(random, emptyRecord());
    await play(bench, FRAMES / 10);
    const before = usedBytes();
    await play(bench, runs(FRAMES));
    await bench.settle();
    expect(usedBytes() - before).toBeLessThan(GROWTH_LIMIT_BYTES);
    expect(bench.counters().accepted).toBeGreaterThan(FRAMES / 10);
    expect(bench.counters()['bad-mac']).toBeGreaterThan(0);
  } catch (cause) {
    throw new Error(`VIPD_FUZZ_SEED=${FUZZ_SEED}`, { cause });
  }
});
