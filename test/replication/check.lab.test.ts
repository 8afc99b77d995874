import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/doctor/finding.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { KINDS } from '../lab/kinds.js';
import { createLab, type Lab } from '../lab/lab.js';

/** Each wrong thing is planted in a healthy pair, here or on the other node, and found from here. */
/** What it is called, on which server, what is wrong, and what to do. */
type Wrong = [check: string, tried: RegExp, found: RegExp, remedy: RegExp];

inSandbox('test/replication/check.lab.test.ts', () => {
  describe.each(Object.values(KINDS))('$title', (kind) => {
    let lab: Lab;
    let before: readonly Finding[];
    let after: readonly Finding[];
    const mysql = kind.name === 'mysql';
    const netTimeout = mysql ? 'replica_net_timeout' : 'slave_net_timeout';
    const check = async (): Promise<readonly Finding[]> => {
      const { stdout } = await lab.vipctl('db1', ['replication', 'check', '--json']);
      const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
      return findings.filter(({ verdict }) => verdict !== 'ok');
    };
    beforeAll(async () => {
      lab = await createLab({ flavour: kind.name, agents: false });
      before = await check();
      const { db1, db2 } = lab.database;
      const cnf = readFileSync(db1.defaultsFile, 'utf8').replace('event_scheduler=OFF', 'event_scheduler=ON');
      writeFileSync(db1.defaultsFile, cnf.replace('sync_binlog=1\n', ''));
      await db1.sql('SET GLOBAL sync_binlog=0; SET GLOBAL sync_binlog=1; SET GLOBAL innodb_flush_log_at_trx_commit=2');
      if (mysql) await db1.sql('SET PERSIST_ONLY super_read_only=OFF; SET PERSIST_ONLY read_only=OFF');
      // Nobody has set it since the start: it is right by its default until the next one.
      if (mysql) await db1.sql('SET PERSIST_ONLY replica_preserve_commit_order=OFF');
      await db2.sql(
        `SET GLOBAL binlog_row_image='MINIMAL'; SET GLOBAL auto_increment_offset=1; SET GLOBAL ${netTimeout}=DEFAULT`,
      );
      await db2.sql(
        mysql
          ? 'CHANGE REPLICATION SOURCE TO SOURCE_HEARTBEAT_PERIOD=3, SOURCE_RETRY_COUNT=10, SOURCE_CONNECT_RETRY=60, SOURCE_SSL=0, SOURCE_AUTO_POSITION=0'
          : 'CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD=3, MASTER_CONNECT_RETRY=60, MASTER_USE_GTID=no',
      );
      after = await check();
    });
    afterAll(() => lab.destroy());

    it('a healthy pair has nothing wrong', () => expect(before).toEqual([]));

    const here = /^(read|looked|compared).* the (settings of|options that|database)/;
    const there = /the database of db2/;
    const pair = /compared the database with that of db2/;
    const ofMysql: readonly Wrong[] = [
      ['replication-timeout', there, /it tries again after 60 s only/, /SOURCE_CONNECT_RETRY = 1/],
      ['replication-gtid', there, /does not use GTIDs/, /SOURCE_AUTO_POSITION = 1/],
      ['at-start', here, /super_read_only = ON is not/, /RESET PERSIST super_read_only: mysqld-auto\.cnf/],
      [
        'lasting',
        here,
        /replica_preserve_commit_order is right now, and OFF in mysqld-auto\.cnf/,
        /RESET PERSIST replica_preserve_commit_order/,
      ],
    ];
    it.each<Wrong>([
      [
        'my-cnf',
        here,
        /innodb_flush_log_at_trx_commit is 2: a power cut/,
        /write innodb_flush_log_at_trx_commit = 1 into my\.cnf, and, to have it at once, SET GLOBAL innodb_flush/,
      ],
      [
        'my-cnf',
        there,
        new RegExp(`${netTimeout} is 60: .*semi-sync`),
        new RegExp(`SET GLOBAL ${netTimeout} = 4; STOP`),
      ],
      ['my-cnf', there, /binlog_row_image is MINIMAL/, /SET GLOBAL binlog_row_image = 'FULL'/],
      ['at-start', here, /event_scheduler = OFF is not among them/, /write event_scheduler = OFF into my\.cnf/],
      ['lasting', here, /sync_binlog is right now, and not written down/, /write sync_binlog = 1 into my\.cnf/],
      ['auto-increment', pair, /auto_increment_offset is 1 on both/, /set it to 1 on one node and 2/],
      [
        'replication-timeout',
        there,
        /its heartbeat period is 3 s/,
        mysql ? /SOURCE_HEARTBEAT_PERIOD = 1/ : /MASTER_HEARTBEAT_PERIOD = 1/,
      ],
      mysql
        ? ['replication-timeout', there, /it gives up after 10 attempts/, /SOURCE_RETRY_COUNT = 86400/]
        : ['replication-timeout', there, /it tries again after 60 s only/, /MASTER_CONNECT_RETRY = 1/],
      mysql
        ? ['replication-tls', there, /2061/, /CHANGE REPLICATION SOURCE TO SOURCE_SSL = 1/]
        : ['replication-gtid', there, /does not use GTIDs/, /CHANGE MASTER TO MASTER_USE_GTID = slave_pos/],
      ...(mysql ? ofMysql : []),
    ])('%s, %s: %s', (name, where, what, remedy) => {
      const found = after.filter((one) => one.check === name && where.test(one.tried) && what.test(one.found));
      expect(found.map((one) => one.remedy)).toEqual([expect.stringMatching(remedy)]);
    });

    it('tells of nothing else', () => expect(after).toHaveLength(mysql ? 13 : 9));
  });
});
