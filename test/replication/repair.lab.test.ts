import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandResult } from '../lab/command.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { KINDS } from '../lab/kinds.js';
import { createLab, type Lab } from '../lab/lab.js';
import type { Server } from '../lab/mysqld.js';
import { waitFor } from '../lab/wait.js';

const PATIENCE_MS = 30_000;
const ADDRESS = '10.99.0.1';

inSandbox('test/replication/repair.lab.test.ts', () => {
  describe.each(Object.values(KINDS))('$title', (kind) => {
    let lab: Lab;
    let [db1, db2]: readonly (Server | undefined)[] = [];
    const active = (): Server => db1 ?? lab.database.db1;
    const standby = (): Server => db2 ?? lab.database.db2;
    const repair = (): Promise<CommandResult> => lab.vipctl('db2', ['replication', 'repair']);
    const refused = (why: RegExp) => ({ status: 1, stdout: '', stderr: expect.stringMatching(why) });
    const runs = async (): Promise<boolean> => {
      const { receiver, applier } = await standby().channel();
      return receiver === 'Yes' && applier === 'Yes';
    };
    const repaired = async (why: RegExp): Promise<void> => {
      const done = await repair();
      expect(done).toMatchObject({ status: 0, stderr: '' });
      expect(done.stdout).toMatch(why);
      expect(done.stdout).toContain('db2 replicates from db1\n');
      expect(await runs()).toBe(true);
      await active().sql('INSERT INTO lab.notes () VALUES ()');
      const [row] = await active().sql('SELECT MAX(id) AS id FROM lab.notes');
      await waitFor(
        async () => (await standby().sql(`SELECT 1 FROM lab.notes WHERE id = ${row?.id}`)).length === 1,
        'what is written after the repair arrives',
        PATIENCE_MS,
      );
    };
    /** On the standby, past its binary log. */
    const alone = (...statements: readonly string[]): Promise<unknown> =>
      standby().sql(
        ['SET SESSION sql_log_bin=0', kind.openForAccounts, ...statements, kind.closeAfterAccounts].join('; '),
      );

    beforeAll(async () => {
      lab = await createLab({ flavour: kind.name, agents: false });
      ({ db1, db2 } = lab.database);
      await active().sql('SET GLOBAL read_only=OFF');
      await active().sql('CREATE TABLE lab.notes (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
    });
    afterAll(() => lab.destroy());

    it('two stopped threads are started, and a channel that runs is left alone', async () => {
      await repaired(/it was stopped/);
      expect(await repair()).toMatchObject({
        status: 0,
        stdout: 'db2 replicates from db1: there is nothing to repair\n',
      });
    });

    it('on the active the reverse channel is started as well', async () => {
      const done = await lab.vipctl('db1', ['replication', 'repair']);
      expect(done).toMatchObject({ status: 0, stdout: expect.stringContaining('db1 replicates from db2\n') });
    });

    it('a source that is not there is told, and nothing is done', async () => {
      await active().stop();
      await standby().sql(kind.stopReplica);
      expect(await repair()).toMatchObject(refused(/what db1 has committed is not known.*\n +next: start its server/));
      await active().start({ read_only: 'OFF', ...(kind.name === 'mysql' ? { super_read_only: 'OFF' } : {}) });
      await repaired(/starting the channel of db2 again/);
    });

    it('a login that is refused is the set-up to be done again', async () => {
      await standby().sql(
        `${kind.stopReplica}; ${kind.pointAt({ host: ADDRESS, port: 3306, password: 'other-secret' })}`,
      );
      await standby().sql(kind.startReplica);
      await waitFor(
        async () => /refuses the login/.test((await repair()).stderr),
        'the login was refused',
        PATIENCE_MS,
      );
      expect(await repair()).toMatchObject(
        refused(/db1 refuses the login of the channel.*\n +next: "vipctl replication setup" on db2/),
      );
      await standby().sql(`${kind.stopReplica}; ${kind.pointAt({ host: ADDRESS, port: 3306 })}`);
      await repaired(/its last error was: .*Access denied/i);
    });

    if (kind.name === 'mysql')
      it('a channel without TLS that its restarted source refuses gets TLS', async () => {
        await standby().sql(`STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_SSL=0`);
        await active().restart('SIGTERM', { read_only: 'OFF', super_read_only: 'OFF' });
        await standby().sql('START REPLICA');
        await waitFor(
          async () => Number((await standby().sql('SHOW REPLICA STATUS'))[0]?.Last_IO_Errno) === 2061,
          'error 2061',
          PATIENCE_MS,
        );
        await repaired(/it is to use TLS/);
      });

    if (kind.name === 'mariadb')
      it('a transaction that it has already and is sent again: its position is set right', async () => {
        await standby().sql('STOP SLAVE');
        await active().sql('INSERT INTO lab.notes (v) VALUES (50)');
        const [row] = await active().sql('SELECT @@global.gtid_binlog_pos AS gtid, MAX(id) AS id FROM lab.notes');
        const [, server, sequence] = String(row?.gtid).split('-');
        // As salvage leaves it behind: in the binary log, and not in gtid_slave_pos.
        await standby().sql(
          `SET SESSION server_id=${server}, gtid_seq_no=${sequence}; INSERT INTO lab.notes VALUES (${row?.id}, 50)`,
        );
        await standby().sql('START SLAVE');
        await waitFor(async () => (await standby().channel()).applier === 'No', 'the applier stops', PATIENCE_MS);
        await repaired(new RegExp(`it was sent ${row?.gtid} again, which it has`));
      });

    it('an applier that stumbled is refused, with the transaction and what to do', async () => {
      await active().sql('INSERT INTO lab.notes (id, v) VALUES (1001, 1)');
      await waitFor(
        async () => (await standby().sql('SELECT 1 FROM lab.notes WHERE id=1001')).length === 1,
        'the row is there',
        PATIENCE_MS,
      );
      await alone('DELETE FROM lab.notes WHERE id=1001');
      await active().sql('UPDATE lab.notes SET v=2 WHERE id=1001');
      const gtid = (await active().position()).replace(/^\w+:/, '');
      await waitFor(async () => (await standby().channel()).applier === 'No', 'the applier stops', PATIENCE_MS);
      const told = await repair();
      const named = kind.name === 'mariadb' ? /^0-1-\d+$/.exec(gtid)?.[0] : gtid.split(',')[0]?.replace(/:.*[-:]/, ':');
      expect(told).toMatchObject(
        refused(/next: mend on db2 what it stumbles over.*or rebuild db2: "vipctl rejoin --discard"/),
      );
      expect(told.stderr).toContain(`db2 cannot apply the transaction ${named} of db1: `);
      expect((await standby().channel()).applier).toBe('No');
      await alone('INSERT INTO lab.notes (id, v) VALUES (1001, 1)');
      await standby().sql(kind.startReplica);
      await waitFor(runs, 'it runs again', PATIENCE_MS);
    });

    it('a standby with commits of its own is refused, and told where to look', async () => {
      await standby().sql(kind.stopReplica);
      await standby().sql(
        `${kind.openForAccounts}; SET GLOBAL read_only=OFF; INSERT INTO lab.notes (id, v) VALUES (2000, 1)`,
      );
      await standby().sql(`SET GLOBAL read_only=ON; ${kind.closeAfterAccounts}`);
      const told = await repair();
      expect(told).toMatchObject(
        refused(/db2 has transactions that db1 has not: .*\n +next: "vipctl divergence" on db2/),
      );
      expect(await runs()).toBe(false);
    });

    it('without a channel it is the set-up that is missing', async () => {
      await standby().sql(kind.name === 'mysql' ? 'RESET REPLICA ALL' : 'RESET SLAVE ALL');
      expect(await repair()).toMatchObject(
        refused(/db2 has no replication channel\n +next: "vipctl replication setup"/),
      );
    });
  });
});
