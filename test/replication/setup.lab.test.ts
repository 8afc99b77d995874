import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import { KINDS } from '../lab/kinds.js';
import type { Server } from '../lab/mysqld.js';
import { NODES } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { ALONE, DATA, type Ground, logged, makeGround, PASSWORD } from './ground.js';

const PATIENCE_MS = 30_000;

/** One pair of each kind, from just installed to set up. */
inSandbox('test/replication/setup.lab.test.ts', () => {
  describe.each(Object.values(KINDS))('$title', (kind) => {
    let ground: Ground;
    beforeAll(async () => {
      ground = await makeGround(kind.name);
    });
    afterAll(() => ground.lab.destroy());

    const replicates = (to: Server, v: number): Promise<void> =>
      waitFor(
        async () => (await to.sql(`SELECT 1 FROM shop.orders WHERE v = ${v}`)).length === 1,
        `${v} arrives`,
        PATIENCE_MS,
      );

    const netTimeout = kind.name === 'mysql' ? 'replica_net_timeout' : 'slave_net_timeout';
    const patienceOf = async (server: Server): Promise<string> =>
      String((await server.sql(`SELECT @@global.${netTimeout} AS s`))[0]?.s);

    it('two fresh servers replicate both ways, and once more changes nothing', async () => {
      const { lab, setup, setupBoth, check } = ground;
      const { db1, db2 } = lab.database;
      // What an installation logs: on each something else.
      await logged(db1, "ALTER USER root@localhost IDENTIFIED BY ''");

      const dry = await setup('db1', '--dry-run');
      expect(dry).toMatchObject({ status: 0, stderr: '' });
      expect(dry.stdout).toContain("db1, to be done: the account 'replication'@'10.99.0.2', by which the other node");
      expect(dry.stdout).toContain('db1, to be done: delete the binary logs of a server that holds no data yet (');
      expect(await db1.sql("SELECT 1 FROM mysql.user WHERE User IN ('vipd', 'replication')")).toEqual([]);
      expect(await db1.sql('SELECT @@global.auto_increment_increment AS n')).toEqual([{ n: 1 }]);

      const done = await setupBoth();
      expect(done.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
        NODES.map(() => ({ status: 0, stderr: '' })),
      );
      expect(done[0]?.stdout).toContain('db1 replicates from db2\n');
      expect(done[1]?.stdout).toContain('db2 replicates from db1\n');
      // What only my.cnf can hold is told with its line.
      expect(done[0]?.stdout).toMatch(
        /still to do:[\s\S]*write auto_increment_increment = 2 and auto_increment_offset = 1 into my\.cnf/,
      );
      expect(done[0]?.stdout).toMatch(
        /_net_timeout is right now, and not written down: after a restart .*\n.*write \w+_net_timeout = 4 into my\.cnf/,
      );
      for (const { stdout } of done) expect(stdout).not.toContain(PASSWORD);
      for (const server of [db1, db2]) expect(await patienceOf(server)).toBe('4');

      await logged(db1, ...DATA);
      await replicates(db2, 1);
      await logged(db2, 'INSERT INTO shop.orders (v) VALUES (2)');
      await replicates(db1, 2);
      expect(done[1]?.stdout).toContain('auto_increment_offset = 2 into my.cnf');
      // Numbers of their own.
      const [ids] = await db1.sql('SELECT GROUP_CONCAT(id ORDER BY v) AS ids FROM shop.orders');
      expect(ids).toEqual({ ids: '1,2' });

      const before = await Promise.all([db1.position(), db2.position()]);
      const again = await setupBoth();
      expect(again.map(({ status }) => status)).toEqual([0, 0]);
      expect(again[0]?.stdout.split('\n')[0]).toBe('db1 replicates from db2 already');
      expect(again[1]?.stdout.split('\n')[0]).toBe('db2 replicates from db1 already');
      expect(await Promise.all([db1.position(), db2.position()])).toEqual(before);
      const left = await check('db1');
      expect(left.filter(({ check }) => !['lasting', 'at-start'].includes(check))).toEqual([]);
    });

    it('a receiver that is to notice a cut link sooner connects again, and a rehearsal only says so', async () => {
      const { lab, setup } = ground;
      const { db1, db2 } = lab.database;
      const reader = async () => {
        const rows = await db2.sql(`SELECT ID AS id FROM ${kind.processList} WHERE COMMAND LIKE 'Binlog Dump%'`);
        return rows.map(({ id }) => String(id)).join();
      };
      await db1.sql(`SET GLOBAL ${netTimeout}=DEFAULT`);
      const before = await reader();
      const dry = await setup('db1', '--dry-run');
      expect(dry.stdout).toContain('db1, to be done: let the receiver connect to db2 again');
      expect(await Promise.all([patienceOf(db1), reader()])).toEqual(['60', before]);

      expect(await setup('db1', ...ALONE)).toMatchObject({ status: 0, stderr: '' });
      expect(await patienceOf(db1)).toBe('4');
      await waitFor(async () => !['', before].includes(await reader()), 'it has connected again', PATIENCE_MS);
      expect(await db1.channel()).toMatchObject({ applier: 'Yes' });
    });

    it('a channel from somewhere else stays, and a wrong one from the peer is set right', async () => {
      const { lab, setup } = ground;
      const { db1 } = lab.database;
      await db1.sql(`${kind.stopReplica}; ${kind.pointAt({ host: '10.99.0.77', port: 3306 })}`);
      const elsewhere = await setup('db1', ...ALONE);
      expect(elsewhere.status).toBe(1);
      expect(elsewhere.stderr).toContain('it replicates from 10.99.0.77 port 3306, not from 10.99.0.2');
      await db1.sql(kind.pointAt({ host: '10.99.0.2', port: 3306 }));
      const mended = await setup('db1', ...ALONE);
      expect(mended).toMatchObject({ status: 0, stderr: '' });
      expect(mended.stdout).toContain('db1: replicate from db2 (it logs in as repl)\ndb1 replicates from db2\n');
    });

    it('typed at a terminal, the password does not show, and it is the one that the other node logs in with', async () => {
      const { lab, typed, setup } = ground;
      const { db1, db2 } = lab.database;
      const { openForAccounts, closeAfterAccounts, stopReplica, startReplica } = kind;
      await db2.sql(stopReplica);
      await db1.sql(
        `SET SESSION sql_log_bin=0; ${openForAccounts}; DROP USER replication@'10.99.0.2'; ${closeAfterAccounts}`,
      );
      const shown = await typed('db1', PASSWORD, 'setup', ...ALONE);
      expect(shown.stdout).toContain('Password of the replication account, the same on both nodes: ');
      expect(shown.stdout).toContain("db1: the account 'replication'@'10.99.0.2'");
      expect(shown).toMatchObject({ status: 0 });
      expect(shown.stdout).not.toContain(PASSWORD.slice(0, 6));
      await db2.sql(startReplica);
      await waitFor(async () => (await db2.channel()).receiver === 'Yes', 'db2 has logged in', PATIENCE_MS);
      expect(await setup('db2', ...ALONE)).toMatchObject({ status: 0, stderr: '' });
    });

    it('servers that are not a pair, and passwords that do not fit, are refused by name', async () => {
      const { lab, setup } = ground;
      const { db1, db2 } = lab.database;
      await db2.sql('SET GLOBAL server_id=1');
      expect(await setup('db1', ...ALONE)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('both servers have server_id 1'),
      });
      await db2.sql('SET GLOBAL server_id=2');

      const login = join(dirname(lab.files.db1.config), 'mysql.cnf');
      const right = readFileSync(login, 'utf8');
      writeFileSync(login, right.replace(/password=.*/, 'password=other-secret'), { mode: 0o600 });
      const denied = await setup('db1', ...ALONE);
      expect(denied).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/the agent cannot log in: .*ALTER USER/),
      });
      expect(denied.stderr).not.toContain('other-secret');
      writeFileSync(login, right, { mode: 0o600 });

      await db1.sql(
        `SET SESSION sql_log_bin=0; ${kind.openForAccounts}; ALTER USER root@localhost IDENTIFIED BY 'typed'`,
      );
      expect(await setup('db1', ...ALONE)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('--admin-file FILE'),
      });
      const admin = join(lab.directory, 'admin.cnf');
      writeFileSync(admin, '[client]\nuser=root\npassword=typed\n', { mode: 0o600 });
      expect(await setup('db1', ...ALONE, '--admin-file', admin)).toMatchObject({ status: 0 });
    });
  });
});
