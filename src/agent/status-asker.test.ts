/** How seldom the agent is asked, however many want to know. */

import { expect, test } from 'vitest';
import { allWell } from '../control/status.fixture.js';
import type { Status } from '../control/status.js';
import { createStatusAsker, FRESH_MS, type StatusAsker } from './status-asker.js';

const setUp = (patienceMs = 10_000) => {
  const clock = { now: 1_000 };
  const asked: number[] = [];
  const asker: StatusAsker = createStatusAsker({ ask: () => asked.push(clock.now), now: () => clock.now, patienceMs });
  const tell = (status: Status = allWell): void => asker.told({ type: 'status', status });
  return { clock, asked, asker, tell };
};

test('many that ask at once are one question', async () => {
  const { asked, asker, tell } = setUp();
  const answers = Array.from({ length: 50 }, () => asker.status());
  tell();
  expect((await Promise.all(answers)).every((status) => status === allWell)).toBe(true);
  expect(asked).toHaveLength(1);
});

test('an answer is given again while it is fresh, and no longer', async () => {
  const { clock, asked, asker, tell } = setUp();
  const first = asker.status();
  tell();
  await first;
  clock.now += FRESH_MS - 1;
  expect(await asker.status()).toBe(allWell);
  expect(asked).toHaveLength(1);
  clock.now += 1;
  const newer = { ...allWell, term: 8 };
  const second = asker.status();
  tell(newer);
  expect(await second).toBe(newer);
  expect(asked).toHaveLength(2);
});

test('an agent that says why it has no status, and one that says nothing, are an error with the reason', async () => {
  const { asked, asker } = setUp(20);
  const starting = asker.status();
  asker.told({ type: 'failed', why: 'the agent is starting' });
  await expect(starting).rejects.toThrow('the agent is starting');
  await expect(asker.status()).rejects.toThrow('the agent is starting');
  const { asker: silent, tell, asked: silentlyAsked } = setUp(20);
  await expect(silent.status()).rejects.toThrow('has not answered within 0.02 s');
  // It is asked anew: the answer to the first may never come.
  const again = silent.status();
  expect(silentlyAsked).toHaveLength(2);
  tell();
  expect(await again).toBe(allWell);
  expect(asked).toHaveLength(1);
});
