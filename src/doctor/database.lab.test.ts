/** The doctor's checks of a database, on real servers that are set up wrong in all that vipd counts on. */

import { afterEach, describe, expect, test } from 'vitest';
import { pointAt, type Server } from '../../test/lab/mysqld.js';
import type { ServerKind, ServerSettings } from '../../test/lab/server-kind.js';
import { createConfigFixture } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import {
  AGENT,
  alone,
  type Cleanup,
  EVERY_KIND,
  eventually,
  runCleanup,
  startPair,
  startServer,
  watch,
} from '../mysql/lab.fixture.js';
import { type Link, openLink } from '../mysql/links.js';
import { checkChannel } from './channel.js';
import { checkDatabase } from './database.js';
import type { ServerSubject } from './database-subject.js';
import { checkDownstream } from './downstream.js';
import type { Finding } from './finding.js';
import { comparePair, readTraits } from './pair.js';
import { checkSettings, checkStart } from './settings.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const subject: ServerSubject = {
  where: 'the database',
  user: AGENT.user,
  semiSync: true,
  source: { name: 'db2', address: '127.0.0.1' },
  adminPort: 3307,
};

const linkTo = async (server: Server): Promise<Link> => {
  const link = await openLink({ socket: server.socket }, AGENT, 5_000);
  cleanup.push(async () => link.session.destroy());
  return link;
};

const wrong = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ verdict }) => verdict === 'fault' || verdict === 'warning');
const checksOf = (findings: readonly Finding[]): readonly string[] => wrong(findings).map(({ check }) => check);

const OTHERWISE: Readonly<Record<ServerKind['name'], ServerSettings>> = {
  mariadb: {
    log_slave_updates: 'OFF',
    gtid_strict_mode: 'OFF',
    // Not written down: the server's default.
    slave_net_timeout: false,
    rpl_semi_sync_slave_enabled: 'OFF',
    rpl_semi_sync_master_wait_point: 'AFTER_COMMIT',
  },
  mysql: {
    log_replica_updates: 'OFF',
    enforce_gtid_consistency: 'OFF',
    gtid_mode: 'OFF',
    replica_preserve_commit_order: 'OFF',
    relay_log_recovery: 'ON',
    replica_net_timeout: false,
    rpl_semi_sync_replica_enabled: 'OFF',
    rpl_semi_sync_source_wait_point: 'AFTER_COMMIT',
  },
};
const OTHERWISE_ON_BOTH: ServerSettings = {
  binlog_format: 'STATEMENT',
  binlog_row_image: 'MINIMAL',
  sync_binlog: 0,
  innodb_flush_log_at_trx_commit: 2,
  skip_name_resolve: 'OFF',
  auto_increment_increment: 1,
};
/** What a server has to be told that it may not do by itself when it starts. */
const AT_START: Readonly<Record<ServerKind['name'], readonly string[]>> = {
  mariadb: ['read_only', 'skip_slave_start', 'event_scheduler'],
  mysql: ['super_read_only', 'skip_replica_start', 'event_scheduler'],
};

const FILTERS: Readonly<Record<ServerKind['name'], readonly string[]>> = {
  mariadb: [
    "SET GLOBAL replicate_ignore_table = 'shop.notes'",
    'CHANGE MASTER TO IGNORE_DOMAIN_IDS = (5)',
    // The position goes along with what is left out by these.
    'CHANGE MASTER TO IGNORE_SERVER_IDS = (9)',
    "SET GLOBAL replicate_rewrite_db = 'shop->other'",
  ],
  mysql: [
    'CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = (shop.notes)',
    'CHANGE REPLICATION FILTER REPLICATE_REWRITE_DB = ((shop, other))',
  ],
};

describe.each(EVERY_KIND)('$title', (kind) => {
  test('each setting that is otherwise is named, with what comes of it and what to write', async () => {
    const otherwise: ServerSettings = { ...OTHERWISE_ON_BOTH, ...OTHERWISE[kind.name] };
    const silent = { read_only: false, super_read_only: false, skip_slave_start: false, skip_replica_start: false };
    const server = await startServer(cleanup, kind, 1, { ...otherwise, ...silent, event_scheduler: 'ON' });
    const link = await linkTo(server);

    const settings = wrong(await checkSettings(link, subject));
    expect(settings.filter(({ check }) => check !== 'my-cnf').map(({ check }) => check)).toEqual([
      'bind-address',
      'extra-door',
    ]);
    const told = settings.filter(({ check }) => check === 'my-cnf');
    expect(told.map(({ found }) => /^(\w+) is /.exec(found)?.[1]).sort()).toEqual(Object.keys(otherwise).sort());
    for (const { found, remedy } of told) {
      expect(found).toMatch(/^\w+ is [\w-]+: .../);
      expect(remedy).toContain(`write ${/^\w+/.exec(found)?.[0]} = `);
    }
    expect(told).toContainEqual(
      expect.objectContaining({
        verdict: 'warning',
        found: expect.stringMatching(/_net_timeout is 60: .* commits under semi-sync wait as long/),
        remedy: expect.stringMatching(/SET GLOBAL \w+_net_timeout = 4; STOP \w+ IO_THREAD; START \w+ IO_THREAD$/),
      }),
    );

    const start = wrong(await checkStart(link, subject)).filter(({ check }) => check === 'at-start');
    expect(start.map(({ found }) => /^\w+/.exec(found)?.[0])).toEqual(AT_START[kind.name]);
  });

  test.each(FILTERS[kind.name])(
    'a filter on the channel is told, by the agent and by the doctor: %s',
    async (filter) => {
      const { standby } = await startPair(cleanup, kind);
      expect(checksOf(await checkChannel(await linkTo(standby), subject))).toEqual([]);
      await standby.sql(`${kind.stopReplica}; ${filter}; ${kind.startReplica}`);
      expect(checksOf(await checkChannel(await linkTo(standby), subject))).toEqual(['replication-filters']);
      const { database } = watch(cleanup, standby);
      database.start();
      await eventually(() => database.lastReport()?.replica?.filters === true);
    },
  );

  test('a further replica of the active is told: it may be ahead of the standby; of a standby it is not', async () => {
    const { active } = await startPair(cleanup, kind);
    const link = await linkTo(active);
    const elsewhere = { ...subject, source: { name: 'db2', address: '10.99.0.2' } };
    const replicas = async () =>
      (await active.sql(`SELECT ID FROM ${kind.processList} WHERE COMMAND LIKE 'Binlog Dump%'`)).length;
    await eventually(async () => (await replicas()) === 1);
    // Also where it does not come from the address that the pair has for it.
    for (const seen of [subject, elsewhere]) expect(checksOf(await checkDownstream(link, seen))).toEqual([]);

    const third = await startServer(cleanup, kind, 3);
    await pointAt(third, { host: '127.0.0.1', port: active.port ?? 0 });
    await third.sql(kind.startReplica);
    await eventually(async () => (await replicas()) === 2);
    expect(wrong(await checkDownstream(link, elsewhere))).toMatchObject([
      { check: 'downstream', found: expect.stringMatching(/beside db2 read it: 1, of \w+@127\.0\.0\.1/) },
    ]);
    await active.sql('SET GLOBAL read_only=1');
    expect(checksOf(await checkDownstream(link, elsewhere))).toEqual([]);
  });

  if (kind.name === 'mariadb') {
    test('several domains are told: of the binary log, and of the two servers', async () => {
      const { active, standby } = await startPair(cleanup, kind);
      const [here, there] = [await linkTo(standby), await linkTo(active)];
      const compare = async () => comparePair(await readTraits(here), await readTraits(there), 'db2');
      expect(checksOf(await compare())).toEqual([]);
      await active.sql(
        'SET GLOBAL gtid_domain_id=5; SET SESSION gtid_domain_id=5; INSERT INTO shop.orders (v) VALUES (1)',
      );
      await eventually(async () => checksOf(await checkChannel(here, subject)).includes('gtid-domains'));
      expect(wrong(await compare())).toEqual([
        expect.objectContaining({ check: 'gtid-domains', found: expect.stringContaining('is 0 here and 5 on db2') }),
      ]);
    });

    test.each([
      ['ed25519', "INSTALL SONAME 'auth_ed25519'", "VIA ed25519 USING PASSWORD('known')"],
      ['unix_socket', 'DO 0', 'VIA unix_socket'],
    ])('an account that logs in by %s is denied, and the doctor tells by what it has to', async (_, plugin, via) => {
      const server = await startServer(cleanup, kind, 1);
      await alone(server, plugin, `CREATE USER other@localhost IDENTIFIED ${via}`);
      const { database } = watch(cleanup, server, { credentials: { user: 'other', password: 'known' } });
      database.start();
      await eventually(() => database.lastReport()?.state === 'denied');

      const files = createConfigFixture();
      cleanup.push(async () => files.remove());
      files.write('mysql.cnf', '[client]\nuser=other\npassword=known\n');
      const yaml = files.agentYaml.replace('mysql:', `mysql:\n  socket: ${server.socket}`);
      const loaded = loadConfig(files.write('vipd.yaml', yaml));
      if (!loaded.ok) throw new Error(JSON.stringify(loaded));
      expect(wrong(await checkDatabase(loaded.config, 'own'))).toEqual([
        expect.objectContaining({
          check: 'database-login',
          remedy: expect.stringContaining('mysql_native_password or caching_sha2_password'),
        }),
      ]);
    });
  }
});
