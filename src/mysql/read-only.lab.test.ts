/** Read-only at its strongest: whom it binds on each server, and who is ended by a fence and who is not. */

import { afterEach, describe, expect, test } from 'vitest';
import { KINDS } from '../../test/lab/kinds.js';
import { type Cleanup, EVERY_KIND, eventually, openClient, runCleanup, startPair, watch } from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const fence = { name: 'database-fence' } as const;
const INSERT = 'INSERT INTO shop.orders (v) VALUES (1)';

describe.each(EVERY_KIND)('a fence on $title', (kind) => {
  test("ends privileged sessions, and neither the agent's watch nor the threads of the server's own channel", async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run, database, reports } = watch(cleanup, active);
    database.start();
    await eventually(() => reports.length > 2);
    const root = await openClient(cleanup, active, 'root');
    const threads = `SELECT ID FROM ${kind.processList} WHERE USER = 'system user' ORDER BY ID`;
    const before = await active.sql(threads);
    expect(before.length).toBeGreaterThan(1);
    // The first that it opened; others come and go.
    const watching = `SELECT MIN(ID) AS id FROM ${kind.processList} WHERE USER = 'vipd'`;
    const ours = await active.sql(watching);
    expect(await run(fence)).toMatchObject({
      ok: true,
      detail: expect.stringContaining('sessions ended: root@localhost'),
    });
    expect(root.ended).toBe(true);
    expect(await active.sql(threads)).toEqual(before);
    expect(await active.sql(watching)).toEqual(ours);
    await standby.sql(`${kind.openForAccounts}; SET GLOBAL read_only=OFF; ${INSERT}`);
    await eventually(async () => (await active.sql('SELECT 1 FROM shop.orders')).length === 1);
  });
});

describe('MySQL', () => {
  test.each([
    ['writable', []],
    ['read-only for clients alone', ['SET GLOBAL read_only=ON']],
  ])(
    'a server that is %s is shut to root as well, by a fence and by a demotion, and opened again',
    async (_, before) => {
      const { active } = await startPair(cleanup, KINDS.mysql);
      const { run } = watch(cleanup, active);
      for (const step of [fence, { name: 'database-demote', force: false, timeoutMs: 10_000 } as const]) {
        for (const statement of before) await active.sql(statement);
        await active.sql(INSERT);
        expect(await run(step)).toMatchObject({ ok: true });
        await expect(active.sql(INSERT)).rejects.toMatchObject({ errno: 1290 });
        expect(await run({ name: 'database-open' })).toMatchObject({ ok: true });
        expect(await active.sql('SELECT @@read_only AS r, @@super_read_only AS s')).toEqual([{ r: 0, s: 0 }]);
      }
    },
  );

  test('a server that is shut to root as well counts as read-only, and so does one that is shut to clients alone', async () => {
    const { active } = await startPair(cleanup, KINDS.mysql);
    const { database, reports } = watch(cleanup, active);
    database.start();
    for (const [statement, readOnly] of [
      ['SET GLOBAL super_read_only=ON', true],
      ['SET GLOBAL super_read_only=OFF', true],
      ['SET GLOBAL read_only=OFF', false],
    ] as const) {
      await active.sql(statement);
      // One look may have been under way.
      const seen = reports.length;
      await eventually(() => reports.length > seen + 1);
      expect(reports.at(-1)).toMatchObject({ readOnly });
    }
  });
});
