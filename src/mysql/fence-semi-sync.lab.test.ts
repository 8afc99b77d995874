/** Semi-sync that an operator or another program switches on and off (`mysql.semi_sync: off` and `monitor`), in a fence. */

import { afterEach, describe, expect, test } from 'vitest';
import { type Cleanup, commitThatWaits, EVERY_KIND, runCleanup, startPair, watch } from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

describe.each(EVERY_KIND)('$title', (kind) => {
  test('is still on after a fence', async () => {
    const { active } = await startPair(cleanup, kind);
    await active.sql(kind.semiSyncOn);
    const { run } = watch(cleanup, active, { leavesSemiSync: true });
    const outcome = await run({ name: 'database-fence' });
    expect(outcome).toMatchObject({ ok: true });
    expect(outcome.detail).not.toContain('semi-sync');
    const [row] = await active.sql(`SELECT @@read_only AS r, @@global.${kind.semiSyncVariable} AS s`);
    expect(row).toMatchObject({ r: 1, s: 1 });
  });

  test('does not hold up a fence whose standby is gone', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active, { leavesSemiSync: true });
    expect(await run({ name: 'database-semi-sync', on: true })).toMatchObject({ ok: true });
    const { told } = await commitThatWaits(cleanup, active, standby);
    expect(await run({ name: 'database-fence' })).toMatchObject({ ok: true });
    expect(await told).toBe('nothing');
    const [row] = await active.sql('SELECT @@read_only AS r');
    expect(row).toMatchObject({ r: 1 });
  });
});
