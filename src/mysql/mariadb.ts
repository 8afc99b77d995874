/** MariaDB's words: every statement and status column that vipd uses on MariaDB 10.11 and later. */

import { mergePositions } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Row } from './connection.js';
import {
  type Ask,
  type Blocker,
  byName,
  type Channel,
  type Flavour,
  isReadOnly,
  number,
  OLDEST_TRANSACTION,
  parseChannel,
  type ReplicaStatus,
  type SalvageWords,
  type ServerSession,
  type ServerState,
  type ServerStatus,
  text,
  toLoad,
} from './flavour.js';
import { readRelayLogs } from './relay-log.js';
import {
  countIdleLockHolders,
  describeSession,
  describeSessions,
  EVENT_WORKER,
  findInnodbBlockers,
  findXaBlockers,
  LONG_STATEMENT,
  lockHolders,
  toSession,
} from './sessions.js';

const STATE = `SELECT @@global.read_only AS read_only, @@global.gtid_binlog_state AS binlog_state,
  @@global.gtid_slave_pos AS slave_pos`;
const SEMI_SYNC_STATUS = `SHOW GLOBAL STATUS WHERE Variable_name IN
  ('Rpl_semi_sync_master_status', 'Rpl_semi_sync_master_clients')`;
/** The scheduler's own thread is a daemon; what it has started is called like it until it runs as its definer. */
const SESSIONS = `SELECT ID AS id, IF(USER = 'event_scheduler' AND COMMAND <> 'Daemon', '${EVENT_WORKER}', USER) AS user, HOST AS host, COMMAND AS command, IFNULL(STATE, '') AS state,
  TIME AS seconds, IFNULL(LEFT(INFO, 200), '') AS statement FROM information_schema.PROCESSLIST`;

/**
 * A large statement is still being received while its connection "sleeps". In a pool of threads, though, one that sleeps keeps
 * the number of a thread that others use.
 */
const appliers = (connectionId: number): string => `SELECT TID AS thread FROM information_schema.PROCESSLIST
  WHERE COMMAND IN ('Slave_SQL', 'Slave_worker') OR (ID = ${connectionId} AND (COMMAND <> 'Sleep' OR @@global.thread_handling <> 'pool-of-threads')) ORDER BY TID`;

/** The list of sessions is gone through only where there are workers to look for. */
const LOAD = `SELECT @@global.slave_parallel_threads AS workers,
  IF(@@global.slave_parallel_threads = 0, 0, (SELECT COUNT(*) FROM information_schema.PROCESSLIST
    WHERE COMMAND = 'Slave_worker' AND STATE <> 'Waiting for work from SQL thread')) AS busy,
  ${OLDEST_TRANSACTION}`;

/** Years: vipd itself decides when not to wait any more (mysql.md). The variable's documented range is wider still. */
const SEMI_SYNC_TIMEOUT_MS = 4_294_967_295;

const CHANNEL_COLUMNS = {
  receiver: 'Slave_IO_Running',
  receiverState: 'Slave_IO_State',
  applier: 'Slave_SQL_Running',
  lag: 'Seconds_Behind_Master',
  source: 'Master_Server_Id',
} as const;

/** What this server can do, as it says itself. */
export const openMariadb = async (version: string, ask: Ask): Promise<Flavour> => {
  const variables = byName(
    await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN ('event_scheduler', 'rpl_semi_sync_master_enabled')`),
  );
  // From 12.0 on read_only is an enumeration with stronger words (MariaDB manual, read_only).
  const [words] = await ask(
    `SELECT IFNULL(ENUM_VALUE_LIST, '') AS words FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'READ_ONLY'`,
  );
  const strongest = text(words, 'words').includes('NO_LOCK_NO_ADMIN') ? "'NO_LOCK_NO_ADMIN'" : 'ON';
  return {
    name: 'mariadb',
    version,
    sessionSetup: ['SET SESSION sql_log_bin=0, autocommit=1'],
    readState,
    readReplica,
    readStatus,
    readPosition: async (ask) => (await readState(ask)).position,
    readLoad: async (ask) => toLoad((await ask(LOAD))[0]),
    readArrivals,
    readReadOnly: async (ask) => isReadOnly(text((await ask('SELECT @@global.read_only AS v'))[0], 'v')),
    readShut: async (ask) => {
      const value = text((await ask('SELECT @@global.read_only AS v'))[0], 'v');
      return strongest === 'ON' ? isReadOnly(value) : `'${value}'` === strongest;
    },
    readOnlyOn: `SET GLOBAL read_only=${strongest}`,
    readOnlyOff: 'SET GLOBAL read_only=OFF',
    ...(variables.get('event_scheduler') === 'DISABLED'
      ? {}
      : { events: { on: 'SET GLOBAL event_scheduler=ON', off: 'SET GLOBAL event_scheduler=OFF' } }),
    readEventsOn: async (ask) => text((await ask('SELECT @@global.event_scheduler AS v'))[0], 'v') === 'ON',
    ...(variables.has('rpl_semi_sync_master_enabled') ? { semiSync: SEMI_SYNC } : {}),
    listSessions: async (ask) => (await ask(SESSIONS)).map(toSession),
    listAppliers: async (ask, connectionId) => (await ask(appliers(connectionId))).map((row) => number(row, 'thread')),
    findBlockers,
    readRelayLogs,
    stopReceiver: 'STOP SLAVE IO_THREAD',
    stopReplica: 'STOP SLAVE',
    startReplica: 'START SLAVE',
    configureChannel: 'CHANGE MASTER TO',
    dropRelayLogs: 'CHANGE MASTER TO MASTER_USE_GTID=slave_pos',
    originOf: (gtid) => /^\d+-(\d+)-\d+$/.exec(gtid)?.[1] ?? '',
    realign,
    salvage: SALVAGE,
    waitApplied: (missing, seconds) =>
      `SELECT MASTER_GTID_WAIT('${lastOfEachDomain(missing)}', ${seconds}) = 0 AS reached`,
  };
};

const SALVAGE: SalvageWords = {
  binlogProgram: 'mariadb-binlog',
  clientProgram: 'mariadb',
  // By bytes: by GTID it reads the file from its beginning, which takes seconds for a gigabyte.
  printOptions: ({ start, end, without }) => [
    '--no-defaults',
    '--force-if-open',
    '--verify-binlog-checksum',
    '--skip-annotate-row-events',
    `--start-position=${without ?? start}`,
    ...(end === undefined ? [] : [`--stop-position=${end}`]),
  ],
  // It cannot choose by GTID where two servers have written in one domain.
  listOptions: () => [
    '--no-defaults',
    '--force-if-open',
    '--skip-annotate-row-events',
    '--base64-output=decode-rows',
    '--verbose',
  ],
  verifyServer: 'ssl-verify-server-cert',
};

const SEMI_SYNC = {
  on: [
    `SET GLOBAL rpl_semi_sync_master_timeout=${SEMI_SYNC_TIMEOUT_MS}`,
    "SET GLOBAL rpl_semi_sync_master_wait_point='AFTER_SYNC'",
    // OFF is a silent fallback when the last replica is gone (MariaDB manual).
    'SET GLOBAL rpl_semi_sync_master_wait_no_slave=ON',
    'SET GLOBAL rpl_semi_sync_master_enabled=ON',
  ],
  off: 'SET GLOBAL rpl_semi_sync_master_enabled=OFF',
  offStalls: false,
} as const;

/**
 * The binlog state names each (domain, server); the replica position is added for a server that was cloned, whose binlog
 * state starts empty although it has the data.
 */
const positionOf = (row: Row | undefined): Position => {
  const state = `mariadb:${sortGtids(text(row, 'binlog_state'))}`;
  return mergePositions(state, `mariadb:${sortGtids(text(row, 'slave_pos'))}`);
};

const readState = async (ask: Ask): Promise<ServerState> => {
  const [row] = await ask(STATE);
  return { readOnly: isReadOnly(text(row, 'read_only')), position: positionOf(row) };
};

const readReplica = async (ask: Ask): Promise<ReplicaStatus> => {
  const state = await readState(ask);
  const [row] = await ask('SHOW SLAVE STATUS');
  return row === undefined ? state : { ...state, channel: channelOf(row, state.position) };
};

const readStatus = async (ask: Ask): Promise<ServerStatus> => {
  const replica = await readReplica(ask);
  const semiSync = byName(await ask(SEMI_SYNC_STATUS));
  return {
    ...replica,
    semiSync: semiSync.get('rpl_semi_sync_master_status') === 'ON',
    semiSyncReplicas: Number(semiSync.get('rpl_semi_sync_master_clients') ?? 0),
  };
};

/** What has come of a transaction that is not whole yet counts as well. */
const readArrivals = async (ask: Ask): Promise<string> => {
  const [row] = await ask('SHOW SLAVE STATUS');
  const heartbeats = byName(await ask(`SHOW GLOBAL STATUS LIKE 'Slave_received_heartbeats'`));
  const place = ['Master_Log_File', 'Read_Master_Log_Pos'].map((column) => text(row, column));
  return [...place, heartbeats.get('slave_received_heartbeats')].join(' ');
};

const channelOf = (row: Row, position: Position): Channel => {
  const channel = parseChannel(row, CHANNEL_COLUMNS, received(row, position));
  if (text(row, 'Using_Gtid') !== 'No') return channel;
  // Without GTIDs neither what was received nor what is missing can be told.
  return {
    ...channel,
    error: channel.error ?? 'the channel does not use GTIDs; CHANGE MASTER TO MASTER_USE_GTID=slave_pos',
  };
};

/** Gtid_IO_Pos is one point per domain: the last event group that the receiver has written down as a whole. */
const received = (row: Row, position: Position): Position =>
  mergePositions(position, `mariadb:${sortGtids(text(row, 'Gtid_IO_Pos'))}`);

const sortGtids = (list: string): string =>
  list
    .split(',')
    .map((gtid) => gtid.trim())
    .filter((gtid) => gtid !== '')
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .join(',');

/** A replica position takes one GTID for each domain (error 1943 otherwise); in strict mode the highest is the last. */
export const lastOfEachDomain = (list: string): string => {
  const last = new Map<string, { readonly gtid: string; readonly sequence: bigint }>();
  for (const gtid of sortGtids(list).split(',')) {
    const match = /^(\d+)-\d+-(\d+)$/.exec(gtid);
    if (!match) continue;
    const sequence = BigInt(match[2] ?? 0);
    const known = last.get(match[1] ?? '');
    if (known === undefined || sequence > known.sequence) last.set(match[1] ?? '', { gtid, sequence });
  }
  return [...last.values()].map(({ gtid }) => gtid).join(',');
};

/**
 * A server that wrote as the owner has GTIDs of its own that its replica position does not name, and would be sent them
 * and all that followed again: errors 1062 and 1950. Never set back, since a clone's binlog knows less than its position.
 */
const realign = async (ask: Ask): Promise<string | undefined> => {
  const [row] = await ask('SELECT @@global.gtid_binlog_pos AS binlog_pos, @@global.gtid_slave_pos AS slave_pos');
  const now = lastOfEachDomain(text(row, 'slave_pos'));
  const wanted = lastOfEachDomain(`${text(row, 'binlog_pos')},${now}`);
  return wanted === now ? undefined : `SET GLOBAL gtid_slave_pos='${wanted}'`;
};

const findBlockers = async (ask: Ask, longTransactionSeconds: number): Promise<readonly Blocker[]> => {
  const sessions = (await ask(SESSIONS)).map(toSession);
  return [
    ...(await findInnodbBlockers(ask, sessions, longTransactionSeconds)),
    ...(await findHeldLocks(ask, sessions, longTransactionSeconds)),
    ...(await findXaBlockers(ask, (row) => text(row, 'data'))),
  ];
};

/**
 * Locks that hold up `read_only` or belong to a backup: LOCK TABLES … WRITE, FLUSH TABLES WITH READ LOCK, BACKUP STAGE.
 * Only the plugin METADATA_LOCK_INFO names their holders; without it InnoDB's monitor at least counts the first kind.
 */
const findHeldLocks = async (
  ask: Ask,
  sessions: readonly ServerSession[],
  longSeconds: number,
): Promise<readonly Blocker[]> => {
  const loaded = await ask(
    `SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE'`,
  );
  if (loaded.length === 0) return await guessLockHolders(ask, sessions);
  const rows = await ask(
    `SELECT THREAD_ID AS id, LOCK_MODE AS mode FROM information_schema.METADATA_LOCK_INFO WHERE LOCK_TYPE = 'Backup lock'`,
  );
  return lockHolders(sessions, longSeconds).flatMap((holder) =>
    rows
      .filter((row) => number(row, 'id') === holder.id)
      .map((row) => describeBackupLock(text(row, 'mode'), holder))
      .filter((what) => what !== '')
      .map((what) => ({ sessionId: holder.id, what: `${what} held: ${describeSession(holder)}` })),
  );
};

/** Empty: it was taken by a statement that has begun since the sessions were listed. */
const describeBackupLock = (mode: string, { command }: ServerSession): string => {
  if (STATEMENT_LOCKS.has(mode)) return command === 'Sleep' ? '' : LONG_STATEMENT;
  if (mode !== 'MDL_BACKUP_DDL') return `a global read lock or a backup (${mode})`;
  return command === 'Sleep' ? 'LOCK TABLES … WRITE' : LONG_STATEMENT;
};

/** Taken by every ordinary statement that changes something. */
const STATEMENT_LOCKS: ReadonlySet<string> = new Set([
  'MDL_BACKUP_DML',
  'MDL_BACKUP_TRANS_DML',
  'MDL_BACKUP_SYS_DML',
  'MDL_BACKUP_COMMIT',
  'MDL_BACKUP_ALTER_COPY',
]);

const guessLockHolders = async (ask: Ask, sessions: readonly ServerSession[]): Promise<readonly Blocker[]> => {
  const [monitor] = await ask('SHOW ENGINE INNODB STATUS');
  const count = countIdleLockHolders(text(monitor, 'Status'));
  if (count === 0) return [];
  const idle = sessions.filter((session) => session.command === 'Sleep' && session.user !== 'system user');
  const what = `LOCK TABLES held by ${count} of the idle sessions (INSTALL SONAME 'metadata_lock_info' tells which)`;
  return [{ sessionId: idle.length === 1 ? (idle[0]?.id ?? 0) : 0, what: `${what}: ${describeSessions(idle)}` }];
};
