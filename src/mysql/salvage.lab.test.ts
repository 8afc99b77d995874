/** Salvage between real servers: a primary killed under load, its transactions fetched, and both replicating again. */

import { afterEach, describe, expect, test } from 'vitest';
import { differencePosition } from '../core/position.js';
import { type Cleanup, count, eventually, runCleanup, writeLoad } from './lab.fixture.js';
import { catchUp, positionOn, type SalvagePair, startSides } from './salvage.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

/** The dead one comes back: nothing extra on it, both channels run, and a new row reaches both. */
const proveWhole = async ({ active, standby }: SalvagePair): Promise<void> => {
  expect(await standby.run({ name: 'database-open' })).toMatchObject({ ok: true });
  await active.server.start();
  await eventually(() => active.database.lastReport()?.state === 'ok');
  expect(differencePosition(await positionOn(active.server), await positionOn(standby.server))).toBe('');
  const activePosition = await positionOn(standby.server);
  expect(await active.run({ name: 'database-follow', activePosition })).toMatchObject({ ok: true });
  expect(await standby.run({ name: 'database-open-reverse' })).toMatchObject({ ok: true });
  await standby.server.sql('INSERT INTO shop.orders (v) VALUES (99)');
  const rows = await count(standby.server);
  await eventually(async () => (await count(active.server)) === rows);
  const checksums = await Promise.all(
    [active, standby].map(async ({ server }) => (await server.sql('CHECKSUM TABLE shop.orders'))[0]?.Checksum),
  );
  expect(checksums[0]).toBe(checksums[1]);
};

describe('salvage', () => {
  test('under semi-sync: what was logged and never acknowledged comes along, and the node returns clean', async () => {
    const pair = await startSides(cleanup);
    const { active, standby } = pair;
    await active.server.sql('SET GLOBAL rpl_semi_sync_master_enabled=ON');
    await standby.server.sql('STOP SLAVE IO_THREAD; START SLAVE IO_THREAD');
    console.log(1);
    const load = writeLoad(active.server);
    await eventually(() => load.acknowledged > 50);
    // From now on commits stand in the binlog and wait for ever.
    await standby.server.sql('STOP SLAVE IO_THREAD');
    await eventually(
      async () => differencePosition(await positionOn(active.server), await positionOn(standby.server)) !== '',
    );
    console.log(2);
    await active.server.stop('SIGKILL');
    const acknowledged = await load.stop();
    console.log(3);
    await catchUp(standby);
    console.log(4);
    const rows = await count(standby.server);
    const outcome = await standby.fetch();
    expect(outcome).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/^salvaged \d+ transactions, up to 0-1-/),
    });
    expect(await count(standby.server)).toBeGreaterThan(rows);
    expect(await count(standby.server)).toBeGreaterThanOrEqual(acknowledged);
    await proveWhole(pair);
  });

  test('asynchronous: no acknowledged row is missing on the new active', async () => {
    const pair = await startSides(cleanup);
    const { active, standby } = pair;
    const load = writeLoad(active.server);
    await eventually(() => load.acknowledged > 50);
    await standby.server.sql('STOP SLAVE IO_THREAD');
    const before = load.acknowledged;
    await eventually(() => load.acknowledged > before + 200);
    await active.server.sql('CREATE TABLE shop.later (t TEXT); FLUSH BINARY LOGS');
    await active.server.sql("INSERT INTO shop.later VALUES ('a\\\\! touch /tmp/never; \\r\\n ÄÖ \\0 #')");
    await eventually(() => load.acknowledged > before + 400);
    await active.server.stop('SIGKILL');
    const acknowledged = await load.stop();
    await catchUp(standby);
    expect(await count(standby.server)).toBeLessThan(acknowledged);
    const outcome = await standby.fetch();
    expect(outcome).toMatchObject({ ok: true });
    expect(await count(standby.server)).toBeGreaterThanOrEqual(acknowledged);
    expect(standby.told[0]).toMatch(/^salvage: \d+ transactions to fetch/);
    await proveWhole(pair);
    expect(await standby.server.sql('SELECT t FROM shop.later')).toEqual(
      await active.server.sql('SELECT t FROM shop.later'),
    );
  });

  test('nothing missing is told without a process, and a server that runs is refused', async () => {
    const { active, standby } = await startSides(cleanup);
    await active.server.sql('INSERT INTO shop.orders (v) VALUES (1)');
    await eventually(async () => (await count(standby.server)) === 1);
    await catchUp(standby);
    expect(await standby.fetch()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('runs: make it read-only'),
    });
    await active.server.stop('SIGKILL');
    const startedAt = performance.now();
    expect(await standby.fetch()).toMatchObject({ ok: true, detail: 'nothing to salvage' });
    console.log('nothing took', performance.now() - startedAt);
  });
});
