import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import { KINDS } from '../lab/kinds.js';
import { ALONE, DATA, type Ground, logged, makeGround } from './ground.js';

/** Two servers of each kind, of which the first is left as it is again and again. */
inSandbox('test/replication/setup-refused.lab.test.ts', () => {
  describe.each(Object.values(KINDS))('$title', (kind) => {
    let ground: Ground;
    beforeAll(async () => {
      ground = await makeGround(kind.name);
    });
    afterAll(() => ground.lab.destroy());

    it('a password that others may read is not used, and none is made up', async () => {
      const { lab, replication } = ground;
      const open = join(lab.directory, 'open');
      writeFileSync(open, 'known-to-all\n', { mode: 0o644 });
      const readable = await replication('db1', 'setup', '--password-file', open);
      expect(readable).toMatchObject({ status: 1, stderr: expect.stringContaining('run: chmod 600') });
      const typed = await replication('db1', 'setup');
      expect(typed).toMatchObject({ status: 1, stderr: expect.stringContaining('--password-file FILE') });
      expect(await lab.database.db1.sql("SELECT 1 FROM mysql.user WHERE User = 'vipd'")).toEqual([]);
    });

    it('what only a restart can change is refused with the line for my.cnf, and nothing is done', async () => {
      const updates = kind.name === 'mysql' ? 'log_replica_updates' : 'log_slave_updates';
      const { lab, setup } = ground;
      await lab.database.db1.restart('SIGTERM', { [updates]: 'OFF' });
      const refused = await setup('db1', ...ALONE);
      expect(refused).toMatchObject({ status: 1, stdout: '' });
      expect(refused.stderr).toContain(`${updates} is OFF: after a move`);
      expect(refused.stderr).toContain(`write ${updates} = ON into my.cnf, and restart the server`);
      expect(await lab.database.db1.sql("SELECT 1 FROM mysql.user WHERE User = 'replication'")).toEqual([]);
      await lab.database.db1.restart();
    });

    it('a server with data that the other lacks is left as it is, and what it has is named; so is the other', async () => {
      const { lab, setup } = ground;
      const { db1, db2 } = lab.database;
      await logged(db1, ...DATA, "CREATE USER app@'%' IDENTIFIED BY 'app'");
      const first = await setup('db1', ...ALONE);
      expect(first).toMatchObject({ status: 1, stderr: expect.stringContaining('db2 cannot be asked: ') });
      const second = await setup('db2', ...ALONE);
      expect(second.stderr).toContain('db1 has databases that db2 has not: shop; restore db2 from a backup of db1');
      expect(second.status).toBe(1);
      const third = await setup('db1', ...ALONE);
      expect(third.status).toBe(1);
      expect(third.stderr).toMatch(
        kind.name === 'mysql'
          ? /db1 has databases that db2 has not: shop; restore db2 from a backup of db1/
          : /db1 has committed what db2 has not: 0-1-\d+ \(it has databases: shop; accounts: 'app'@'%'\); restore db2/,
      );
      for (const server of [db1, db2]) expect(await server.sql(kind.showReplica)).toEqual([]);
      expect(await db1.sql('SELECT v FROM shop.orders')).toEqual([{ v: 1 }]);
    });
  });
});
