import { afterEach, describe, expect, test } from 'vitest';
import {
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startPair,
  type Watched,
  watch,
  writeLoad,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const sourcesOf = ({ database }: Watched) => database.lagSources();

describe.each(EVERY_KIND)('$title', (kind) => {
  test('an applier that waits for a lock, and then catches up: backlog, rates, workers and the long transaction', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    await active.sql('INSERT INTO shop.orders (id, v) VALUES (1, 1)');
    await eventually(async () => (await count(standby)) === 1);
    const workers = kind.name === 'mysql' ? 'replica_parallel_workers' : 'slave_parallel_threads';
    await standby.sql(`${kind.stopApplier}; SET GLOBAL ${workers}=4; ${kind.startApplier}`);
    const [here, there] = [watch(cleanup, standby), watch(cleanup, active)];
    here.database.start();
    there.database.start();
    await eventually(async () => (await sourcesOf(here))?.load?.workers === 4);
    expect(await sourcesOf(here)).toMatchObject({ backlog: 0, applyMs: 0, appliesPerSecond: null });

    await standby.sql(kind.openForAccounts);
    const holder = await openClient(cleanup, standby, 'root');
    await holder.query('BEGIN');
    await holder.query('SELECT v FROM orders WHERE id=1 FOR UPDATE');
    await active.sql('UPDATE shop.orders SET v=2 WHERE id=1');
    const load = writeLoad(active);
    await eventually(async () => {
      const now = await sourcesOf(here);
      return (now?.backlog ?? 0) > 200 && now?.applyMs === null && (now.load?.busyWorkers ?? 0) > 0;
    });
    const stuck = await sourcesOf(here);
    expect(stuck).toMatchObject({ applyMs: null, catchUpMs: null });
    expect(stuck?.writesPerSecond).toBeGreaterThan(0);
    await eventually(async () => ((await sourcesOf(here))?.load?.longestTransactionMs ?? 0) >= 1_000);
    expect((await sourcesOf(there))?.writesPerSecond).toBeGreaterThan(0);
    expect(await sourcesOf(there)).toMatchObject({ backlog: 0, applyMs: 0 });

    await holder.query('COMMIT');
    let applied: Awaited<ReturnType<typeof sourcesOf>>;
    await eventually(async () => {
      const now = await sourcesOf(here);
      if (now !== undefined && now.applyMs !== null && now.backlog > 0 && now.appliesPerSecond !== null) applied = now;
      return applied !== undefined;
    });
    expect(applied?.appliesPerSecond).toBeGreaterThan(0);
    await load.stop();
    await eventually(async () => (await sourcesOf(here))?.backlog === 0);
    expect(await sourcesOf(here)).toMatchObject({ applyMs: 0, catchUpMs: 0 });
    await eventually(async () => (await sourcesOf(here))?.load?.longestTransactionMs === 0);
  });

  test('it costs nothing while nobody looks, and then one statement in each check interval, on a connection whose end nobody else feels', async () => {
    const { active } = await startPair(cleanup, kind);
    await active.sql("SET GLOBAL log_output='TABLE'; SET GLOBAL general_log=ON");
    const asked = async () =>
      await active.sql(
        "SELECT thread_id AS id FROM mysql.general_log WHERE argument LIKE '%INNODB_TRX%' AND user_host LIKE '%vipd%'",
      );
    const checkMs = 500;
    const watched = watch(cleanup, active, { check: { intervalMs: checkMs, timeoutMs: 1_000, writeProbe: true } });
    watched.database.start();
    await eventually(() => watched.reports.length >= 10);
    expect(await asked()).toEqual([]);
    const startedAtMs = performance.now();
    const look = async () => (await Promise.all([sourcesOf(watched), sourcesOf(watched)])).at(-1);
    await eventually(async () => (await look()) !== undefined && (await asked()).length >= 4);
    const rows = await asked();
    expect(rows.length).toBeLessThanOrEqual((performance.now() - startedAtMs) / checkMs + 1);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(1);

    const before = watched.reports.length;
    await active.sql(`KILL ${rows[0]?.id}`);
    await eventually(
      async () => (await look()) !== undefined && new Set((await asked()).map(({ id }) => id)).size === 2,
    );
    await eventually(async () => (await look())?.load != null);
    expect(watched.reports.slice(before).filter(({ state }) => state !== 'ok')).toEqual([]);
  });
});
