import { describe, expect, it } from 'vitest';
import type { Step } from '../core/effect.js';
import type { Event, Evidence, Outcome } from '../core/event.js';
import type { ShutPeer } from './peer-database.js';
import { createSteps, type StepsOptions } from './steps.js';

const TAKEOVER: Step = { name: 'database-catch-up', target: null, stop: true };
const NEVER = (): never => {
  throw new Error('not to be used here');
};

const UNUSED: StepsOptions = {
  database: { run: NEVER },
  address: { probe: { ask: NEVER, askAhead: NEVER }, on: NEVER },
  standbyAddress: null,
  standbyVipUntil: NEVER,
  peerGaveUp: NEVER,
  hooks: { run: NEVER },
  fenceCommand: null,
  hookFacts: () => ({ group: 'g', node: 'db2', peer: 'db1', vips: [] }),
  gatherEvidence: NEVER,
  peerMayServe: NEVER,
  shutPeerDatabase: NEVER,
  salvage: NEVER,
  leaseUntil: NEVER,
  emit: NEVER,
  onHook: NEVER,
};

interface Taken {
  /** What the database was asked for. */
  readonly steps: readonly Step[];
  /** Whether it was told that the source is silent, each time. */
  readonly silent: readonly boolean[];
  readonly outcome: Outcome;
  readonly asked: number;
}

/** Carries out one step with a peer that may still serve or not, and whose server is as told. */
const take = async (step: Step, peerMayServe: boolean, peer: ShutPeer): Promise<Taken> => {
  const steps: Step[] = [];
  const silent: boolean[] = [];
  let asked = 0;
  const outcome = await new Promise<Outcome>((resolve) => {
    const database: Pick<StepsOptions['database'], 'run'> = {
      run: async (one, { sourceSilent }) => {
        steps.push(one);
        silent.push(sourceSilent === true);
        return { ok: true, detail: 'all applied' };
      },
    };
    createSteps({
      ...UNUSED,
      database,
      peerMayServe: () => peerMayServe,
      shutPeerDatabase: async () => {
        asked += 1;
        return peer;
      },
      emit: (event: Event) => {
        if (event.type === 'outcome') resolve(event.outcome);
      },
    }).run(1, step);
  });
  return { steps, silent, outcome, asked };
};

describe('a takeover on silence', () => {
  it("applies all that the peer's living server has, once that takes no more", async () => {
    const taken = await take(TAKEOVER, true, { state: 'made-read-only', position: 'mariadb:0-1-7' });
    expect(taken.steps).toEqual([{ ...TAKEOVER, target: 'mariadb:0-1-7' }]);
    expect(taken.outcome).toEqual({
      ok: true,
      detail: 'the server of the silent peer lives and was made read-only; all applied',
      shutAt: 'mariadb:0-1-7',
    });
  });

  it('makes do with what was received where the peer is dead, or its server cannot be shut', async () => {
    expect(await take(TAKEOVER, true, { state: 'silent' })).toMatchObject({ steps: [TAKEOVER], silent: [true] });
    const refused = await take(TAKEOVER, true, { state: 'refuses', why: 'access denied' });
    expect(refused).toMatchObject({ steps: [TAKEOVER], silent: [false] });
    expect(refused.outcome.detail).toContain('could not be made read-only: access denied');
  });
});

describe('catching up with a peer that serves nobody, or to a position that it named', () => {
  it('leaves its server to its own agent', async () => {
    const living: ShutPeer = { state: 'made-read-only', position: 'mariadb:0-1-7' };
    expect(await take(TAKEOVER, false, living)).toMatchObject({ steps: [TAKEOVER], asked: 0 });
    const named: Step = { ...TAKEOVER, target: 'mariadb:0-1-5' };
    expect(await take(named, true, living)).toMatchObject({ steps: [named], asked: 0 });
  });
});

describe('a planned move to this node', () => {
  /** What the probe of the VIPs was asked while these steps were carried out, one after the other. */
  const probed = async (steps: readonly Step[], peerGaveUp: boolean, applies = true): Promise<readonly string[]> => {
    const asked: string[] = [];
    const ask = async (gaveUp: boolean): Promise<Outcome> => {
      asked.push(gaveUp ? 'for strangers' : 'for everybody');
      return { ok: true, detail: '' };
    };
    const probe = { ask, askAhead: () => asked.push('ahead') };
    const run = async (): Promise<Outcome> => {
      await Promise.resolve();
      asked.push('database');
      return { ok: applies, detail: '' };
    };
    const database = { run };
    const address = { probe, on: NEVER };
    for (const step of steps) {
      await new Promise<void>((resolve) => {
        const emit = () => setImmediate(resolve);
        const peerMayServe = () => !peerGaveUp;
        const parts = { database, address, emit, peerMayServe, peerGaveUp: () => peerGaveUp };
        createSteps({ ...UNUSED, ...parts }).run(1, step);
      });
    }
    return asked;
  };
  const apply: Step = { name: 'database-catch-up', target: 'mariadb:0-1-7', stop: false };

  it('has strangers looked for once the final position is applied, and not at any other catching up', async () => {
    expect(await probed([apply, { ...apply, stop: true }], true)).toEqual(['database', 'ahead', 'database']);
    expect(await probed([apply], true, false)).toEqual(['database']);
  });

  it("tells the probe whether the peer's word is there that it holds the VIPs no more", async () => {
    expect(await probed([{ name: 'vip-probe' }], true)).toEqual(['for strangers']);
    expect(await probed([{ name: 'vip-probe' }], false)).toEqual(['for everybody']);
  });
});

describe('evidence', () => {
  const heard: Evidence = { gateways: 'answer', peerDatabase: 'silent', detail: 'a gateway answers' };

  /** What is told where it is given up before it is there, or not. */
  const gather = async (givenUp: boolean): Promise<readonly Event['type'][]> => {
    const told: Event['type'][] = [];
    let answer = (_: Evidence): void => undefined;
    const promise = new Promise<Evidence>((resolve) => {
      answer = resolve;
    });
    const steps = createSteps({ ...UNUSED, gatherEvidence: () => promise, emit: ({ type }) => told.push(type) });
    steps.run(1, { name: 'gather-evidence', fencePeer: true });
    if (givenUp) steps.cancel(1);
    answer(heard);
    await new Promise(setImmediate);
    return told;
  };

  it('is told, and then that it has ended', async () => {
    expect(await gather(false)).toEqual(['evidence', 'outcome']);
  });

  it('that was given up is not told: it would pass for the answer to a later question', async () => {
    expect(await gather(true)).toEqual([]);
  });
});

describe('an orderly stop', () => {
  it('lets hooks run to their end, and gives everything else up', async () => {
    const given: Record<string, AbortSignal | undefined> = {};
    let end = (): void => undefined;
    const steps = createSteps({
      ...UNUSED,
      database: {
        run: async (step, { signal }) => {
          given[step.name] = signal;
          return new Promise(() => undefined);
        },
      },
      hooks: {
        run: async (_facts, signal) => {
          given.hook = signal;
          await new Promise<void>((resolve) => {
            end = resolve;
          });
          return { ok: true, detail: 'done', ran: [] };
        },
      },
      onHook: () => undefined,
      emit: () => undefined,
    });
    steps.run(1, { name: 'database-fence' });
    steps.run(2, { name: 'hook', phase: 'post-demote', term: 1, role: 'standby', reason: 'stop' });
    let finished = false;
    const all = steps.finishHooks().then(() => {
      finished = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([given['database-fence']?.aborted, given.hook?.aborted, finished]).toEqual([true, false, false]);
    end();
    await all;
  });
});
