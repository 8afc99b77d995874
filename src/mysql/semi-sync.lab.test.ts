/** Semi-sync on a server whose own settings are the defaults: those would show rows too early, and fall back in silence. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { MARIADB } from '../../test/lab/mariadb.js';
import type { ServerKind } from '../../test/lab/server-kind.js';
import {
  type Cleanup,
  commitThatWaits,
  count,
  EVERY_KIND,
  eventually,
  openClient,
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

describe('semi-sync after a crash', () => {
  // The server keeps an unacknowledged commit unless it is started with init-rpl-role=SLAVE, whatever rpl_semi_sync_slave_enabled says.
  test.each([
    ['kept', {}, 1],
    ['cut off', { init_rpl_role: 'SLAVE' }, 0],
  ] as const)('an unacknowledged commit of a killed primary is %s, given %o', async (_, extra, rows) => {
    const { active, standby } = await startPair(cleanup, MARIADB);
    const one = watch(cleanup, active);
    await one.run({ name: 'database-semi-sync', on: true });
    await eventually(async () => Number((await active.sql(MARIADB.semiSyncClients))[0]?.Value) === 1);
    await standby.stop('SIGKILL');
    const client = await openClient(cleanup, active);
    client.query('INSERT INTO orders (v) VALUES (77)').catch(() => undefined);
    await eventually(() => waitsForSemiSync(active));
    await active.restart('SIGKILL', extra);
    expect(await count(active)).toBe(rows);
    const [state] = await active.sql('SELECT @@gtid_binlog_state AS s');
    expect(state?.s).toBe(rows === 1 ? '0-1-3' : '0-1-2');
  });
});
