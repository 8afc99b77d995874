/** Semi-sync on a server whose own settings are the defaults: those would show rows too early, and fall back in silence. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { ServerKind } from '../../test/lab/server-kind.js';
import {
  type Cleanup,
  commitThatWaits,
  count,
  EVERY_KIND,
  eventually,
  runCleanup,
  startPair,
  waitsForSemiSync,
  watch,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

/** Shorter than the servers' own ten seconds. */
const FALLBACK_MS = 50;
const MANY_FALLBACKS_MS = 20 * FALLBACK_MS;

const careless = ({ name }: ServerKind): readonly string[] => {
  const [role, standby] = name === 'mysql' ? ['source', 'replica'] : ['master', 'slave'];
  return [
    `SET GLOBAL rpl_semi_sync_${role}_timeout=${FALLBACK_MS}`,
    `SET GLOBAL rpl_semi_sync_${role}_wait_point='AFTER_COMMIT'`,
    `SET GLOBAL rpl_semi_sync_${role}_wait_no_${standby}=OFF`,
  ];
};

describe.each(EVERY_KIND)('$title', (kind) => {
  test('switched on, a commit that nobody acknowledges is shown to nobody, and no time lets it go', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    for (const statement of careless(kind)) await active.sql(statement);
    expect(await run({ name: 'database-semi-sync', on: true })).toMatchObject({ ok: true });
    await eventually(async () => Number((await active.sql(kind.semiSyncClients))[0]?.Value) === 1);
    const { told } = await commitThatWaits(cleanup, active, standby);
    let answer: string | undefined;
    void told.then((said) => {
      answer = said;
    });
    // By a standby that is cut off, and by one that is gone.
    for (const fault of [() => Promise.resolve(), () => standby.stop('SIGKILL')]) {
      await fault();
      await sleep(MANY_FALLBACKS_MS);
      expect(await waitsForSemiSync(active)).toBe(true);
      expect(answer).toBeUndefined();
      expect(await count(active)).toBe(0);
    }
    expect(await run({ name: 'database-semi-sync', on: false })).toMatchObject({ ok: true });
    expect(await told).toBe('safe');
    expect(await count(active)).toBe(1);
  });
});
