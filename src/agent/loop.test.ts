import { afterEach, expect, it } from 'vitest';
import { CONFIG } from '../core/config.fixture.js';
import { startNode } from '../core/start.js';
import { createLoop, type Loop } from './loop.js';

let loop: Loop | null = null;
afterEach(() => loop?.stop());

const begin = (clock: { now: number }): Loop => {
  const created = createLoop({
    now: () => clock.now,
    send: () => undefined,
    persist: () => Promise.resolve(),
    run: () => undefined,
    cancel: () => undefined,
    vipOff: () => new Promise(() => undefined),
    standbyVipOff: () => new Promise(() => undefined),
    standbyVipRenewed: () => true,
    renewed: () => true,
    journal: () => undefined,
    reply: () => undefined,
    settled: () => undefined,
    exit: () => undefined,
    broken: (error) => {
      throw error;
    },
  });
  loop = created;
  created.begin(startNode(CONFIG, null, clock.now));
  return created;
};

const link = (created: Loop): void => created.dispatch({ type: 'link', name: 'eth0', up: true });

it('counts a stall once, whatever event comes first after it', () => {
  const clock = { now: 10_000 };
  const created = begin(clock);
  clock.now += 40;
  link(created);
  expect(created.state()?.stalls.count).toBe(0);
  clock.now += 5_000;
  link(created);
  expect(created.state()?.stalls.count).toBe(1);
  expect(created.state()?.stalls.longestMs).toBeGreaterThan(4_000);
  link(created);
  expect(created.state()?.stalls.count).toBe(1);
});
