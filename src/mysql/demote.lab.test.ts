/** A demotion on real servers: read-only for good at a final position, or everything as it was. */

import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, test } from 'vitest';
import type { Server } from '../../test/lab/mysqld.js';
import { containsPosition } from '../core/position.js';
import {
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startPair,
  watch,
  writeLoad,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const positionOf = (outcome: { readonly position?: string } | object): string =>
  'position' in outcome && typeof outcome.position === 'string' ? outcome.position : '';

/** Statements that make it read-only, and have not come back. */
const pendingReadOnly = (server: Server) =>
  server.sql(`SELECT INFO FROM ${server.kind.processList} WHERE INFO LIKE 'SET GLOBAL %read_only%'`);

describe.each(EVERY_KIND)('a demotion on $title', (kind) => {
  test('under load, with semi-sync: the standby applies exactly the final position, and nothing acknowledged is missing', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const one = watch(cleanup, active);
    const two = watch(cleanup, standby);
    one.database.start();
    two.database.start();
    await one.run({ name: 'database-semi-sync', on: true });
    await active.sql('SET GLOBAL event_scheduler=ON');
    const load = writeLoad(active);
    await eventually(() => load.acknowledged > 100);
    expect(await one.run({ name: 'database-preflight' })).toMatchObject({ ok: true });

    const startedAt = performance.now();
    const demoted = await one.run({ name: 'database-demote', force: false, timeoutMs: 5_000 });
    const demotedAt = performance.now();
    expect(demoted).toMatchObject({ ok: true });
    const caughtUp = await two.run({ name: 'database-catch-up', target: positionOf(demoted), stop: true });
    const caughtUpAt = performance.now();
    expect(caughtUp).toMatchObject({ ok: true });
    const opened = await two.run({ name: 'database-open' });
    console.log(
      `demote ${(demotedAt - startedAt).toFixed(1)} ms, catch up ${(caughtUpAt - demotedAt).toFixed(1)} ms, ` +
        `open ${(performance.now() - caughtUpAt).toFixed(1)} ms`,
    );
    expect(opened).toMatchObject({ ok: true });
    const acknowledged = await load.stop();
    expect(positionOf(caughtUp)).toBe(positionOf(demoted));
    expect(await count(standby)).toBe(await count(active));
    expect(await count(standby)).toBeGreaterThanOrEqual(acknowledged);
  });

  test('blocked by LOCK TABLES: pre-flight names it; demote names it, leaves nothing pending and everything as it was', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    await run({ name: 'database-semi-sync', on: true });
    await active.sql('SET GLOBAL event_scheduler=ON');
    const locker = await openClient(cleanup, active);
    await locker.query('CREATE TABLE held (id INT)');
    await locker.query('LOCK TABLES held WRITE');
    // The client hears of its lock a moment before its session counts as one that sleeps.
    await eventually(async () => /LOCK TABLES.*app@localhost/.test((await run({ name: 'database-preflight' })).detail));
    const outcome = await run({ name: 'database-demote', force: false, timeoutMs: 1_000 });
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringMatching(/LOCK TABLES.*app@localhost.*undone/) });
    await locker.query('UNLOCK TABLES');
    await locker.query('INSERT INTO orders (v) VALUES (1)');
    const [status] = await active.sql(
      `SELECT @@read_only AS r, @@event_scheduler AS e, @@global.${kind.semiSyncVariable} AS s`,
    );
    expect(status).toEqual({ r: 0, e: 'ON', s: 1 });
    expect(await pendingReadOnly(active)).toEqual([]);
  });

  test('with force the holder is killed', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    const locker = await openClient(cleanup, active);
    await locker.query('CREATE TABLE held (id INT)');
    await locker.query('LOCK TABLES held WRITE');
    expect(await run({ name: 'database-demote', force: true, timeoutMs: 2_000 })).toMatchObject({ ok: true });
    expect(locker.ended).toBe(true);
  });

  test('given up while it waits: its statement is taken back, and the server is not opened behind the core', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    const locker = await openClient(cleanup, active);
    await locker.query('CREATE TABLE held (id INT)');
    await locker.query('LOCK TABLES held WRITE');
    const abort = new AbortController();
    const outcome = run({ name: 'database-demote', force: false, timeoutMs: 20_000 }, abort.signal);
    await eventually(async () => (await pendingReadOnly(active)).length === 1);
    abort.abort();
    expect(await outcome).toMatchObject({ ok: false, detail: expect.stringContaining('given up') });
    expect(await pendingReadOnly(active)).toEqual([]);
    expect(await run({ name: 'database-fence' })).toMatchObject({ ok: true });
  });

  test('a privileged client that reconnects and writes for ever: undone, or found out by a fence once the VIP is off', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    const load = writeLoad(active, 'root');
    await eventually(() => load.acknowledged > 50);
    const outcome = await run({ name: 'database-demote', force: false, timeoutMs: 3_000 });
    if (!outcome.ok) {
      await load.stop();
      expect(outcome.detail).toMatch(/still commits.*undone|still there.*undone/);
      expect(await active.sql('SELECT @@read_only AS r')).toEqual([{ r: 0 }]);
      return;
    }
    // read_only does not stop READ_ONLY ADMIN: what is final can only be said when the client has lost its way in.
    const acknowledged = await load.stop();
    const fenced = await run({ name: 'database-fence' });
    expect(fenced).toMatchObject({ ok: true });
    expect(containsPosition(positionOf(fenced), positionOf(outcome))).toBe(true);
    expect(positionOf(fenced)).toBe(await active.position());
    expect(await count(active)).toBeGreaterThanOrEqual(acknowledged);
  });

  test('pre-flight names a long transaction and a prepared XA transaction', async () => {
    const { active } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, active);
    const client = await openClient(cleanup, active);
    await client.query('BEGIN');
    await client.query('INSERT INTO orders (v) VALUES (1)');
    const xa = await openClient(cleanup, active);
    await xa.query("XA START 'one'");
    await xa.query('INSERT INTO orders (v) VALUES (1)');
    await xa.query("XA END 'one'");
    await xa.query("XA PREPARE 'one'");
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const outcome = await run({ name: 'database-preflight' });
    expect(outcome).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/transaction open for \d s.*app@localhost/),
    });
    expect(outcome.detail).toContain("prepared XA transaction 'one'");
  });
});
