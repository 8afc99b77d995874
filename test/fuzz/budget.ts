/** How long each fuzz test goes on, and from which seed: short by default, longer and repeatable by environment variables. */

import { randomInt } from 'node:crypto';

/** `VIPD_FUZZ_FACTOR=100` makes every test a hundred times as long; `VIPD_FUZZ_SEED` repeats a run. */
const FACTOR = Math.max(1, Number(process.env.VIPD_FUZZ_FACTOR ?? 1) || 1);
const SEED_LIMIT = 2 ** 31 - 1;

export const FUZZ_SEED = Number(process.env.VIPD_FUZZ_SEED ?? '') || randomInt(1, SEED_LIMIT);

/** So many runs of a property, or inputs of a loop. */
export const runs = (count: number): number => Math.ceil(count * FACTOR);

/** For `fc.assert`: a failure prints the seed and the shrunk input by itself. */
export const budget = (count: number) => ({ numRuns: runs(count), seed: FUZZ_SEED }) as const;

/** A longer run has a longer deadline, in milliseconds. */
export const deadlineMs = (shortMs: number): number => shortMs * FACTOR;

/**
 * The xorshift generator of Marsaglia (2003), 32 bits: quick, and the same on every machine. Answers a number from 0 up to,
 * and not including, `below`.
 */
export const createRandom = (seed: number): ((below: number) => number) => {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
};
