/** MySQL's words: every statement and status column that vipd uses on MySQL 8.0 to 9.x. */

import { containsPosition, mergePositions } from '../core/position.js';
import type { Position } from '../core/types.js';
import { quoteText, type Row } from './connection.js';
import { asDatabaseError, DatabaseError } from './errors.js';
import {
  type Ask,
  type Blocker,
  byName,
  type Channel,
  type ChannelColumns,
  type CloneWords,
  type Flavour,
  isReadOnly,
  number,
  OLDEST_TRANSACTION,
  parseChannel,
  type ReplicaStatus,
  type SalvageWords,
  type SemiSyncStatements,
  type ServerSession,
  type ServerState,
  type ServerStatus,
  text,
  toLoad,
} from './flavour.js';
import {
  describeSession,
  EVENT_WORKER,
  findInnodbBlockers,
  findXaBlockers,
  LONG_STATEMENT,
  lockHolders,
  toSession,
} from './sessions.js';

const STATE = `SELECT @@global.read_only OR @@global.super_read_only AS read_only, @@global.gtid_executed AS executed,
  @@global.offline_mode AS offline`;
/** The agent's CONNECTION_ADMIN lets it in all the same (MySQL manual, offline_mode). */
const OFFLINE = 'offline_mode is on, so clients are refused, and replicas too; SET GLOBAL offline_mode=OFF';
/** An event that runs is listed under the name of the replication threads. */
const SESSIONS = `SELECT p.ID AS id, IF(t.THREAD_ID IS NULL, p.USER, '${EVENT_WORKER}') AS user, p.HOST AS host,
  p.COMMAND AS command, IFNULL(p.STATE, '') AS state, p.TIME AS seconds, IFNULL(LEFT(p.INFO, 200), '') AS statement
  FROM performance_schema.processlist p LEFT JOIN performance_schema.threads t
  ON t.PROCESSLIST_ID = p.ID AND t.NAME = 'thread/sql/event_worker'`;

/** An index is built by InnoDB's own threads, while the one that asked for it waits; a client's COUNT(*) is read by such, too. */
const appliers = (connectionId: number): string => {
  const applies = `(NAME IN ('thread/sql/replica_sql', 'thread/sql/replica_worker', 'thread/sql/slave_sql', 'thread/sql/slave_worker')
    OR PROCESSLIST_ID = ${connectionId})`;
  return `SELECT THREAD_OS_ID AS thread FROM performance_schema.threads WHERE ${applies}
    OR (NAME IN ('thread/innodb/ddl_thread', 'thread/innodb/parallel_read_thread') AND EXISTS
      (SELECT 1 FROM performance_schema.threads WHERE ${applies} AND PROCESSLIST_STATE LIKE '%alter%'))
    ORDER BY THREAD_OS_ID`;
};

const loadOf = ({ workers }: Dialect): string => `SELECT @@global.${workers} AS workers,
  (SELECT COUNT(*) FROM performance_schema.replication_applier_status_by_worker
    WHERE SERVICE_STATE = 'ON' AND APPLYING_TRANSACTION <> '') AS busy,
  ${OLDEST_TRANSACTION}`;

/** The variable's maximum (MySQL manual): vipd itself decides when not to wait any more. */
const SEMI_SYNC_TIMEOUT_MS = 4_294_967_295;
/** ER_PARSE_ERROR: a server older than 8.0.22 does not know REPLICA. */
const PARSE_ERROR = 1064;

/** One of the two vocabularies; 8.0.22 to 8.3 know both, 8.4 only the newer. */
interface Dialect {
  readonly replica: 'REPLICA' | 'SLAVE';
  /** How the options of CHANGE … TO, and the columns of a source's address, begin. */
  readonly source: 'SOURCE' | 'MASTER';
  readonly configureChannel: string;
  /** The variable that says how many threads apply. */
  readonly workers: string;
  readonly dropRelayLogs: string;
  readonly columns: ChannelColumns;
}

const NEWER: Dialect = {
  replica: 'REPLICA',
  source: 'SOURCE',
  configureChannel: 'CHANGE REPLICATION SOURCE TO',
  workers: 'replica_parallel_workers',
  dropRelayLogs: 'CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1',
  columns: {
    receiver: 'Replica_IO_Running',
    receiverState: 'Replica_IO_State',
    applier: 'Replica_SQL_Running',
    lag: 'Seconds_Behind_Source',
    source: 'Source_UUID',
  },
};

const OLDER: Dialect = {
  replica: 'SLAVE',
  source: 'MASTER',
  configureChannel: 'CHANGE MASTER TO',
  workers: 'slave_parallel_workers',
  dropRelayLogs: 'CHANGE MASTER TO MASTER_AUTO_POSITION=1',
  columns: {
    receiver: 'Slave_IO_Running',
    receiverState: 'Slave_IO_State',
    applier: 'Slave_SQL_Running',
    lag: 'Seconds_Behind_Master',
    source: 'Master_UUID',
  },
};

/** What this server can do, as it says itself. */
export const openMysql = async (version: string, ask: Ask): Promise<Flavour> => {
  const dialect = await askDialect(ask);
  const variables = byName(
    await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN
      ('event_scheduler', 'rpl_semi_sync_source_enabled', 'rpl_semi_sync_master_enabled')`),
  );
  // The plugins of the two names do not coexist (MySQL manual, Installing Semisynchronous Replication).
  const semiSyncRole = variables.has('rpl_semi_sync_source_enabled')
    ? 'source'
    : variables.has('rpl_semi_sync_master_enabled')
      ? 'master'
      : undefined;
  return {
    name: 'mysql',
    version,
    sessionSetup: ['SET SESSION sql_log_bin=0, autocommit=1'],
    readState,
    readReplica: (ask) => readReplica(ask, dialect),
    readStatus: (ask) => readStatus(ask, dialect, semiSyncRole),
    readPosition: async (ask) => (await readState(ask)).position,
    readLoad: async (ask) => toLoad((await ask(loadOf(dialect)))[0]),
    readArrivals: async (ask) => text((await ask(ARRIVALS))[0], 'arrivals'),
    readReadOnly: async (ask) => (await readState(ask)).readOnly,
    readShut: async (ask) => number((await ask('SELECT @@global.super_read_only AS v'))[0], 'v') === 1,
    // super_read_only turns read_only on with it, and read_only=OFF turns both off (MySQL manual, super_read_only).
    readOnlyOn: 'SET GLOBAL super_read_only=ON',
    readOnlyOff: 'SET GLOBAL read_only=OFF',
    ...(variables.get('event_scheduler') === 'DISABLED'
      ? {}
      : { events: { on: 'SET GLOBAL event_scheduler=ON', off: 'SET GLOBAL event_scheduler=OFF' } }),
    readEventsOn: async (ask) => text((await ask('SELECT @@global.event_scheduler AS v'))[0], 'v') === 'ON',
    ...(semiSyncRole === undefined ? {} : { semiSync: semiSyncStatements(semiSyncRole) }),
    listSessions,
    listAppliers: async (ask, connectionId) => (await ask(appliers(connectionId))).map((row) => number(row, 'thread')),
    findBlockers,
    // Retrieved_Gtid_Set survives a restart, less what relay_log_recovery threw away to fetch it again.
    readRelayLogs: async (ask) => {
      const status = await readReplica(ask, dialect);
      return { stored: status.channel?.received ?? status.position };
    },
    stopReceiver: `STOP ${dialect.replica} IO_THREAD`,
    stopReplica: `STOP ${dialect.replica}`,
    findHalfApplied,
    startReplica: `START ${dialect.replica}`,
    startApplier: `START ${dialect.replica} SQL_THREAD`,
    // Whatever it sets, it purges them (manual), and needs no RELOAD as RESET REPLICA does.
    dropRelayLogs: dialect.dropRelayLogs,
    configureChannel: dialect.configureChannel,
    originOf: (gtid) => gtid.slice(0, Math.max(0, gtid.indexOf(':'))),
    // GTID sets hold what this server wrote itself, so nothing is sent twice.
    realign: () => Promise.resolve(undefined),
    salvage: SALVAGE,
    clone: cloneWords(dialect),
    waitApplied: (missing, seconds) => `SELECT WAIT_FOR_EXECUTED_GTID_SET('${missing}', ${seconds}) = 0 AS reached`,
  };
};

/** @throws DatabaseError where performance_schema is off: not even this session is listed then, and no client would be. */
const listSessions = async (ask: Ask): Promise<readonly ServerSession[]> => {
  const rows = await ask(SESSIONS);
  if (rows.length > 0) return rows.map(toSession);
  throw new DatabaseError('statement', 0, 'no session is listed: set performance_schema=ON and restart the server');
};

const askDialect = async (ask: Ask): Promise<Dialect> => {
  try {
    await ask('SHOW REPLICA STATUS');
    return NEWER;
  } catch (error) {
    const failure = asDatabaseError(error, 'SHOW REPLICA STATUS');
    if (failure.errno === PARSE_ERROR) return OLDER;
    throw failure;
  }
};

const semiSyncStatements = (role: 'source' | 'master'): SemiSyncStatements => ({
  on: [
    // Else it would fall back in silence when its last replica is gone (MySQL manual).
    `SET GLOBAL rpl_semi_sync_${role}_wait_no_${role === 'source' ? 'replica' : 'slave'}=ON`,
    `SET GLOBAL rpl_semi_sync_${role}_timeout=${SEMI_SYNC_TIMEOUT_MS}`,
    `SET GLOBAL rpl_semi_sync_${role}_wait_point='AFTER_SYNC'`,
    `SET GLOBAL rpl_semi_sync_${role}_enabled=ON`,
  ],
  off: `SET GLOBAL rpl_semi_sync_${role}_enabled=OFF`,
  // Until its thread for acknowledgements wakes, which it does once a second (semisync_source_ack_receiver.cc).
  offStalls: true,
});

const SALVAGE: SalvageWords = {
  binlogProgram: 'mysqlbinlog',
  clientProgram: 'mysql',
  printOptions: ({ start, end, without }) => [
    '--no-defaults',
    '--force-if-open',
    '--verify-binlog-checksum',
    `--start-position=${start}`,
    ...(end === undefined ? [] : [`--stop-position=${end}`]),
    ...(without === undefined ? [] : [`--exclude-gtids=${without}`]),
  ],
  listOptions: (wanted) => [
    '--no-defaults',
    '--force-if-open',
    `--include-gtids=${wanted}`,
    '--base64-output=decode-rows',
    '--verbose',
  ],
  verifyServer: 'ssl-mode=VERIFY_IDENTITY',
  openForAgent: 'SET GLOBAL super_read_only=OFF',
};

const positionOf = (row: Row | undefined, column: string): Position => `mysql:${text(row, column).replace(/\s+/g, '')}`;

const readState = async (ask: Ask): Promise<ServerState> => {
  const [row] = await ask(STATE);
  return {
    readOnly: isReadOnly(text(row, 'read_only')),
    position: positionOf(row, 'executed'),
    ...(number(row, 'offline') === 1 ? { refusesClients: OFFLINE } : {}),
  };
};

const readReplica = async (ask: Ask, dialect: Dialect): Promise<ReplicaStatus> => {
  const state = await readState(ask);
  const row = await readChannelRow(ask, dialect);
  return row === undefined ? state : { ...state, channel: await channelOf(ask, row, dialect, state.position) };
};

const readStatus = async (
  ask: Ask,
  dialect: Dialect,
  semiSyncRole: 'source' | 'master' | undefined,
): Promise<ServerStatus> => {
  const replica = await readReplica(ask, dialect);
  const role = semiSyncRole ?? 'source';
  const semiSync = byName(await ask(`SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_${role}\\_%'`));
  return {
    ...replica,
    semiSync: semiSync.get(`rpl_semi_sync_${role}_status`) === 'ON',
    semiSyncReplicas: Number(semiSync.get(`rpl_semi_sync_${role}_clients`) ?? 0),
  };
};

/** vipd's one channel is the default one, without a name. */
const readChannelRow = async (ask: Ask, { replica }: Dialect): Promise<Row | undefined> => {
  const channels = await ask(`SHOW ${replica} STATUS`);
  return channels.find((candidate) => text(candidate, 'Channel_Name') === '') ?? channels[0];
};

/**
 * A new host or port leaves user, password and TLS as they are (MySQL manual, CHANGE REPLICATION SOURCE TO). Only a start
 * takes back the error of an earlier one, over which an agent would not start the channel any more.
 */
const cloneWords = (dialect: Dialect): CloneWords => {
  const { replica, source: name, configureChannel } = dialect;
  const columns = name === 'SOURCE' ? 'Source' : 'Master';
  return {
    readSource: async (ask) => {
      const row = await readChannelRow(ask, dialect);
      const host = text(row, `${columns}_Host`);
      return host === '' ? undefined : { host, port: number(row, `${columns}_Port`) };
    },
    repoint: ({ host, port }) => [
      `STOP ${replica}`,
      `${configureChannel} ${name}_HOST=${quoteText(host)}, ${name}_PORT=${port}, ${name}_BIND='', ${name}_AUTO_POSITION=1`,
      `START ${replica}`,
    ],
  };
};

const channelOf = async (ask: Ask, row: Row, dialect: Dialect, position: Position): Promise<Channel> => {
  const parse = (from: Row): Channel =>
    parseChannel(from, dialect.columns, mergePositions(position, positionOf(row, 'Retrieved_Gtid_Set')));
  const channel = parse(row);
  if (channel.error === undefined || channel.sql !== 'stopped') return channel;
  // With parallel workers the channel only says where to look (MySQL manual, Last_SQL_Error).
  const [worker] = await ask(WORKER_ERROR);
  if (worker !== undefined) return { ...channel, error: `error ${text(worker, 'errno')}: ${text(worker, 'error')}` };
  return number(row, 'Last_SQL_Errno') === ENDED_MIDWAY ? parse({ ...row, Last_SQL_Errno: 0 }) : channel;
};

/**
 * ER_MTA_INCONSISTENT_DATA: the applier was ended in the middle of a transaction, by a KILL or by a STOP that had waited a
 * minute. No worker has failed, and a start takes the transaction up from its beginning.
 */
const ENDED_MIDWAY = 1756;

const WORKER_ERROR = `SELECT LAST_ERROR_NUMBER AS errno, LAST_ERROR_MESSAGE AS error
  FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0 LIMIT 1`;

/** The coordinator, where it has begun to hand a transaction to its workers that is not executed. */
const findHalfApplied = async (ask: Ask): Promise<number | undefined> => {
  const [coordinator] = await ask(COORDINATOR);
  const gtid = text(coordinator, 'gtid');
  if (!gtid.includes(':') || containsPosition((await readState(ask)).position, `mysql:${gtid}`)) return undefined;
  return number(coordinator, 'id');
};

const COORDINATOR = `SELECT t.PROCESSLIST_ID AS id, c.PROCESSING_TRANSACTION AS gtid
  FROM performance_schema.replication_applier_status_by_coordinator c
  JOIN performance_schema.threads t USING (THREAD_ID)
  JOIN performance_schema.replication_connection_status r ON r.CHANNEL_NAME = c.CHANNEL_NAME AND r.SERVICE_STATE = 'OFF'
  WHERE c.PROCESSING_TRANSACTION <> ''`;

/** Heartbeats are counted; of transactions the table has the times, that of one whose events still come too. */
const ARRIVALS = `SELECT CONCAT_WS(' ', COUNT_RECEIVED_HEARTBEATS, QUEUEING_TRANSACTION_START_QUEUE_TIMESTAMP,
    LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP) AS arrivals
  FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = ''`;

const findBlockers = async (ask: Ask, longTransactionSeconds: number): Promise<readonly Blocker[]> => {
  const sessions = (await ask(SESSIONS)).map(toSession);
  return [
    ...(await findInnodbBlockers(ask, sessions, longTransactionSeconds)),
    ...(await findHeldLocks(ask, sessions, longTransactionSeconds)),
    ...(await findXaBlockers(ask, (row) => text(row, 'data'))),
  ];
};

/**
 * Of whom they are is asked with them: in the next moment the session may have another statement, with locks of its own.
 * LOCK_DURATION is no help, since it says TRANSACTION for LOCK TABLES.
 */
const heldLocks = (longSeconds: number): string => `SELECT t.PROCESSLIST_ID AS id,
    MAX(CASE WHEN l.OBJECT_TYPE = 'BACKUP LOCK' THEN 'LOCK INSTANCE FOR BACKUP'
      WHEN l.LOCK_TYPE <> 'INTENTION_EXCLUSIVE' THEN 'a global read lock'
      WHEN t.PROCESSLIST_COMMAND = 'Sleep' THEN 'LOCK TABLES … WRITE' ELSE '${LONG_STATEMENT}' END) AS what
  FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID
  WHERE l.LOCK_STATUS = 'GRANTED' AND (t.PROCESSLIST_COMMAND = 'Sleep' OR t.PROCESSLIST_TIME >= ${longSeconds})
    AND t.PROCESSLIST_ID <> CONNECTION_ID()
    AND (l.OBJECT_TYPE = 'GLOBAL' OR l.OBJECT_TYPE = 'BACKUP LOCK' AND l.LOCK_TYPE = 'SHARED')
  GROUP BY t.PROCESSLIST_ID`;

/** Twice, since a statement can end between the reading of its lock and that of its session. */
const findHeldLocks = async (
  ask: Ask,
  sessions: readonly ServerSession[],
  longSeconds: number,
): Promise<readonly Blocker[]> => {
  const first = await ask(heldLocks(longSeconds));
  if (first.length === 0) return [];
  const holders = lockHolders(sessions, longSeconds);
  const still = new Set((await ask(heldLocks(longSeconds))).map((row) => number(row, 'id')));
  return first.flatMap((row) => {
    const holder = holders.find(({ id }) => id === number(row, 'id'));
    if (holder === undefined || !still.has(holder.id)) return [];
    return [{ sessionId: holder.id, what: `${text(row, 'what')} held: ${describeSession(holder)}` }];
  });
};
