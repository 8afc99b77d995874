/** The watch over a real server: what each way of failing looks like. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { initialise, launchServer, makeServerDir } from '../../test/lab/mysqld.js';
import { freezableDisk } from '../host/disk.fixture.js';
import { createDatabase } from './database.js';
import { grantStatements } from './grants.js';
import {
  AGENT,
  alone,
  type Cleanup,
  EVERY_KIND,
  eventually,
  freePort,
  killSessionsOf,
  makeCertificate,
  openClient,
  runCleanup,
  startPair,
  startServer,
  watch,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

/** At the pace of `watch`. */
const POLLS_OF_SEVERAL_CHECKS = 20;
/** For a data directory of either kind. */
const DISK_MIB = 300;

describe.each(EVERY_KIND)('$title', (kind) => {
  describe('a server that answers', () => {
    test('is reported with its position, read-only state, replication and semi-sync', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const one = watch(cleanup, active);
      const two = watch(cleanup, standby);
      one.database.setServing(true);
      one.database.start();
      two.database.start();
      await active.sql('INSERT INTO shop.orders (v) VALUES (1)');
      const all = kind.firstOf(1, 3);
      await eventually(() => [one, two].every(({ database }) => database.lastReport()?.position === all));
      // What MySQL received is read apart from what it applied, and may be a look older.
      await eventually(() => two.database.lastReport()?.replica?.received === all);
      expect(one.database.lastReport()).toMatchObject({
        state: 'ok',
        readOnly: false,
        semiSync: false,
        position: kind.firstOf(1, 3),
      });
      expect(two.database.lastReport()).toMatchObject({
        state: 'ok',
        readOnly: true,
        replica: { io: 'running', sql: 'running', received: kind.firstOf(1, 3), filters: false },
      });
      await eventually(async () => {
        const rows = await active.sql('SELECT writes FROM vipd.vipd_probe').catch(() => []);
        return Number(rows[0]?.writes ?? 0) >= 2;
      });
      if (kind.name === 'mariadb') {
        await eventually(async () => (await standby.sql('SHOW TABLES IN vipd').catch(() => [])).length === 1);
      }
      // The probe's writes are in nobody's binary log.
      expect(one.database.lastReport()?.position).toBe(kind.firstOf(1, 3));
      // Nor does it write on a standby, where MySQL would refuse it: several check intervals have gone by without.
      const seen = two.reports.length;
      await eventually(() => two.reports.length > seen + POLLS_OF_SEVERAL_CHECKS);
      expect(two.reports.filter(({ state }) => state !== 'ok')).toEqual([]);
      expect(await standby.sql('SELECT * FROM vipd.vipd_probe').catch(() => [])).toEqual([]);
    });
  });

  describe('an agent that is held up itself', () => {
    test('does not take its server for hanging', async () => {
      const server = await startServer(cleanup, kind, 1);
      await server.sql('SET GLOBAL read_only=OFF');
      const { database, reports } = watch(cleanup, server, {
        pollMs: 1,
        check: { intervalMs: 20, timeoutMs: 200, writeProbe: true },
      });
      database.setServing(true);
      database.start();
      await eventually(() => database.lastReport()?.state === 'ok');
      for (let times = 0; times < 40; times += 1) {
        await sleep(times % 7);
        const until = performance.now() + 250;
        while (performance.now() < until);
      }
      await sleep(300);
      expect(reports.filter(({ state }) => state === 'hanging')).toEqual([]);
    });
  });

  describe('a server that ends', () => {
    test('killed: down at the end of file, and ok again once it is back', async () => {
      const server = await startServer(cleanup, kind, 1);
      // Neither poll nor check would come round in this test: only the end of file can tell.
      const { database, reports } = watch(cleanup, server, {
        pollMs: 60_000,
        check: { intervalMs: 60_000, timeoutMs: 1_000, writeProbe: true },
      });
      database.start();
      await eventually(() => reports.length > 0);
      server.signal('SIGKILL');
      await eventually(() => reports.at(-1)?.state === 'down');
      // However often it is told.
      expect([...new Set(reports.map((report) => report.state))]).toEqual(['ok', 'down']);
    });

    test('absent at start, and ok as soon as it appears', async () => {
      const dir = await makeServerDir();
      cleanup.push(() => rm(dir, { recursive: true, force: true }));
      await initialise(kind, join(dir, 'data'), 1);
      const database = createDatabase({
        socket: join(dir, 'mysqld.sock'),
        credentials: { user: 'root', password: '' },
        check: { intervalMs: 100, timeoutMs: 1_000, writeProbe: false },
        pollMs: 20,
        nowMs: () => performance.now(),
        log: () => undefined,
      });
      cleanup.push(() => database.stop());
      database.start();
      await eventually(() => database.lastReport()?.state === 'down');
      const server = await launchServer({ kind, dir, serverId: 1, port: await freePort() });
      cleanup.push(() => server.stop('SIGKILL'));
      await eventually(() => database.lastReport()?.state === 'ok');
      await server.restart('SIGTERM');
      await eventually(() => database.lastReport()?.state === 'ok');
    });

    test('a killed connection alone is no news', async () => {
      const server = await startServer(cleanup, kind, 1);
      // Without a pause, so that the end comes in the middle of a statement as well.
      const { database, reports } = watch(cleanup, server, { pollMs: 0 });
      database.start();
      await eventually(() => reports.length > 2);
      for (let i = 0; i < 20; i += 1) {
        await killSessionsOf(server, 'vipd');
        const seen = reports.length;
        await eventually(() => reports.length > seen + 1);
      }
      expect(reports.filter((report) => report.state !== 'ok')).toEqual([]);
    });

    test('nor are other logins in quick succession, each of which ends connections of ours', async () => {
      const server = await startServer(cleanup, kind, 1);
      const second = { user: 'second', password: 'p' };
      await alone(
        server,
        `CREATE USER second@localhost IDENTIFIED BY 'p'`,
        'GRANT ALL ON *.* TO second@localhost WITH GRANT OPTION',
      );
      const check = { intervalMs: 200, timeoutMs: 1_000, writeProbe: true };
      const { database, reports } = watch(cleanup, server, { pollMs: 0 });
      database.start();
      for (let i = 0; i < 200; i += 1) {
        database.reconfigure({ credentials: i % 2 === 0 ? second : AGENT, check });
        await sleep(i % 10);
      }
      const seen = reports.length;
      await eventually(() => reports.length > seen + 1);
      expect(reports.filter(({ state }) => state !== 'ok')).toEqual([]);
    });

    test('a connection that wait_timeout has ended is no news either, and is opened again at once', async () => {
      const server = await startServer(cleanup, kind, 1);
      await server.sql('SET GLOBAL wait_timeout=1');
      // Neither poll nor check comes round in this test.
      const { database, reports } = watch(cleanup, server, {
        pollMs: 60_000,
        check: { intervalMs: 60_000, timeoutMs: 1_000, writeProbe: false },
      });
      database.start();
      await eventually(() => reports.length > 2);
      expect(reports.filter((report) => report.state !== 'ok')).toEqual([]);
      expect(await server.sql(`SELECT 1 FROM ${kind.processList} WHERE USER = 'vipd'`)).not.toEqual([]);
    });
  });

  describe('a server that hangs', () => {
    test('stopped: hanging after the timeout, and ok again when it goes on', async () => {
      const server = await startServer(cleanup, kind, 1);
      // With super_read_only the write probe would say failed.
      await server.sql('SET GLOBAL read_only=OFF');
      const { database, reports } = watch(cleanup, server, {
        check: { intervalMs: 100, timeoutMs: 300, writeProbe: true },
      });
      database.setServing(true);
      database.start();
      await eventually(() => reports.length > 2);
      server.signal('SIGSTOP');
      await eventually(() => reports.filter((report) => report.state === 'hanging').length >= 2);
      const fenced = await database.run(
        { name: 'database-fence' },
        { signal: new AbortController().signal, progress: () => undefined },
      );
      expect(fenced).toMatchObject({ ok: false });
      server.signal('SIGCONT');
      await eventually(() => database.lastReport()?.state === 'ok');
      // The write that does not return may be told first.
      expect(reports.filter(({ state }) => !['ok', 'hanging', 'failed'].includes(state))).toEqual([]);
    });

    test('is ended also where the fence has begun before it was found to hang', async () => {
      const server = await startServer(cleanup, kind, 1);
      const { database, reports } = watch(cleanup, server, {
        check: { intervalMs: 100, timeoutMs: 500, writeProbe: false },
        killOnHang: true,
      });
      database.start();
      await eventually(() => reports.length > 2);
      server.signal('SIGSTOP');
      const fenced = await database.run(
        { name: 'database-fence' },
        { signal: new AbortController().signal, progress: () => undefined },
      );
      expect(fenced).toEqual({ ok: true, detail: 'down' });
    });

    test('writes that do not come back: failed, though it answers, and one statement only', async () => {
      const server = await startServer(cleanup, kind, 1);
      await server.sql('SET GLOBAL read_only=OFF');
      const { database, reports } = watch(cleanup, server, {
        check: { intervalMs: 100, timeoutMs: 200, writeProbe: true },
      });
      database.setServing(true);
      database.start();
      await eventually(
        async () => (await server.sql("SHOW TABLES IN vipd LIKE 'vipd_probe'").catch(() => [])).length > 0,
      );
      const root = await openClient(cleanup, server, 'root').catch(async () => {
        await server.sql('CREATE DATABASE shop');
        return await openClient(cleanup, server, 'root');
      });
      await root.query('FLUSH TABLES WITH READ LOCK');
      await eventually(() => reports.filter((report) => report.state === 'failed').length >= 3);
      expect(reports.findLast(({ state }) => state === 'failed')).toMatchObject({
        readOnly: false,
        position: expect.stringContaining(`${kind.name}:`),
      });
      const stuck = () => server.sql(`SELECT * FROM ${kind.processList} WHERE INFO LIKE 'INSERT INTO vipd%'`);
      await eventually(async () => (await stuck()).length > 0);
      expect((await stuck()).length).toBeLessThanOrEqual(1);
      await root.query('UNLOCK TABLES');
      await eventually(() => database.lastReport()?.state === 'ok');
    });

    test('a disk that takes no write any more: failed, though it answers, and ok again once it does', async () => {
      const disk = await freezableDisk(DISK_MIB);
      cleanup.push(async () => disk.remove());
      await initialise(kind, join(disk.path, 'data'), 1);
      const server = await startServer(cleanup, kind, 1, { datadir: join(disk.mountPoint, 'data') }, disk.prefix);
      cleanup.push(async () => disk.thaw());
      await server.sql('SET GLOBAL read_only=OFF');
      const { database, reports } = watch(cleanup, server);
      database.setServing(true);
      database.start();
      await eventually(async () => (await server.sql('SELECT 1 FROM vipd.vipd_probe').catch(() => [])).length > 0);
      disk.freeze();
      await eventually(() => reports.filter(({ state }) => state === 'failed').length >= 2);
      expect(reports.findLast(({ state }) => state === 'failed')).toMatchObject({
        detail: expect.stringContaining('a small write has not returned'),
        position: expect.stringContaining(`${kind.name}:`),
      });
      disk.thaw();
      await eventually(() => database.lastReport()?.state === 'ok');
    });

    test('made read-only by another hand while serving: said', async () => {
      const server = await startServer(cleanup, kind, 1);
      await server.sql('SET GLOBAL read_only=OFF');
      // Only without READ_ONLY ADMIN would the write itself fail; the report says read-only all the same.
      const { database } = watch(cleanup, server);
      database.setServing(true);
      database.start();
      await eventually(() => database.lastReport()?.readOnly === false);
      await server.sql('SET GLOBAL read_only=ON');
      await eventually(() => database.lastReport()?.readOnly === true);
      if (kind.name === 'mariadb') return;
      // Under super_read_only the write is refused to the agent as well: a fault of the server's, not of its login.
      await server.sql(kind.closeAfterAccounts);
      await eventually(() => database.lastReport()?.state === 'failed');
      expect(database.lastReport()).toMatchObject({ readOnly: true, detail: expect.stringContaining('1290') });
    });
  });

  describe('a server that refuses', () => {
    test('wrong password: denied, not down, and the password is not told', async () => {
      const server = await startServer(cleanup, kind, 1);
      const { database, reports } = watch(cleanup, server, { credentials: { user: 'vipd', password: 'wrong-one' } });
      database.start();
      await eventually(() => reports.length > 0);
      expect(reports[0]).toMatchObject({ state: 'denied', detail: expect.stringContaining('1045') });
      expect(JSON.stringify(reports)).not.toContain('wrong-one');
    });

    test('by TCP: a password is enough, and where the account wants TLS its certificate is checked', async () => {
      const dir = await makeServerDir();
      cleanup.push(() => rm(dir, { recursive: true, force: true }));
      const [right, other] = [await makeCertificate(dir, 'server'), await makeCertificate(dir, 'stranger')];
      const port = await freePort();
      const server = await startServer(cleanup, kind, 1, { port, ssl_cert: right.cert, ssl_key: right.key });
      const account = `'${AGENT.user}'@'127.0.0.1'`;
      await alone(
        server,
        `CREATE USER ${account} IDENTIFIED BY '${AGENT.password.replace("'", "''")}'`,
        ...grantStatements(kind.name, account),
      );
      const stateWith = async (tls?: { readonly ca: string; readonly verifyServer: boolean }): Promise<string> => {
        const credentials = tls === undefined ? AGENT : { ...AGENT, tls };
        const database = createDatabase({
          host: '127.0.0.1',
          port,
          credentials,
          check: { intervalMs: 100, timeoutMs: 2_000, writeProbe: false },
          nowMs: () => performance.now(),
          log: () => undefined,
        });
        database.start();
        await eventually(() => database.lastReport() !== undefined);
        await database.stop();
        return database.lastReport()?.state ?? '';
      };
      expect(await stateWith()).toBe('ok');
      await alone(server, `ALTER USER ${account} REQUIRE SSL`);
      expect(await stateWith()).toBe('denied');
      expect(await stateWith({ ca: right.cert, verifyServer: true })).toBe('ok');
      expect(await stateWith({ ca: other.cert, verifyServer: false })).toBe('denied');
    });

    test('privileges withdrawn: denied, with what to grant, and still a position', async () => {
      const server = await startServer(cleanup, kind, 1);
      const { database } = watch(cleanup, server);
      database.start();
      await eventually(() => database.lastReport()?.state === 'ok');
      await alone(server, `REVOKE ${kind.connectionAdmin} ON *.* FROM 'vipd'@localhost`);
      await eventually(() => database.lastReport()?.state === 'denied');
      expect(database.lastReport()?.detail).toContain(`lacks ${kind.connectionAdmin} on *.*`);
      expect(database.lastReport()?.position).toContain(`${kind.name}:`);
    });

    if (kind.name === 'mysql') {
      test('in offline mode: failed, whether it lets the agent in or not', async () => {
        const server = await startServer(cleanup, kind, 1);
        const { database } = watch(cleanup, server);
        const untilFailed = (why: string) =>
          eventually(() => {
            const { state, detail } = database.lastReport() ?? {};
            return state === 'failed' && detail?.includes(why) === true;
          });
        database.start();
        await eventually(() => database.lastReport()?.state === 'ok');
        await server.sql('SET GLOBAL offline_mode=ON');
        await untilFailed('SET GLOBAL offline_mode=OFF');
        expect(database.lastReport()?.position).toContain('mysql:');
        await alone(server, `REVOKE ${kind.connectionAdmin} ON *.* FROM 'vipd'@localhost`);
        await killSessionsOf(server, 'vipd');
        await untilFailed('3032');
        await alone(server, `GRANT ${kind.connectionAdmin} ON *.* TO 'vipd'@localhost`);
        await server.sql('SET GLOBAL offline_mode=OFF');
        await eventually(() => database.lastReport()?.state === 'ok');
      });
    }

    test('no table privilege on the probe table: denied (1142)', async () => {
      const server = await startServer(cleanup, kind, 1);
      await server.sql(
        "SET GLOBAL read_only=OFF; SET SESSION sql_log_bin=0; REVOKE INSERT ON vipd.* FROM 'vipd'@localhost; REVOKE INSERT ON *.* FROM 'vipd'@localhost",
      );
      const { database } = watch(cleanup, server);
      const outcome = await database.run(
        { name: 'database-open' },
        { signal: new AbortController().signal, progress: () => undefined },
      );
      expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('1142') });
      expect(await server.sql('SELECT @@read_only AS r')).toEqual([{ r: 1 }]);
    });

    test('full: told from dead, and by the extra port there is a way in', async () => {
      const extraPort = await freePort();
      const server = await startServer(cleanup, kind, 1, {
        max_connections: 10,
        ...kind.extraDoor(extraPort),
      });
      await alone(
        server,
        'CREATE DATABASE IF NOT EXISTS shop',
        // So that the clients take the place that is kept for administrators as well.
        'GRANT ALL ON *.* TO app@localhost',
        "CREATE USER 'vipd'@'127.0.0.1' IDENTIFIED BY 'tcp'",
        ...grantStatements(kind.name, "'vipd'@'127.0.0.1'"),
      );
      const early = watch(cleanup, server);
      early.database.start();
      await eventually(() => early.reports.length > 2);
      for (let i = 0; i < 20; i += 1) await openClient(cleanup, server).catch(() => undefined);
      // The connections that were there stay, so nothing changes for the agent that runs.
      const seen = early.reports.length;
      await eventually(() => early.reports.length > seen + 3);
      expect(early.database.lastReport()?.state).toBe('ok');

      const late = watch(cleanup, server);
      late.database.start();
      await eventually(() => late.reports.length > 0);
      expect(late.reports[0]?.state).toBe('full');

      const byExtraPort = watch(cleanup, server, { adminPort: extraPort, credentials: { ...AGENT, password: 'tcp' } });
      expect(await byExtraPort.run({ name: 'database-fence' })).toMatchObject({ ok: true });
    });
  });
});
