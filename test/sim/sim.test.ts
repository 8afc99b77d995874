import { describe, expect, it } from 'vitest';
import { drawPlan } from './plan.js';
import { report } from './report.js';
import { runPlan } from './run.js';
import { shrink } from './shrink.js';

const RUNS = 150;
const FIRST_SEED = 40_000;

describe('the simulator', () => {
  it(`finds no violation in ${RUNS} seeded worlds`, () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed += 1) {
      const plan = drawPlan(seed);
      const { violation } = runPlan(plan);
      expect(violation === null ? [] : report(plan, {}, violation)).toEqual([]);
    }
  }, 60_000);

  it('plays the same seed the same, byte for byte, and another seed differently', () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const first = runPlan(drawPlan(seed), { traced: true });
      const second = runPlan(drawPlan(seed), { traced: true });
      expect(second.trace).toEqual(first.trace);
      expect(second.hash).toBe(first.hash);
      expect(runPlan(drawPlan(seed + 100)).hash).not.toBe(first.hash);
    }
  }, 60_000);

  it('reaches what it is to judge: takeovers, planned moves, writes in sync and writes lost, moves of the standby VIP', () => {
    const counts = { acknowledged: 0, lost: 0, takeovers: 0, handoffs: 0, inSync: 0, fences: 0, standbyVips: 0 };
    for (let seed = 1; seed <= 120; seed += 1) {
      const result = runPlan(drawPlan(seed)).counts;
      for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += result[name];
    }
    expect(Object.values(counts).every((count) => count > 0)).toBe(true);
  }, 60_000);
});

describe('shrinking', () => {
  it('keeps the faults that are needed, and no other', () => {
    const list = Array.from({ length: 40 }, (_, i) => i);
    expect(shrink(list, (kept) => kept.includes(7) && kept.includes(31), 500)).toEqual([7, 31]);
  });

  it('ends after its attempts, with a list that fails', () => {
    const list = Array.from({ length: 40 }, (_, i) => i);
    const kept = shrink(list, (candidate) => candidate.includes(7), 3);
    expect(kept).toContain(7);
  });
});
