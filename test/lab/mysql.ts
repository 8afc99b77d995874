/** MySQL for the tests and the lab, as scripts/setup-mysql has unpacked it. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPLICATION_PASSWORD, REPLICATION_USER, type Row, type ServerKind } from './server-kind.js';

const run = promisify(execFile);

/** As scripts/setup-mysql names them. */
const CACHE = '/var/cache/vipd-lab';
const MYSQL_ROOT = join(CACHE, 'mysql');
/** The programs alone, made to run outside of their own system. */
export const MYSQL_PROGRAMS = join(MYSQL_ROOT, 'programs');

const FILES = {
  basedir: join(MYSQL_ROOT, 'usr'),
  plugin_dir: join(MYSQL_ROOT, 'usr/lib/mysql/plugin'),
  lc_messages_dir: join(MYSQL_ROOT, 'usr/share/mysql'),
  character_sets_dir: join(MYSQL_ROOT, 'usr/share/mysql/charsets'),
  // The packaged default is a directory of the packaged service.
  secure_file_priv: '',
} as const;

const text = (row: Row | undefined, column: string): string => String(row?.[column] ?? '');
const oneLine = (set: string): string => set.replaceAll(/\s/g, '');

/** Known beforehand, so that a test can name a transaction. */
export const serverUuid = (serverId: number): string => `10990000-0000-4000-8000-${String(serverId).padStart(12, '0')}`;

export const MYSQL: ServerKind = {
  name: 'mysql',
  title: 'MySQL',
  server: join(MYSQL_PROGRAMS, 'mysqld'),
  client: join(MYSQL_PROGRAMS, 'mysql'),
  binlog: join(MYSQL_PROGRAMS, 'mysqlbinlog'),
  programs: MYSQL_PROGRAMS,
  section: 'mysqld',
  settings: (serverId) => ({
    ...FILES,
    user: 'root',
    server_id: serverId,
    read_only: 'ON',
    super_read_only: 'ON',
    skip_replica_start: 'ON',
    skip_name_resolve: 'ON',
    log_bin: 'binlog',
    relay_log: 'relay',
    gtid_mode: 'ON',
    enforce_gtid_consistency: 'ON',
    sync_binlog: 1,
    innodb_flush_log_at_trx_commit: 1,
    auto_increment_increment: 2,
    auto_increment_offset: serverId % 2 === 0 ? 2 : 1,
    event_scheduler: 'OFF',
    replica_net_timeout: 4,
    plugin_load: 'semisync_source.so;semisync_replica.so',
    rpl_semi_sync_source_wait_point: 'AFTER_SYNC',
    rpl_semi_sync_source_timeout: 4_294_967_295,
    rpl_semi_sync_replica_enabled: 'ON',
    innodb_buffer_pool_size: '32M',
    innodb_redo_log_capacity: '16M',
    mysqlx: 'OFF',
    max_connections: 100,
  }),
  version: async () => {
    if (!existsSync(MYSQL.server)) throw new Error(`${MYSQL.server} is not there: run scripts/setup-mysql, as root`);
    const { stdout } = await run(MYSQL.server, ['--no-defaults', '--version']);
    return /Ver (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  },
  templateParent: CACHE,
  install: async (directory) => {
    const files = Object.entries(FILES).map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`);
    const settings = ['--user=root', `--datadir=${directory}`, '--innodb-redo-log-capacity=16M'];
    await run(MYSQL.server, ['--no-defaults', '--initialize-insecure', ...settings, ...files]);
  },
  individualise: (dataDirectory, serverId) =>
    writeFile(join(dataDirectory, 'auto.cnf'), `[auto]\nserver-uuid=${serverUuid(serverId)}\n`),

  longHistory: [
    `SET GLOBAL gtid_purged='+${Array.from({ length: 60 }, (_, n) => `${serverUuid(1_000 + n)}:1-${n + 1}`).join(',')}'`,
  ],
  openForAccounts: 'SET GLOBAL super_read_only=OFF',
  closeAfterAccounts: 'SET GLOBAL super_read_only=ON',
  replicationAccount: [
    `CREATE USER '${REPLICATION_USER}'@'%' IDENTIFIED BY '${REPLICATION_PASSWORD}'`,
    `GRANT REPLICATION SLAVE ON *.* TO '${REPLICATION_USER}'@'%'`,
  ],
  // Without TLS the login of a server that was restarted fails (error 2061). Since 8.4 a receiver gives up after ten tries.
  pointAt: ({ host, port, password = REPLICATION_PASSWORD }) =>
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST='${host}', SOURCE_PORT=${port}, SOURCE_USER='${REPLICATION_USER}',
     SOURCE_PASSWORD='${password}', SOURCE_AUTO_POSITION=1, SOURCE_SSL=1, SOURCE_CONNECT_RETRY=1,
     SOURCE_RETRY_COUNT=86400, SOURCE_HEARTBEAT_PERIOD=1`,
  startReplica: 'START REPLICA',
  stopReplica: 'STOP REPLICA',
  startReceiver: 'START REPLICA IO_THREAD',
  stopReceiver: 'STOP REPLICA IO_THREAD',
  startApplier: 'START REPLICA SQL_THREAD',
  stopApplier: 'STOP REPLICA SQL_THREAD',
  showReplica: 'SHOW REPLICA STATUS',
  channelOf: (row) => ({
    receiver: text(row, 'Replica_IO_Running'),
    applier: text(row, 'Replica_SQL_Running'),
    applierErrno: Number(text(row, 'Last_SQL_Errno')),
    received: oneLine(text(row, 'Retrieved_Gtid_Set')),
  }),
  position: "SELECT REPLACE(@@global.gtid_executed, '\\n', '') AS position",
  gtid: (serverId, n) => `${serverUuid(serverId)}:${n}`,
  firstOf: (serverId, n) => `mysql:${serverUuid(serverId)}:${n === 1 ? '1' : `1-${n}`}`,
  binlogAfter: (serverId, n) => [`--exclude-gtids=${serverUuid(serverId)}:1-${n}`],
  semiSyncOn: 'SET GLOBAL rpl_semi_sync_source_enabled=ON',
  semiSyncEnds: 'SET GLOBAL rpl_semi_sync_source_enabled=OFF',
  semiSyncVariable: 'rpl_semi_sync_source_enabled',
  semiSyncClients: "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_clients'",
  processList: 'performance_schema.processlist',
  semiSyncWait: '%semi-sync ACK%',
  connectionAdmin: 'CONNECTION_ADMIN',
  extraDoor: (port) => ({ admin_address: '127.0.0.1', admin_port: port }),
};
