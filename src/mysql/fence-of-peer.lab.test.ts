/** A server made read-only from the other host, whose own agent is silent: its VIP may still be on, with clients on it. */

import { afterEach, describe, expect, test } from 'vitest';
import {
  type Cleanup,
  commitThatWaits,
  count,
  EVERY_KIND,
  eventually,
  runCleanup,
  startPair,
  watch,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

describe.each(EVERY_KIND)('$title', (kind) => {
  test('a client whose commit waits for the standby is cut off, and not told that it is safe', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active, { vipMayBeOn: true });
    expect(await run({ name: 'database-semi-sync', on: true })).toMatchObject({ ok: true });
    const { told } = await commitThatWaits(cleanup, active, standby);
    expect(await run({ name: 'database-fence' })).toMatchObject({ ok: true });
    expect(await told).toBe('nothing');
    const has = await count(standby);
    await eventually(async () => (await count(active)) === has + 1);
    await eventually(async () => {
      const [row] = await active.sql(`SELECT @@read_only AS r, @@global.${kind.semiSyncVariable} AS s`);
      return row?.r === 1 && row?.s === 0;
    });
  });
});
