import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type Cleanup, EVERY_KIND, eventually, runCleanup, startPair, watch } from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const ANSWER_MS = 5_000;
/** Several heartbeats' time. */
const QUIET_MS = 3_000;

describe.each(EVERY_KIND)('$title', (kind) => {
  test('the word of what the receiver gets changes with each transaction and each heartbeat, and with nothing else', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { database } = watch(cleanup, standby);
    const word = () => database.arrivals(ANSWER_MS);
    const changes = async (before: string): Promise<string> => {
      let now = before;
      await eventually(async () => {
        now = await word();
        return now !== before;
      });
      return now;
    };

    const first = await word();
    await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
    const transaction = await changes(first);
    // Nobody writes any more: what comes now is heartbeats.
    const heartbeat = await changes(transaction);
    await changes(heartbeat);

    await active.stop('SIGKILL');
    const dead = await word();
    await sleep(QUIET_MS);
    expect(await word()).toBe(dead);
  });
});
