/** What differs between MariaDB and MySQL, asked once for each server; the steps speak only through this. */

import type { Position, ReplicaReport } from '../core/types.js';
import type { Row } from './connection.js';
import type { ServerLoad } from './lag-sources.js';

/** One statement on a session, under the caller's deadline. */
export type Ask = (sql: string) => Promise<readonly Row[]>;

/** What moves by itself; one question. */
export interface ServerState {
  readonly readOnly: boolean;
  readonly position: Position;
  /** Where it answers the agent, and no client: why, and what to do about it. */
  readonly refusesClients?: string;
}

/** How far replication is. */
export interface ReplicaStatus extends ServerState {
  /** Absent: no channel is configured. */
  readonly channel?: Channel;
}

/** What a server says of itself in one round of questions. */
export interface ServerStatus extends ReplicaStatus {
  readonly semiSync: boolean;
  readonly semiSyncReplicas: number;
}

/** The one replication channel, from the peer. */
export interface Channel extends ReplicaReport {
  /** The source it was last connected to, as `originOf` names it; `''` or `'0'` before the first connection. */
  readonly source: string;
  /** The receiver's last error, though it may be trying on. */
  readonly receiverError?: string;
  /** Its number; 0: none. */
  readonly receiverErrno: number;
  /** It waits for its source: whatever it has read is written down. */
  readonly receiverWaits: boolean;
}

/** A line of the process list. */
export interface ServerSession {
  readonly id: number;
  readonly user: string;
  readonly host: string;
  readonly command: string;
  readonly state: string;
  readonly seconds: number;
  /** Empty: nothing runs. */
  readonly statement: string;
}

/** Something that a switchover would have to wait for or to kill. */
export interface Blocker {
  readonly what: string;
  /** 0: belongs to no session, as a prepared XA transaction does. */
  readonly sessionId: number;
}

export interface SemiSyncStatements {
  /** In this order: the timeout and the wait point before it is switched on. */
  readonly on: readonly string[];
  /** Releases the commits that wait. */
  readonly off: string;
  /** It holds up logins and other settings for a while, so that a fence does it last unless commits do wait. */
  readonly offStalls: boolean;
}

/** Where the printing of binary logs begins and ends. */
export interface PrintRange {
  /** Byte of the first file. */
  readonly start: number;
  /** Byte of the last file; absent: all of it. */
  readonly end?: number;
  /** Not to be printed: body of a position. */
  readonly without?: string;
}

/** The server's own programs and statements for taking over transactions from binary logs. */
export interface SalvageWords {
  /** Names to find in PATH. */
  readonly binlogProgram: string;
  readonly clientProgram: string;
  /** Options that print a range of binary logs as statements with the original GTIDs. */
  printOptions(range: PrintRange): readonly string[];
  /** Options that print the rows of a binary log for people; `wanted` is the body of a position, and more may come. */
  listOptions(wanted: string): readonly string[];
  /** The client's option that checks the server's certificate against its name. */
  readonly verifyServer: string;
  /** Lets the agent's user write while clients still cannot; taken back by `readOnlyOn`. Absent: it can. */
  readonly openForAgent?: string;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** For a server that became a copy of another, channel and all. */
export interface CloneWords {
  /** Where the channel pulls from; undefined: none is configured. */
  readSource(ask: Ask): Promise<Address | undefined>;
  /** Stop the channel and have it pull from there, with the login that it has. */
  repoint(source: Address): readonly string[];
}

export interface RelayLogs {
  /** Every whole transaction that is in them, applied or not. */
  readonly stored: Position;
  /**
   * Where those begin that were not had: names of files, and a byte of the first. Absent: there is nothing, or the server's
   * own applier takes it from there.
   */
  readonly unapplied?: { readonly files: readonly string[]; readonly start: number };
}

export interface Flavour {
  readonly name: 'mariadb' | 'mysql';
  readonly version: string;
  /** On every new session: what the agent does stays out of the binary log. */
  readonly sessionSetup: readonly string[];

  readState(ask: Ask): Promise<ServerState>;
  /** Without semi-sync, of which no promotion has to know. */
  readReplica(ask: Ask): Promise<ReplicaStatus>;
  readStatus(ask: Ask): Promise<ServerStatus>;
  readPosition(ask: Ask): Promise<Position>;
  /** One statement. */
  readLoad(ask: Ask): Promise<ServerLoad>;
  /** A word that changes with every event and heartbeat that the channel's receiver gets. */
  readArrivals(ask: Ask): Promise<string>;
  readReadOnly(ask: Ask): Promise<boolean>;
  /** Read-only at its strongest: nobody may write but replication. Under a weaker one privileged clients may. */
  readShut(ask: Ask): Promise<boolean>;

  /** The strongest kind that this server has. Waits for running statements, explicit locks and commits. */
  readonly readOnlyOn: string;
  readonly readOnlyOff: string;
  /** Absent where the server has no scheduler, or has it disabled for good. */
  readonly events?: { readonly on: string; readonly off: string };
  readEventsOn(ask: Ask): Promise<boolean>;
  /** Absent where the server has no semi-synchronous replication as a source. */
  readonly semiSync?: SemiSyncStatements;

  listSessions(ask: Ask): Promise<readonly ServerSession[]>;
  /** Threads that apply transactions, by their ids in the operating system: the channel's, and that of a connection; 0: of none. */
  listAppliers(ask: Ask, connectionId: number): Promise<readonly number[]>;
  /** Long transactions, explicit locks, prepared XA transactions. Reads only. */
  findBlockers(ask: Ask, longTransactionSeconds: number): Promise<readonly Blocker[]>;

  /** What lies in the relay logs. For a channel whose threads are stopped: after a restart `received` no longer tells. */
  readRelayLogs(ask: Ask, have: Position): Promise<RelayLogs>;
  readonly stopReceiver: string;
  readonly stopReplica: string;
  /**
   * For a channel that receives nothing more, and has applied all that came whole: the thread that has a part of a
   * transaction at hand and waits for the rest. Absent where `stopReplica` does not wait with it.
   */
  findHalfApplied?(ask: Ask): Promise<number | undefined>;
  readonly startReplica: string;
  /** Applies what lies in the relay logs and nothing else. Absent where it would throw that away (mysql.md, relay logs). */
  readonly startApplier?: string;
  /** With both threads stopped: throws away what lies in the relay logs, and forgets what stopped the applier. */
  readonly dropRelayLogs: string;
  /** How an operator sets up the channel. */
  readonly configureChannel: string;
  /** Which server committed this GTID; empty: it is none. */
  originOf(gtid: string): string;
  /** To be run with both threads stopped, before `startReplica`; nothing where the positions agree already. */
  realign(ask: Ask): Promise<string | undefined>;
  readonly salvage: SalvageWords;
  /** Absent where servers are copied by other means. */
  readonly clone?: CloneWords;
  /** Waits until `missing` (body of a position) is applied. One row; `reached` is 1 when it was, 0 at the timeout. */
  waitApplied(missing: string, seconds: number): string;
}

/** Text of a column; empty for NULL and for a column that this version does not have. */
export const text = (row: Row | undefined, column: string): string => {
  const value = row?.[column];
  return value === null || value === undefined ? '' : String(value);
};

/** Number of a column; 0 for NULL, for a missing column and for words. */
export const number = (row: Row | undefined, column: string): number => {
  const value = Number(text(row, column));
  return Number.isFinite(value) ? value : 0;
};

/** A row with the columns `workers`, `busy` and `seconds`. */
export const toLoad = (row: Row | undefined): ServerLoad => ({
  workers: number(row, 'workers'),
  busyWorkers: number(row, 'busy'),
  longestTransactionMs: number(row, 'seconds') * 1_000,
});

/** Of the oldest open transaction, by the server's own clock. */
export const OLDEST_TRANSACTION = `(SELECT IFNULL(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0)
  FROM information_schema.INNODB_TRX) AS seconds`;

/** Anything but 0 and OFF is read-only: from MariaDB 12 on the variable holds words. */
export const isReadOnly = (value: string): boolean => !['', '0', 'OFF'].includes(value.toUpperCase());

/** `name=value` of SHOW VARIABLES and SHOW STATUS, names in lower case. */
export const byName = (rows: readonly Row[]): ReadonlyMap<string, string> =>
  new Map(rows.map((row) => [text(row, 'Variable_name').toLowerCase(), text(row, 'Value')]));

const receiverState = (word: string): Channel['io'] => {
  if (word === 'Yes') return 'running';
  return word === 'No' ? 'stopped' : 'connecting';
};

/** Columns whose names the two families spell differently. */
export interface ChannelColumns {
  readonly receiver: string;
  readonly receiverState: string;
  readonly applier: string;
  readonly lag: string;
  readonly source: string;
}

/** Seconds as the server tells them; what is no length of time is not known. */
const lagOf = (seconds: string): { readonly lagMs?: number } => {
  const lagMs = Number(seconds) * 1_000;
  return seconds !== '' && Number.isFinite(lagMs) && lagMs >= 0 ? { lagMs } : {};
};

/**
 * Errors of the client library (2000 to 2999, both manuals): the receiver tried again until it was told to stop, and MySQL
 * goes on showing the last one. Whoever starts it again may find the source there.
 */
const isConnectionError = (errno: number): boolean => errno >= 2_000 && errno < 3_000;

/** The state of a receiver between two events; the two families name its source differently. */
const WAITS_FOR_SOURCE = /^Waiting for (master|source) to send event$/;

/** A row of SHOW SLAVE/REPLICA STATUS. */
export const parseChannel = (row: Row, columns: ChannelColumns, received: Position): Channel => {
  const io = receiverState(text(row, columns.receiver));
  const sql = text(row, columns.applier) === 'Yes' ? 'running' : 'stopped';
  const receiverErrno = number(row, 'Last_IO_Errno');
  const receiverError = receiverErrno === 0 ? '' : text(row, 'Last_IO_Error');
  const applierError = number(row, 'Last_SQL_Errno') === 0 ? '' : text(row, 'Last_SQL_Error');
  const stoppedReceiver = io === 'stopped' && !isConnectionError(receiverErrno) ? receiverError : '';
  const error = sql === 'stopped' && applierError !== '' ? applierError : stoppedReceiver;
  return {
    io,
    sql,
    received,
    ...lagOf(text(row, columns.lag)),
    ...(error === '' ? {} : { error }),
    ...(receiverError === '' ? {} : { receiverError }),
    receiverErrno,
    receiverWaits: WAITS_FOR_SOURCE.test(text(row, columns.receiverState)),
    filters: hasFilters(row),
    source: text(row, columns.source),
  };
};

/** A row of SHOW SLAVE/REPLICA STATUS names a part of the data that is left out, or put elsewhere. */
export const hasFilters = (row: Row): boolean => FILTER_COLUMNS.some((column) => text(row, column) !== '');

const FILTER_COLUMNS = [
  'Replicate_Do_DB',
  'Replicate_Ignore_DB',
  'Replicate_Do_Table',
  'Replicate_Ignore_Table',
  'Replicate_Wild_Do_Table',
  'Replicate_Wild_Ignore_Table',
  'Replicate_Do_Domain_Ids',
  'Replicate_Ignore_Domain_Ids',
  'Replicate_Ignore_Server_Ids',
  'Replicate_Rewrite_DB',
] as const;
