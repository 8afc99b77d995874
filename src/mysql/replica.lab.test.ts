/** The channel from the peer on real servers: applied to the end and stopped, or judged and started again. */

import { exec } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { pointAt, type Server } from '../../test/lab/mysqld.js';
import { REPLICATION_USER } from '../../test/lab/server-kind.js';
import { containsPosition } from '../core/position.js';
import {
  AGENT,
  alone,
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  longStatement,
  openClient,
  runCleanup,
  startPair,
  startServer,
  waitsForSemiSync,
  watch,
  writeLoad,
} from './lab.fixture.js';
import { openLink } from './links.js';

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

describe.each(EVERY_KIND)('$title', (kind) => {
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

    test.each(['stopped', 'still connecting'])(
      'a transaction that came in by half, with the receiver %s: nobody waits for the rest, and it comes whole later',
      async (receiver) => {
        const { active, standby } = await startPair(cleanup, kind);
        const two = watch(cleanup, standby);
        two.database.start();
        await active.sql('CREATE TABLE shop.large (id INT AUTO_INCREMENT PRIMARY KEY, t LONGBLOB)');
        await eventually(async () => containsPosition(await standby.received(), kind.firstOf(1, 3)));
        const relayed = async () => Number((await standby.sql(kind.showReplica))[0]?.Relay_Log_Space);
        const before = await relayed();
        const rows = `WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 120) SELECT i FROM n`;
        const insert = active.sql(`INSERT INTO shop.large (t) SELECT REPEAT('x', 1000000) FROM (${rows}) AS d`);
        await eventually(async () => (await relayed()) > before + 3_000_000);
        await active.stop('SIGKILL');
        await insert.catch(() => undefined);
        await eventually(async () => (await standby.channel()).receiver === 'Connecting');
        if (receiver === 'stopped') await standby.sql(kind.stopReceiver);
        expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({ ok: true });
        await eventually(async () => {
          const now = await standby.channel();
          return now.receiver === 'No' && now.applier === 'No';
        });
        expect(containsPosition(await standby.position(), kind.firstOf(1, 4))).toBe(false);

        // Ended so, it is not broken: a promotion may begin again, and the channel too.
        await eventually(() => two.database.lastReport()?.replica?.sql === 'stopped');
        expect(two.database.lastReport()?.replica).not.toHaveProperty('error');
        expect(await two.run({ name: 'database-catch-up', target: null, stop: true })).toMatchObject({ ok: true });
        await active.start();
        const activePosition = await active.position();
        expect(await two.run({ name: 'database-follow', activePosition })).toMatchObject({ ok: true });
        await eventually(async () => (await standby.sql('SELECT COUNT(*) AS n FROM shop.large'))[0]?.n === 120);
      },
    );

    test('a transaction that takes longer than the stall is waited for, since the applier is at work', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const stallMs = 1_500;
      const two = watch(cleanup, standby, { stallMs });
      two.database.start();
      await eventually(() => two.reports.some((report) => report.state === 'ok'));
      await active.sql(await longStatement(active, 4 * stallMs));
      await eventually(async () => containsPosition(await standby.received(), await active.position()));
      const startedMs = performance.now();
      const told: string[] = [];
      const outcome = await two.database.run(
        { name: 'database-catch-up', target: null, stop: true },
        { signal: new AbortController().signal, progress: (text) => told.push(text) },
      );
      expect(outcome).toMatchObject({ ok: true, position: await active.position() });
      expect(performance.now() - startedMs).toBeGreaterThan(stallMs);
      expect(told).toContain('1 transactions to apply, the server is at work on one');
    });

    test('stalled, or stopped by an error: a failure that says so', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const two = watch(cleanup, standby, { stallMs: 300 });
      two.database.start();
      await eventually(() => two.reports.some((report) => report.state === 'ok'));
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

    // MySQL's receiver does not log in at its source to end.
    if (kind.name === 'mariadb') {
      test('the connection left to a receiver that does not end is replaced before the next step asks for it', async () => {
        const { active, standby } = await startPair(cleanup, kind);
        const two = watch(cleanup, standby);
        await watch(cleanup, active).run({ name: 'database-semi-sync', on: true });
        active.signal('SIGSTOP');
        const outcome = await two.run({ name: 'database-catch-up', target: null, stop: true });
        expect(outcome).toMatchObject({ ok: true, detail: expect.stringContaining('its source does not answer') });
        const ofAgent = `SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${AGENT.user}'`;
        // STOP SLAVE's, the one that looks on, and the next step's.
        await eventually(async () => (await standby.sql(ofAgent)).length === 3);
        active.signal('SIGCONT');
      });

      test('a receiver told to stop ahead of the promotion, which waits for its source, is not waited for by the catch-up', async () => {
        const { active, standby } = await startPair(cleanup, kind);
        const two = watch(cleanup, standby);
        await watch(cleanup, active).run({ name: 'database-semi-sync', on: true });
        active.signal('SIGSTOP');
        expect(await two.run({ name: 'database-stop-receiver' })).toEqual({
          ok: true,
          detail: 'receiver told to stop',
        });
        const outcome = await two.run({ name: 'database-catch-up', target: null, stop: true });
        expect(outcome).toMatchObject({ ok: true, detail: expect.stringContaining('its source does not answer') });
        const stopping = `SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'STOP SLAVE%'`;
        expect(await standby.sql(stopping)).toHaveLength(1);
        expect(await two.run({ name: 'database-open' })).toMatchObject({ ok: true });
        active.signal('SIGCONT');
        await eventually(async () => {
          const { receiver, applier } = await standby.channel();
          return receiver === 'No' && applier === 'No';
        });
      });
    }

    test('a receiver stopped at a final position is started again for what was committed behind it, where that is asked for', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const one = watch(cleanup, active);
      const two = watch(cleanup, standby);
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      const { session, flavour } = await openLink({ socket: standby.socket }, AGENT, 5_000);
      cleanup.push(async () => session.destroy());
      // As either family calls it.
      const waits = async () => (await flavour.readReplica((sql) => session.query(sql, 1_000))).channel?.receiverWaits;
      await eventually(async () => (await waits()) === true);
      const catchUp = { name: 'database-catch-up', stop: true } as const;
      const first = positionOf(await one.run({ name: 'database-fence' }));
      expect(await two.run({ ...catchUp, target: first, stop: false })).toMatchObject({ ok: true });
      expect(await two.run({ name: 'database-stop-receiver' })).toEqual({ ok: true, detail: 'receiver stopped' });
      expect(await standby.channel()).toMatchObject({ receiver: 'No', applier: 'Yes' });
      expect(await waits()).toBe(false);

      await active.sql(kind.openForAccounts);
      await active.sql('INSERT INTO shop.orders (v) VALUES (2)');
      const target = positionOf(await one.run({ name: 'database-fence' }));
      const short = watch(cleanup, standby, { stallMs: 300 });
      expect(await short.run({ ...catchUp, target })).toMatchObject({ ok: false });
      expect(await two.run({ ...catchUp, target, resume: true })).toMatchObject({ ok: true });
      expect(await count(standby)).toBe(2);
      expect(await standby.channel()).toMatchObject({ receiver: 'No', applier: 'No' });
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
