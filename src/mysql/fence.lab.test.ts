/** A fence on real servers: whatever stands in its way, nothing is written afterwards. */

import { afterEach, describe, expect, test } from 'vitest';
import {
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startPair,
  startServer,
  waitsForSemiSync,
  watch,
  writeLoad,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const positionOf = (outcome: { readonly position?: string } | object): string =>
  'position' in outcome && typeof outcome.position === 'string' ? outcome.position : '';

describe.each(EVERY_KIND)('a fence on $title', (kind) => {
  test('under write load, with LOCK TABLES held and a transaction open: nothing is written afterwards', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run, database } = watch(cleanup, active);
    database.start();
    const locker = await openClient(cleanup, active);
    await locker.query('CREATE TABLE held (id INT)');
    await locker.query('LOCK TABLES held WRITE');
    const writer = await openClient(cleanup, active);
    await writer.query('BEGIN');
    await writer.query('INSERT INTO orders (v) VALUES (2)');
    const load = writeLoad(active);
    await eventually(() => load.acknowledged > 50);

    const outcome = await run({ name: 'database-fence' });
    const rows = await count(active);
    expect(outcome).toMatchObject({ ok: true, detail: expect.stringContaining('read-only') });
    expect(locker.ended && writer.ended).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await count(active)).toBe(rows);
    expect(await load.stop()).toBeLessThanOrEqual(rows);
    const [status] = await active.sql('SELECT @@read_only AS r, @@event_scheduler AS e');
    expect(positionOf(outcome)).toBe(await active.position());
    expect(status).toMatchObject({ r: 1, e: 'OFF' });
  });

  test('a commit that waits for a semi-sync standby which is gone does not hold it up', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    expect(await run({ name: 'database-semi-sync', on: true })).toMatchObject({ ok: true });
    await standby.stop('SIGKILL');
    const client = await openClient(cleanup, active);
    const commit = client.query('INSERT INTO orders (v) VALUES (1)').then(
      () => 'acknowledged',
      () => 'refused',
    );
    await eventually(() => waitsForSemiSync(active));
    expect(await run({ name: 'database-fence' })).toMatchObject({ ok: true });
    await commit;
  });

  test('the peer keeps reading the binary log', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const dump = `SELECT ID FROM ${kind.processList} WHERE COMMAND LIKE 'Binlog Dump%'`;
    const before = await active.sql(dump);
    expect(await watch(cleanup, active).run({ name: 'database-fence' })).toMatchObject({ ok: true });
    expect(await active.sql(dump)).toEqual(before);
    expect(await standby.channel()).toMatchObject({ receiver: 'Yes' });
  });

  test('events and semi-sync are off afterwards, also where neither stood in its way', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    await run({ name: 'database-semi-sync', on: true });
    await active.sql('SET GLOBAL event_scheduler=ON');
    expect(await run({ name: 'database-fence' })).toMatchObject({ ok: true });
    expect(await active.sql('SELECT @@event_scheduler AS e')).toEqual([{ e: 'OFF' }]);
    // MySQL takes its time, and the fence does not wait for it.
    const inForce = `SELECT @@global.${kind.semiSyncVariable} AS s`;
    await eventually(async () => (await active.sql(inForce))[0]?.s === 0);
  });

  test('a server that is down is fenced', async () => {
    const server = await startServer(cleanup, kind, 1);
    const { run } = watch(cleanup, server);
    await server.stop('SIGKILL');
    expect(await run({ name: 'database-fence' })).toEqual({ ok: true, detail: 'down' });
  });
});
