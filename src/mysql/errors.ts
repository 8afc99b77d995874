/** Tells the failures of a database apart: dead, full, shutting down, hanging, or only our own login. */

import type { DatabaseReport } from '../core/types.js';

/**
 * down: nobody listens. lost: the connection ended. hanging: no answer in time. full: no connection left.
 * denied: our login or our privileges. shutting-down, offline, read-only: as the server says.
 * statement: the server answers, this statement failed.
 */
export type FailureKind =
  | 'down'
  | 'lost'
  | 'hanging'
  | 'full'
  | 'denied'
  | 'shutting-down'
  | 'offline'
  | 'read-only'
  | 'statement';

/** A failed connection or statement. `errno` is the server's error number, 0 where it did not answer. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  constructor(
    readonly kind: FailureKind,
    readonly errno: number,
    message: string,
  ) {
    super(message);
  }
}

/** Server error numbers (MariaDB and MySQL error references); what is not listed is a failed statement. */
const KIND_BY_ERRNO: ReadonlyMap<number, FailureKind> = new Map([
  [1040, 'full'], // ER_CON_COUNT_ERROR
  [1203, 'full'], // ER_TOO_MANY_USER_CONNECTIONS
  [1226, 'full'], // ER_USER_LIMIT_REACHED
  [1044, 'denied'], // ER_DBACCESS_DENIED_ERROR
  [1045, 'denied'], // ER_ACCESS_DENIED_ERROR
  [1129, 'denied'], // ER_HOST_IS_BLOCKED
  [1130, 'denied'], // ER_HOST_NOT_PRIVILEGED
  [1142, 'denied'], // ER_TABLEACCESS_DENIED_ERROR
  [1143, 'denied'], // ER_COLUMNACCESS_DENIED_ERROR
  [1227, 'denied'], // ER_SPECIFIC_ACCESS_DENIED_ERROR
  [1251, 'denied'], // ER_NOT_SUPPORTED_AUTH_MODE
  [1524, 'denied'], // ER_PLUGIN_IS_NOT_LOADED, of a login
  [1698, 'denied'], // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
  [1820, 'denied'], // ER_MUST_CHANGE_PASSWORD
  [1862, 'denied'], // ER_MUST_CHANGE_PASSWORD_LOGIN
  [3118, 'denied'], // ER_ACCOUNT_HAS_BEEN_LOCKED
  [4151, 'denied'], // ER_ACCOUNT_HAS_BEEN_LOCKED of MariaDB
  [1053, 'shutting-down'], // ER_SERVER_SHUTDOWN
  [1077, 'shutting-down'], // ER_NORMAL_SHUTDOWN
  [1079, 'shutting-down'], // ER_SHUTDOWN_COMPLETE
  [3032, 'offline'], // ER_SERVER_OFFLINE_MODE
  [1290, 'read-only'], // ER_OPTION_PREVENTS_STATEMENT
  [1836, 'read-only'], // ER_READ_ONLY_MODE
  [1927, 'lost'], // ER_CONNECTION_KILLED
  [1152, 'lost'], // ER_ABORTING_CONNECTION
  [4031, 'lost'], // ER_CLIENT_INTERACTION_TIMEOUT
  [2002, 'down'], // CR_CONNECTION_ERROR
  [2003, 'down'], // CR_CONN_HOST_ERROR
]);

/** Codes of the system and of mysql2, where the server gave no number. */
const KIND_BY_CODE: ReadonlyMap<string, FailureKind> = new Map([
  ['ECONNREFUSED', 'down'],
  ['ENOENT', 'down'],
  ['EHOSTUNREACH', 'down'],
  ['ENETUNREACH', 'down'],
  ['EHOSTDOWN', 'down'],
  ['ECONNRESET', 'lost'],
  ['EPIPE', 'lost'],
  ['PROTOCOL_CONNECTION_LOST', 'lost'],
  ['ETIMEDOUT', 'hanging'],
  // connect(2) on a unix socket whose backlog is full: the server listens and does not accept.
  ['EAGAIN', 'hanging'],
  ['EACCES', 'denied'],
  ['EPERM', 'denied'],
  ['AUTH_SWITCH_PLUGIN_ERROR', 'denied'],
  ['HANDSHAKE_SSL_ERROR', 'denied'],
  ['HANDSHAKE_NO_SSL_SUPPORT', 'denied'],
]);

export const kindOf = (errno: number, code: string): FailureKind =>
  KIND_BY_ERRNO.get(errno) ?? KIND_BY_CODE.get(code) ?? (errno === 0 ? 'lost' : 'statement');

/** ER_QUERY_INTERRUPTED: what KILL QUERY leaves behind. */
export const QUERY_INTERRUPTED = 1317;
/** ER_NO_SUCH_THREAD: the session ended before it could be killed. */
export const NO_SUCH_THREAD = 1094;
/** ER_BAD_DB_ERROR and ER_NO_SUCH_TABLE: the probe table is not made yet. */
export const NO_SUCH_DATABASE = 1049;
export const NO_SUCH_TABLE = 1146;

/** What the database's report says of such a failure; one that was lost twice running is gone. */
export const stateOf = (kind: FailureKind): DatabaseReport['state'] => {
  switch (kind) {
    case 'down':
    case 'lost':
      return 'down';
    case 'hanging':
    case 'full':
    case 'denied':
    case 'shutting-down':
      return kind;
    case 'offline':
    case 'read-only':
    case 'statement':
      return 'failed';
    default:
      return kind satisfies never;
  }
};

/** Whatever was thrown, as a DatabaseError that says what was attempted. */
export const asDatabaseError = (error: unknown, attempted: string): DatabaseError => {
  if (error instanceof DatabaseError) return error;
  if (!(error instanceof Error)) return new DatabaseError('statement', 0, `${attempted}: ${String(error)}`);
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  // libuv's errno is negative; only the server's own numbers are positive.
  const number = typeof errno === 'number' && errno > 0 ? errno : 0;
  const name = typeof code === 'string' ? code : '';
  const what = error.message === '' ? name : error.message;
  return new DatabaseError(
    kindOf(number, name),
    number,
    `${attempted}: ${number > 0 ? `error ${number}: ` : ''}${what}`,
  );
};
