import { expect, test } from 'vitest';
import { watchWork } from './at-work.js';

const FAILS: readonly number[] = [];

/** What the threads have used, and when: looked at one after the other. */
const looks = async (seen: readonly { atMs: number; usedMs: number | null; threads?: readonly number[] }[]) => {
  let now = { atMs: 0, usedMs: null as number | null, threads: [7] as readonly number[] };
  const look = watchWork({
    threads: () => (now.threads === FAILS ? Promise.reject(new Error('lost')) : Promise.resolve(now.threads)),
    cpuMs: () => now.usedMs,
    nowMs: () => now.atMs,
  });
  const answers: boolean[] = [];
  for (const one of seen) {
    now = { threads: [7], ...one };
    answers.push(await look());
  }
  return answers;
};

test('a thread that uses the processor is at work, from the second look on', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: 4_000 },
      { atMs: 500, usedMs: 4_400 },
      { atMs: 1_000, usedMs: 4_420 },
    ]),
  ).toEqual([false, true, true]);
});

test('one that waits is not, even where it wakes now and then to look', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: 100 },
      { atMs: 10_000, usedMs: 100 },
      { atMs: 20_000, usedMs: 110 },
      { atMs: 30_000, usedMs: 120 },
    ]),
  ).toEqual([false, false, false, false]);
});

test('little by little counts once it is enough for the whole time', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: 100 },
      { atMs: 2_000, usedMs: 110 },
      { atMs: 2_500, usedMs: 130 },
    ]),
  ).toEqual([false, false, true]);
});

test('other threads than before say nothing yet', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: 100 },
      { atMs: 500, usedMs: 900, threads: [8] },
      { atMs: 1_000, usedMs: 1_100, threads: [8] },
    ]),
  ).toEqual([false, false, true]);
});

test('a thread that has ended takes its time with it, and the rest is counted from there', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: 9_000 },
      { atMs: 500, usedMs: 400 },
      { atMs: 1_000, usedMs: 700 },
    ]),
  ).toEqual([false, false, true]);
});

test('a long wait before it does not weigh on what works again', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: 100 },
      { atMs: 600_000, usedMs: 100 },
      { atMs: 600_500, usedMs: 120 },
    ]),
  ).toEqual([false, false, true]);
});

test('where nothing can be known nothing is claimed', async () => {
  expect(
    await looks([
      { atMs: 0, usedMs: null },
      { atMs: 500, usedMs: 100 },
      { atMs: 1_000, usedMs: null },
      { atMs: 1_500, usedMs: 900 },
      { atMs: 2_000, usedMs: 1_200, threads: FAILS },
      { atMs: 2_500, usedMs: 1_500 },
      { atMs: 3_000, usedMs: 1_800 },
    ]),
  ).toEqual([false, false, false, false, false, false, true]);
});
