import { expect, it } from 'vitest';
import { SERVED, startRelease, tickRelease } from '../../src/core/release.js';
import type { NodeState } from '../../src/core/state.js';
import { step } from '../../src/core/step.js';
import type { Turn } from '../../src/core/turn.js';
import { wakeAt } from '../../src/core/wake.js';
import { host, type World } from './host.js';
import { createWorld, killHost, runFor, startAgent } from './world.js';

const settled = (): World => {
  const world = createWorld(['w1']);
  for (const name of world.hosts.keys()) startAgent(world, name);
  runFor(world, 2_000);
  return world;
};

const stateOf = (world: World, name: string): NodeState => {
  const { state } = host(world, name);
  if (!state) throw new Error(`${name} has no agent`);
  return state;
};

const release = (term: number) =>
  ({ kind: 'release', term, finalPosition: '', successor: '', reason: 'tried', ...SERVED }) as const;

it('a RELEASE that not all have heard is repeated on beside a later one', () => {
  const world = settled();
  const turn: Turn = { s: stateOf(world, 'db1'), now: world.now, effects: [] };
  startRelease(turn, release(1));
  startRelease(turn, release(2));
  const later: Turn = { s: turn.s, now: world.now + 100, effects: [] };
  tickRelease(later);
  const sent = later.effects
    .filter((effect) => effect.type === 'send')
    .map(({ to, message }) => `${to} ${message.term}`);
  expect(sent.toSorted()).toEqual(['db2 1', 'db2 2', 'w1 1', 'w1 2']);
});

it('an owner does not wake ten times an interval for a voter that is dead', () => {
  const world = settled();
  killHost(world, 'db2');
  runFor(world, 1_000);
  let state = stateOf(world, 'db1');
  const { intervalMs } = state.config;
  let wakes = 0;
  // The witness answers each BEAT at once; nothing else happens.
  for (let now = world.now; now < world.now + 10 * intervalMs; wakes += 1) {
    now = wakeAt(state, now);
    state = step(state, { type: 'tick' }, now).state;
    const ack = { kind: 'ack', beat: state.beats.last, term: 1, leaseMs: state.config.promiseMs } as const;
    state = step(state, { type: 'message', from: 'w1', message: ack }, now).state;
  }
  expect(state.role).toBe('active');
  expect(wakes).toBeLessThan(3 * 10);
});
