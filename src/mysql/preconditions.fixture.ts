/** The variables of a MariaDB server that has all that vipd counts on. */

export const GOOD_MARIADB = {
  log_bin: 'ON',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  sync_binlog: '1',
  innodb_flush_log_at_trx_commit: '1',
  skip_networking: 'OFF',
  skip_name_resolve: 'ON',
  bind_address: '*',
  auto_increment_increment: '2',
  log_slave_updates: 'ON',
  gtid_strict_mode: 'ON',
  slave_net_timeout: '4',
  rpl_semi_sync_slave_enabled: 'ON',
  rpl_semi_sync_master_wait_point: 'AFTER_SYNC',
} as const;
