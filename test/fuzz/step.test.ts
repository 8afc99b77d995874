import fc from 'fast-check';
import { expect, it } from 'vitest';
import { budget, createRandom, deadlineMs, FUZZ_SEED, runs } from './budget.js';
import { type Action, act, action, config, record } from './events.js';
import { createNodeUnderFire } from './node-under-fire.js';

const LIFE_ACTIONS = 120;
const POOL = 3_000;
/** A host that has been up for a while, and one that was up for a year, whose clock has fewer digits left. */
const UPTIMES_MS = [12_345.678, 3.2e10 + 0.123];

it('keeps its promises whatever is told to it, in any order', { timeout: deadlineMs(30_000) }, () => {
  fc.assert(
    fc.property(
      config,
      record,
      fc.constantFrom(...UPTIMES_MS),
      fc.array(action, { maxLength: LIFE_ACTIONS, size: 'max' }),
      (given, stored, upMs, actions) => {
        const node = createNodeUnderFire(given, stored, upMs);
        for (const chosen of actions) act(node, chosen);
      },
    ),
    budget(1_000),
  );
});

it('keeps them through long lives, and gets to serve, hand over and fence in them', {
  timeout: deadlineMs(30_000),
}, () => {
  const random = createRandom(FUZZ_SEED);
  const sample = fc.sample(action, { numRuns: POOL, seed: FUZZ_SEED }).filter((chosen) => !stops(chosen));
  const configs = fc.sample(config, { numRuns: 50, seed: FUZZ_SEED });
  const roles = new Map<string, number>();
  for (let life = 0; life < runs(150); life += 1) {
    const given = configs[random(configs.length)];
    if (given === undefined) break;
    const node = createNodeUnderFire(given, null, 12_345.678);
    // A friendly beginning every now and then, or few lives would ever come to serve.
    for (let turn = 0; turn < 1_000; turn += 1) {
      const chosen: Action =
        random(4) === 0 ? { do: 'cooperate' } : (sample[random(sample.length)] ?? { do: 'cooperate' });
      try {
        act(node, chosen);
      } catch (cause) {
        throw new Error(`VIPD_FUZZ_SEED=${FUZZ_SEED}, life ${life}, turn ${turn}, ${JSON.stringify(chosen)}`, {
          cause,
        });
      }
      const { role } = node.state();
      roles.set(role, (roles.get(role) ?? 0) + 1);
    }
  }
  // Else this test would pass without having tried anything.
  expect([...roles.keys()]).toEqual(
    expect.arrayContaining(['standby', 'candidate', 'promoting', 'active', 'handing-off', 'fencing']),
  );
});

const stops = (chosen: Action): boolean =>
  chosen.do === 'tell' && chosen.event.type === 'command' && chosen.event.command.name === 'stop';
