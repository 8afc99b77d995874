/** The steps on real servers, each with the fact of MariaDB that would bite without it. */

import { exec } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { MARIADB } from '../../test/lab/mariadb.js';
import { pointAt, type Server } from '../../test/lab/mysqld.js';
import { REPLICATION_USER } from '../../test/lab/server-kind.js';
import { containsPosition } from '../core/position.js';
import {
  alone,
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

/** As the agents do it: the source's binary log after its first transactions, applied with the original GTIDs. */
const salvage = async (source: Server, target: Server, after: number): Promise<void> => {
  const { binlog, client, binlogAfter } = source.kind;
  await target.sql(target.kind.openForAccounts);
  const read = `${binlog} ${binlogAfter(1, after).join(' ')} ${source.dataDir}/binlog.0*[0-9]`;
  await promisify(exec)(`${read} | ${client} --no-defaults -uroot -S ${target.socket}`);
};

/** Statements that make it read-only, and have not come back. */
const pendingReadOnly = (server: Server) =>
  server.sql(`SELECT INFO FROM ${server.kind.processList} WHERE INFO LIKE 'SET GLOBAL %read_only%'`);

describe.each(EVERY_KIND)('$title', (kind) => {
  describe('fence', () => {
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

  describe('demote', () => {
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
      await eventually(async () =>
        /LOCK TABLES.*app@localhost/.test((await run({ name: 'database-preflight' })).detail),
      );
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

  describe('catch up', () => {
    test('after the source is killed: everything received is applied, with a slow applier too', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const one = watch(cleanup, active);
      const two = watch(cleanup, standby);
      two.database.start();
      await one.run({ name: 'database-semi-sync', on: true });
      // The applier stands behind a lock while rows come in.
      const locker = await openClient(cleanup, standby, 'root');
      await locker.query('LOCK TABLES orders READ');
      const load = writeLoad(active);
      await eventually(() => load.acknowledged > 100);
      await active.stop('SIGKILL');
      await eventually(async () => (await standby.channel()).receiver === 'Connecting');
      const acknowledged = await load.stop();
      expect(await count(standby)).toBeLessThan(acknowledged);
      const outcome = two.run({ name: 'database-catch-up', target: null, stop: true });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await locker.query('UNLOCK TABLES');
      expect(await outcome).toMatchObject({ ok: true, detail: 'all applied, channel stopped' });
      expect(await count(standby)).toBeGreaterThanOrEqual(acknowledged);
      expect(await standby.channel()).toMatchObject({ receiver: 'No', applier: 'No' });
      // That it could not reach its source is no error of its own, and stands in the way of nothing later.
      await eventually(() => two.database.lastReport()?.replica?.io === 'stopped');
      expect(two.database.lastReport()?.replica).not.toHaveProperty('error');
      expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({ ok: true });
    });

    test('stalled, or stopped by an error: a failure that says so', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const two = watch(cleanup, standby, { stallMs: 300 });
      const locker = await openClient(cleanup, standby, 'root');
      await locker.query('LOCK TABLES orders READ');
      await active.sql('INSERT INTO shop.orders (id, v) VALUES (1001, 1)');
      await eventually(async () => containsPosition(await standby.received(), kind.firstOf(1, 3)));
      expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({
        ok: false,
        detail: expect.stringContaining(`stalled for 300 ms, still without ${kind.gtid(1, 3)}`),
      });
      await locker.query('UNLOCK TABLES');
      await eventually(async () => (await count(standby)) === 1);
      await standby.sql(kind.startReplica);
      await alone(standby, 'INSERT INTO shop.orders (id, v) VALUES (2001, 1)');
      await active.sql('INSERT INTO shop.orders (id, v) VALUES (2001, 1)');
      await eventually(async () => (await standby.channel()).applier === 'No');
      expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({
        ok: false,
        detail: expect.stringMatching(/the applier was stopped by an error: .*1062/),
      });
    });

    test.each(['SIGKILL', 'SIGTERM'] as const)(
      'after a restart of the standby (%s), with the active dead: what was received is applied',
      async (signal) => {
        const { active, standby } = await startPair(cleanup, kind);
        const two = watch(cleanup, standby);
        await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
        await eventually(async () => (await count(standby)) === 1);
        await standby.restart(signal);
        expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({ ok: true });

        await standby.sql(kind.startReplica);
        // Not by a lock: an orderly shutdown ends its holder first, and the applier may get through before it is stopped.
        await standby.sql(kind.stopApplier);
        await active.sql('INSERT INTO shop.orders (v) VALUES (2)');
        await eventually(async () => containsPosition(await standby.received(), kind.firstOf(1, 4)));
        await active.stop('SIGKILL');
        await standby.restart(signal);
        const outcome = await two.run({ name: 'database-catch-up', target: null, stop: true });
        // MySQL's applier may be started alone, and goes on where it stood; MariaDB's would delete what is there.
        expect(outcome).toMatchObject({ ok: true });
        expect(await count(standby)).toBe(2);
      },
    );

    test('a source that hangs does not hold up the stop of the channel', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const one = watch(cleanup, active);
      const two = watch(cleanup, standby);
      two.database.start();
      await one.run({ name: 'database-semi-sync', on: true });
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      await eventually(async () => (await count(standby)) === 1);
      active.signal('SIGSTOP');
      const startedAt = performance.now();
      const outcome = await two.run({ name: 'database-catch-up', target: null, stop: true });
      console.log(`promotable beside a hanging source in ${(performance.now() - startedAt).toFixed(0)} ms`);
      expect(outcome).toMatchObject({ ok: true, detail: expect.stringMatching(/its source does not answer|stopped/) });
      expect(await two.run({ name: 'database-open' })).toMatchObject({ ok: true });
      await standby.sql('INSERT INTO shop.orders (v) VALUES (2)');
      await eventually(async () => (await standby.channel()).applier === 'No');
      expect(two.reports.filter((report) => report.state !== 'ok')).toEqual([]);
      // Awake again, the source has a commit of its own that must not come over.
      active.signal('SIGCONT');
      // Never acknowledged: its replica is gone, and semi-sync is on.
      const orphan = await openClient(cleanup, active);
      orphan.query('INSERT INTO orders (v) VALUES (3)').catch(() => undefined);
      await eventually(() => waitsForSemiSync(active));
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await count(standby)).toBe(2);
    });
  });

  describe('follow', () => {
    test('there and back again: each side replicates from the other after having been the owner', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const one = watch(cleanup, active);
      const two = watch(cleanup, standby);
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      await eventually(async () => (await count(standby)) === 1);
      await active.stop('SIGKILL');
      expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({ ok: true });
      expect(await two.run({ name: 'database-open' })).toMatchObject({ ok: true });
      await standby.sql('INSERT INTO shop.orders (v) VALUES (2)');
      await active.start();
      const position = await standby.position();
      expect(await one.run({ name: 'database-follow', activePosition: position })).toMatchObject({ ok: true });
      expect(await one.run({ name: 'database-follow', activePosition: position })).toMatchObject({
        ok: true,
        detail: 'replicating',
      });
      // Asked for what it has not yet, it would refuse to send anything.
      await eventually(async () => (await count(active)) === 2);
      expect(await two.run({ name: 'database-open-reverse' })).toMatchObject({ ok: true });
      await standby.sql('INSERT INTO shop.orders (v) VALUES (3)');
      await eventually(async () => (await count(active)) === 3);
      // And a planned move back over the channel that was opened.
      const demoted = await two.run({ name: 'database-demote', force: false, timeoutMs: 5_000 });
      expect(await one.run({ name: 'database-catch-up', target: positionOf(demoted), stop: true })).toMatchObject({
        ok: true,
      });
      expect(await one.run({ name: 'database-open' })).toMatchObject({ ok: true });
      await active.sql('INSERT INTO shop.orders (v) VALUES (4)');
      await eventually(async () => (await count(standby)) === 4);
      expect(await one.run({ name: 'database-open-reverse' })).toMatchObject({ ok: true });
      for (const server of [active, standby]) {
        expect(await server.channel()).toMatchObject({ applierErrno: 0, applier: 'Yes' });
      }
    });

    test('after events came in by salvage, which the replica position does not name, they are not applied again', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const two = watch(cleanup, standby);
      await standby.sql(kind.stopReplica);
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      await salvage(active, standby, 2);
      expect(await count(standby)).toBe(1);
      const position = await active.position();
      expect(await two.run({ name: 'database-follow', activePosition: position })).toMatchObject({ ok: true });
      await active.sql('INSERT INTO shop.orders (v) VALUES (2)');
      await eventually(async () => (await count(standby)) === 2);
    });

    test('what a restarted standby had received is applied, also where its source sends nothing again', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const two = watch(cleanup, standby);
      await standby.sql(kind.stopApplier);
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      await eventually(async () => containsPosition(await standby.received(), kind.firstOf(1, 3)));
      await standby.restart('SIGKILL');
      // As good as dead, and told at once.
      await alone(active, `DROP USER '${REPLICATION_USER}'@'%'`);
      const activePosition = await active.position();
      expect(await two.run({ name: 'database-follow', activePosition })).toMatchObject({
        ok: false,
        detail: expect.stringContaining('Access denied'),
      });
      await eventually(async () => (await count(standby)) === 1);
    });

    test('a node with commits that the active has not is refused, with their GTIDs, and its channel stays shut', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const one = watch(cleanup, active);
      await standby.sql(kind.stopReplica);
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      await active.stop('SIGKILL');
      await standby.sql('SET GLOBAL read_only=OFF; INSERT INTO shop.orders (v) VALUES (2)');
      const position = await standby.position();
      await active.start();
      expect(await one.run({ name: 'database-follow', activePosition: position })).toEqual({
        ok: false,
        detail: `diverged: ${kind.gtid(1, 3)}`,
      });
      expect(await active.channel()).toMatchObject({ receiver: 'No' });
    });

    test('a standby whose channel was stopped just now is not called diverged by an older position', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const two = watch(cleanup, standby);
      const older = await active.position();
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      const tagged = kind.name === 'mysql' ? "SET gtid_next='AUTOMATIC:app'" : 'DO 0';
      await active.sql(`${tagged}; INSERT INTO shop.orders (v) VALUES (2)`);
      await eventually(async () => (await count(standby)) === 2);
      await standby.sql(kind.stopReplica);
      const outcome = await two.run({ name: 'database-follow', activePosition: older });
      expect(outcome).toMatchObject({ ok: false, detail: expect.not.stringContaining('diverged') });
    });

    test('no channel, and a peer that refuses the login, are told', async () => {
      const { active } = await startPair(cleanup, kind);
      const lonely = await startServer(cleanup, kind, 3);
      const { run } = watch(cleanup, lonely);
      expect(await run({ name: 'database-follow', activePosition: kind.firstOf(1, 9) })).toMatchObject({
        ok: false,
        detail: expect.stringMatching(/CHANGE (MASTER|REPLICATION SOURCE) TO/),
      });
      await pointAt(lonely, { host: '127.0.0.1', port: active.port ?? 0 });
      await lonely.sql(kind.pointAt({ host: '127.0.0.1', port: active.port ?? 0, password: 'wrong' }));
      expect(await run({ name: 'database-follow', activePosition: kind.firstOf(1, 9) })).toMatchObject({
        ok: false,
        detail: expect.stringContaining('Access denied'),
      });
    });
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
