/** MariaDB for the tests and the lab, as Debian packages it. */

import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { REPLICATION_PASSWORD, REPLICATION_USER, type Row, type ServerKind } from './server-kind.js';

const run = promisify(execFile);

const text = (row: Row | undefined, column: string): string => String(row?.[column] ?? '');

export const MARIADB: ServerKind = {
  name: 'mariadb',
  title: 'MariaDB',
  server: 'mariadbd',
  client: 'mariadb',
  binlog: 'mariadb-binlog',
  section: 'mariadbd',
  settings: (serverId) => ({
    user: 'root',
    server_id: serverId,
    read_only: 'ON',
    skip_slave_start: 'ON',
    skip_name_resolve: 'ON',
    log_bin: 'binlog',
    relay_log: 'relay',
    binlog_format: 'ROW',
    binlog_row_image: 'FULL',
    log_slave_updates: 'ON',
    gtid_strict_mode: 'ON',
    gtid_domain_id: 0,
    sync_binlog: 1,
    innodb_flush_log_at_trx_commit: 1,
    auto_increment_increment: 2,
    auto_increment_offset: serverId % 2 === 0 ? 2 : 1,
    event_scheduler: 'OFF',
    slave_net_timeout: 4,
    rpl_semi_sync_master_wait_point: 'AFTER_SYNC',
    rpl_semi_sync_master_timeout: 4_294_967_295,
    rpl_semi_sync_slave_enabled: 'ON',
    innodb_buffer_pool_size: '32M',
    innodb_log_file_size: '16M',
    performance_schema: 'OFF',
    plugin_load_add: 'metadata_lock_info',
    max_connections: 100,
  }),
  version: async () => {
    const { stdout } = await run('mariadbd', ['--no-defaults', '--version']);
    return /Ver (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  },
  // Made in a second, so a lab makes its own in its memory.
  templateParent: tmpdir(),
  install: async (directory) => {
    await run('mariadb-install-db', [
      '--no-defaults',
      '--user=root',
      `--datadir=${directory}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
      '--innodb-log-file-size=16M',
    ]);
  },
  individualise: () => Promise.resolve(),

  longHistory: [
    `SET GLOBAL gtid_slave_pos='0-4000000080-1000080'`,
    `SET GLOBAL gtid_binlog_state='${Array.from({ length: 80 }, (_, n) => `0-${4_000_000_001 + n}-${1_000_001 + n}`).join(',')}'`,
  ],
  openForAccounts: 'DO 0',
  closeAfterAccounts: 'DO 0',
  replicationAccount: [
    `GRANT REPLICATION SLAVE ON *.* TO '${REPLICATION_USER}'@'%' IDENTIFIED BY '${REPLICATION_PASSWORD}'`,
  ],
  pointAt: ({ host, port, password = REPLICATION_PASSWORD }) =>
    `CHANGE MASTER TO MASTER_HOST='${host}', MASTER_PORT=${port}, MASTER_USER='${REPLICATION_USER}',
     MASTER_PASSWORD='${password}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1`,
  startReplica: 'START SLAVE',
  stopReplica: 'STOP SLAVE',
  startReceiver: 'START SLAVE IO_THREAD',
  stopReceiver: 'STOP SLAVE IO_THREAD',
  startApplier: 'START SLAVE SQL_THREAD',
  stopApplier: 'STOP SLAVE SQL_THREAD',
  showReplica: 'SHOW SLAVE STATUS',
  channelOf: (row) => ({
    receiver: text(row, 'Slave_IO_Running'),
    applier: text(row, 'Slave_SQL_Running'),
    applierErrno: Number(text(row, 'Last_SQL_Errno')),
    received: text(row, 'Gtid_IO_Pos'),
  }),
  position: 'SELECT @@global.gtid_binlog_state AS position',
  gtid: (serverId, n) => `0-${serverId}-${n}`,
  firstOf: (serverId, n) => `mariadb:0-${serverId}-${n}`,
  binlogAfter: (serverId, n) => [`--start-position=0-${serverId}-${n}`],
  semiSyncOn: 'SET GLOBAL rpl_semi_sync_master_enabled=ON',
  semiSyncEnds: 'SET GLOBAL rpl_semi_sync_master_enabled=OFF',
  semiSyncVariable: 'rpl_semi_sync_master_enabled',
  semiSyncClients: "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'",
  processList: 'information_schema.PROCESSLIST',
  semiSyncWait: '%semi-sync%',
  connectionAdmin: 'CONNECTION ADMIN',
  extraDoor: (port) => ({ extra_port: port, extra_max_connections: 5 }),
};
