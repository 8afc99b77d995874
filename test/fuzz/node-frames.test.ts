import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Message } from '../../src/core/message.js';
import type { CoreConfig } from '../../src/core/types.js';
import { emptyRecord } from '../../src/core/voter.js';
import { createLink } from '../../src/wire/link.js';
import { createRandom, deadlineMs, FUZZ_SEED, runs } from './budget.js';
import { act, config } from './events.js';
import { createHostileMember, GROUP, KEY } from './hostile-member.js';
import { usedBytes } from './memory.js';
import { message } from './messages.js';
import { createNodeUnderFire, type NodeUnderFire } from './node-under-fire.js';

const POOL = 2_000;
const LIFE_FRAMES = 400;
const LONG_LIFE_FRAMES = 30_000;
const GROWTH_LIMIT_BYTES = 4_000_000;

/** A real core behind a real link, and around it members that hold the key and are against it. */
const createBench = (given: CoreConfig, random: (below: number) => number) => {
  const node: NodeUnderFire = createNodeUnderFire(given, emptyRecord(), 12_345.678);
  const others = [given.peer, ...given.witnesses];
  const link = createLink({
    group: GROUP,
    self: given.self,
    peers: others,
    keys: [KEY],
    randomBytes,
    nowMs: node.now,
  });
  const members = new Map(
    others.map((name) => [name, createHostileMember(name, [given.self, ...others], random, node.now)]),
  );
  /** Our frames tell them our sessions, without which none of theirs would count. */
  const greet = (): void => {
    for (const { to, message: said } of node.sent.slice(-others.length)) {
      const datagram = link.seal(to, said);
      const opened = datagram && members.get(to)?.link.open(datagram);
      if (opened?.type === 'hello') link.open(opened.datagram);
    }
  };
  return {
    node,
    link,
    fire: (said: Message): void => {
      if (random(10) === 0) greet();
      const from = others[random(others.length)] ?? given.peer;
      const member = members.get(from);
      const datagram = member?.next(given.self, said).datagram;
      if (!datagram) return;
      const opened = link.open(datagram);
      if (opened.type === 'hello') member?.link.open(opened.datagram);
      if (opened.type === 'message' && !node.stopped())
        node.take({ type: 'message', from: opened.from, message: opened.message });
    },
  };
};

it('serves by a majority only, whatever holders of the key say to it, and remembers no more', {
  timeout: deadlineMs(60_000),
}, () => {
  const random = createRandom(FUZZ_SEED);
  const sample = fc.sample(message, { numRuns: POOL, seed: FUZZ_SEED });
  const configs = fc.sample(config, { numRuns: 50, seed: FUZZ_SEED }).filter((one) => one.witnesses.length > 0);
  let served = 0;
  let accepted = 0;
  const live = (bench: ReturnType<typeof createBench>, frames: number): void => {
    for (let i = 0; i < frames; i += 1) {
      const said = sample[random(sample.length)];
      if (random(5) === 0) bench.node.advance(random(90));
      if (random(3) === 0) act(bench.node, { do: 'cooperate' });
      if (said && random(2) === 0) bench.fire(said);
      if (bench.node.state().role === 'active') served += 1;
    }
    accepted += bench.link.counters.accepted ?? 0;
  };
  try {
    for (let life = 0; life < runs(60); life += 1) {
      const given = configs[random(configs.length)];
      if (given) live(createBench(given, random), LIFE_FRAMES);
    }
    const [given] = configs;
    if (!given) throw new Error('no configuration with a witness was drawn');
    const bench = createBench(given, random);
    live(bench, LONG_LIFE_FRAMES / 10);
    const before = usedBytes();
    live(bench, runs(LONG_LIFE_FRAMES));
    expect(usedBytes() - before).toBeLessThan(GROWTH_LIMIT_BYTES);
  } catch (cause) {
    throw new Error(`VIPD_FUZZ_SEED=${FUZZ_SEED}`, { cause });
  }
  // Else nothing was tried.
  expect(served).toBeGreaterThan(0);
  expect(accepted).toBeGreaterThan(LIFE_FRAMES);
});
