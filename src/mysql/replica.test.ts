import { describe, expect, it } from 'vitest';
import type { Session } from './connection.js';
import type { Flavour, ServerSession } from './flavour.js';
import { receiveNothing } from './replica.js';
import type { StepContext } from './step.js';

const STOP = 'STOP SLAVE IO_THREAD';

/** A server that never ends the STOP, and lists it only from the look on whose number is given. */
const stopsLate = (listedFrom: number) => {
  let looks = 0;
  let left: string | undefined;
  const session = (id: number): Session =>
    ({ id, query: () => new Promise(() => undefined) }) as Partial<Session> as Session;
  const flavour: Partial<Flavour> = {
    stopReceiver: STOP,
    listSessions: async () => {
      looks += 1;
      return [{ id: 7, statement: looks < listedFrom ? '' : STOP } as ServerSession];
    },
  };
  const context: Partial<StepContext> = {
    flavour: flavour as Flavour,
    command: session(7),
    aside: session(8),
    sourceSilent: false,
    signal: AbortSignal.timeout(5_000),
    nowMs: () => performance.now(),
    leaveStopping: (_work, what) => {
      left = what;
    },
  };
  return { context: context as StepContext, left: () => left };
};

describe('a receiver that is told to stop, and waits for its source', () => {
  it.each([1, 2, 10])('is left to itself where look %i is the first to show the statement', async (look) => {
    const { context, left } = stopsLate(look);
    expect(await receiveNothing(context)).toEqual({ ok: true, detail: 'receiver told to stop' });
    expect(left()).toBe(STOP);
  });
});
