/** What is asked of the peer ahead of a salvage, and how long its answer is believed. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Database } from './database.js';
import { createSalvage, SALVAGE } from './salvage.js';

const HAVE = 'mariadb:0-1-5';
const MORE = 'mariadb:0-1-6';
/** Of the local server, which is needed only where there is something to fetch. */
const NEEDED = 'the server is needed';

/** A peer that answers with these positions in turn; an error is one that cannot be asked. */
const beside = (...answers: readonly (string | Error)[]) => {
  const asked: unknown[] = [];
  const database = {
    onConnected: () => undefined,
    serverState: () => 'ended',
    use: () => Promise.reject(new Error(NEEDED)),
  } as unknown as Database;
  const salvage = createSalvage({
    database,
    channel: {
      ask: async (purpose, request) => {
        const answer = answers[asked.push([purpose, request]) - 1] ?? '';
        if (answer instanceof Error) throw answer;
        return { kind: 'holds', position: answer };
      },
    },
    target: {},
    credentials: () => ({ user: 'vipd', password: '' }),
    nowMs: () => performance.now(),
    log: () => undefined,
  });
  const fetch = () => salvage.salvage(HAVE, { signal: new AbortController().signal, progress: () => undefined });
  return { askAhead: salvage.askAhead, fetch, asked };
};

const NOTHING = { ok: true, detail: 'nothing to salvage', position: HAVE };
const SOMETHING = { ok: false, detail: `salvage: ${NEEDED}` };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('how far the logs of the peer go', () => {
  test('is asked ahead, so that the salvage itself has nothing to ask', async () => {
    const { askAhead, fetch, asked } = beside(HAVE, MORE);
    askAhead();
    expect(asked).toEqual([[SALVAGE, { only: 'position' }]]);
    expect(await fetch()).toEqual(NOTHING);
    expect(asked).toHaveLength(1);
  });

  test('is asked by the salvage where nobody did', async () => {
    const { fetch, asked } = beside(HAVE);
    expect(await fetch()).toEqual(NOTHING);
    expect(asked).toHaveLength(1);
  });

  test('is believed for a second: a server that was started again may have written since', async () => {
    const { askAhead, fetch, asked } = beside(HAVE, MORE);
    askAhead();
    vi.advanceTimersByTime(1_000);
    expect(await fetch()).toEqual(SOMETHING);
    expect(asked).toHaveLength(2);
  });

  test('is believed once: the next promotion asks anew', async () => {
    const { askAhead, fetch } = beside(HAVE, MORE);
    askAhead();
    expect([await fetch(), await fetch()]).toEqual([NOTHING, SOMETHING]);
  });

  test('is asked again where the peer could not be asked ahead', async () => {
    const { askAhead, fetch, asked } = beside(new Error('nobody listens'), HAVE);
    askAhead();
    expect(await fetch()).toEqual(NOTHING);
    expect(asked).toHaveLength(2);
  });

  test('is told by the newest answer', async () => {
    const { askAhead, fetch } = beside(HAVE, MORE);
    askAhead();
    askAhead();
    expect(await fetch()).toEqual(SOMETHING);
  });
});
