import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { AGENT_USER } from '../lab/host-files.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, holdsVip, PATIENCE_MS, selfOf, startAll, untilPair, untilSaid, untilUnfit } from './ground.js';

/**
 * Each time the agent lives on and says what is wrong; and takes part when it is put right. None of these pairs has served
 * yet, so both wait for the server that cannot tell what it has.
 */
inSandbox('test/survival/database.lab.test.ts', () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await createLab({ ...CALM, agents: false });
  });
  afterEach(() => lab.destroy());

  const login = (node: NodeName): string => join(dirname(lab.files[node].config), 'mysql.cnf');
  const accounts = ['localhost', '10.99.0.%'].map((host) => `'${AGENT_USER}'@'${host}'`);
  /** As an operator on that server, outside of its binary log. */
  const alone = (node: NodeName, statement: (account: string) => string): Promise<unknown> =>
    lab.database[node].sql(['SET SESSION sql_log_bin=0', ...accounts.map(statement)].join(';'));
  const databaseSays = (node: NodeName, what: RegExp): Promise<void> =>
    waitFor(
      async () => {
        const { database } = await lab.status(node);
        return what.test(`${database.state}: ${database.detail}`) || `${database.state}: ${database.detail}`;
      },
      `${node} says ${what} of its database`,
      PATIENCE_MS,
    );

  describe('a database that is not there', () => {
    it('is waited for at the start, and becomes part of the pair', async () => {
      await lab.database.db2.stop();
      startAll(lab);
      await databaseSays('db2', /^down: .*mysqld\.sock.*(ENOENT|ECONNREFUSED|connect)/);
      await untilUnfit(lab, 'db2', /database/);
      expect(await holdsVip(lab, 'db2')).toBe(false);
      await lab.database.db2.start();
      await untilPair(lab);
    });

    it('on both nodes gives the VIP to nobody, and to one when they are back', async () => {
      await Promise.all([lab.database.db1.stop(), lab.database.db2.stop()]);
      startAll(lab);
      await untilUnfit(lab, 'db1', /database/);
      await untilUnfit(lab, 'db2', /database/);
      const { active, noWriter } = await lab.status('db1');
      expect({ active, noWriter }).toEqual({ active: null, noWriter: true });
      expect([await holdsVip(lab, 'db1'), await holdsVip(lab, 'db2')]).toEqual([false, false]);
      await Promise.all([lab.database.db1.start(), lab.database.db2.start()]);
      await untilPair(lab);
    });
  });

  describe('a login that does not work', () => {
    it('is told with its user, not with its password, and the node takes part once the server accepts it', async () => {
      const before = readFileSync(login('db2'), 'utf8');
      const right = /password=(.*)/.exec(before)?.[1] ?? '';
      writeFileSync(login('db2'), before.replace(right, 'quite-wrong'), { mode: 0o600 });
      startAll(lab);
      await databaseSays('db2', /^denied: .*1045.*'vipd'@.*check user, password and privileges/);
      // Nobody can say of a server that it cannot ask that it is read-only.
      await untilUnfit(lab, 'db2', /./);
      expect(readFileSync(lab.agent.db2.logFile, 'utf8')).not.toContain('quite-wrong');
      await alone('db2', (account) => `SET PASSWORD FOR ${account} = PASSWORD('quite-wrong')`);
      await untilPair(lab);
    });

    it('without the privileges it needs is told with the statement that gives them, which helps', async () => {
      await alone('db2', (account) => `REVOKE SUPER, CONNECTION ADMIN ON *.* FROM ${account}`);
      startAll(lab);
      await databaseSays('db2', /^denied: the user vipd lacks CONNECTION ADMIN on .*SUPER on .*; run: GRANT .*SUPER/);
      await untilUnfit(lab, 'db2', /./);
      await alone('db2', (account) => `GRANT SUPER, CONNECTION ADMIN ON *.* TO ${account}`);
      // A session keeps the global privileges that it had when it logged in (MariaDB manual, GRANT).
      await lab.database.db2.sql(`KILL USER '${AGENT_USER}'@'localhost'`);
      await untilPair(lab);
    });

    it('whose privileges are taken away on the active is reported, and moves nothing', async () => {
      startAll(lab);
      await untilPair(lab);
      const active = await activeNode(lab);
      const before = await lab.status(active);
      await alone(active, (account) => `REVOKE CONNECTION ADMIN, READ_ONLY ADMIN ON *.* FROM ${account}`);
      await databaseSays(active, /^denied: the user vipd lacks READ_ONLY ADMIN on .*run: GRANT /);
      await alone(active, (account) => `ALTER USER ${account} ACCOUNT LOCK`);
      await lab.database[active].sql(`KILL USER '${AGENT_USER}'@'localhost'`);
      await databaseSays(active, /^denied: .*(1045|4151|locked)/i);
      // Ten checks and more.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const after = await lab.status(active);
      expect([after.active, after.term]).toEqual([active, before.term]);
      expect(await holdsVip(lab, active)).toBe(true);
      await alone(active, (account) => `ALTER USER ${account} ACCOUNT UNLOCK`);
      await alone(active, (account) => `GRANT CONNECTION ADMIN, READ_ONLY ADMIN ON *.* TO ${account}`);
      await untilPair(lab);
      expect((await selfOf(lab, active)).health).toBe('ok');
      expect((await lab.status(peerOf(active))).active).toBe(active);
    });
  });

  it('says in its log what the database answered', async () => {
    await lab.database.db1.stop();
    startAll(lab);
    await untilSaid(lab.agent.db1, /database.*(ENOENT|ECONNREFUSED|down)/);
  });
});
