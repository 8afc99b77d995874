/** Whose session is whose: clients, our own, replication; and which of them a switchover would have to wait for. */

import type { Row } from './connection.js';
import { type Ask, type Blocker, number, type ServerSession, text } from './flavour.js';

export const toSession = (row: Row): ServerSession => ({
  id: number(row, 'id'),
  user: text(row, 'user'),
  host: text(row, 'host'),
  command: text(row, 'command'),
  state: text(row, 'state'),
  seconds: number(row, 'seconds'),
  statement: text(row, 'statement'),
});

/** Who runs an event, where the server does not name its definer. A fence ends it like a client. */
export const EVENT_WORKER = 'event worker';

/** Server threads, as both manuals name them; one who is still logging in has done nothing yet and is listed again later. */
const SERVER_USERS: ReadonlySet<string> = new Set(['system user', 'event_scheduler', 'unauthenticated user', '']);
/** The peer, or a further replica, reading our binary log. */
const DUMP_COMMANDS: ReadonlySet<string> = new Set(['Binlog Dump', 'Binlog Dump GTID']);

/** Sessions that a fence ends: not the server's own, not replication, not the agent's. */
export const clientSessions = (sessions: readonly ServerSession[], ownUser: string): readonly ServerSession[] =>
  sessions.filter(
    (session) =>
      !SERVER_USERS.has(session.user) &&
      session.command !== 'Daemon' &&
      !DUMP_COMMANDS.has(session.command) &&
      session.user !== ownUser,
  );

/** Those that read our binary log. */
export const dumpSessions = (sessions: readonly ServerSession[]): readonly ServerSession[] =>
  sessions.filter(({ command }) => DUMP_COMMANDS.has(command));

/** How many sessions a message names before it only counts. */
const NAMED_SESSIONS = 5;

/** Enough to tell what it does; the rest may hold what belongs in no journal, a password say. */
const beginningOf = (statement: string): string => {
  const words = statement.trim().split(/\s+/);
  return words.length > SHOWN_WORDS ? `${words.slice(0, SHOWN_WORDS).join(' ')} …` : words.join(' ');
};
const SHOWN_WORDS = 3;

export const describeSession = (session: ServerSession): string => {
  const doing = session.statement === '' ? `idle (${session.command})` : `runs: ${beginningOf(session.statement)}`;
  return `session ${session.id} of ${session.user}@${session.host}, for ${session.seconds} s, ${doing}`;
};

export const describeSessions = (sessions: readonly ServerSession[]): string => {
  const named = sessions.slice(0, NAMED_SESSIONS).map(describeSession);
  const more = sessions.length - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
};

/** Whose they are and from which hosts, each once. */
export const nameAccounts = (sessions: readonly ServerSession[]): string => {
  // The process list has a port behind an address.
  const accounts = [...new Set(sessions.map(({ user, host }) => `${user}@${host.replace(/:\d+$/, '')}`))];
  const more = accounts.length - NAMED_SESSIONS;
  return [...accounts.slice(0, NAMED_SESSIONS), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
};

/** Transactions older than the limit, as InnoDB knows them. */
export const findInnodbBlockers = async (
  ask: Ask,
  sessions: readonly ServerSession[],
  longTransactionSeconds: number,
): Promise<readonly Blocker[]> => {
  const rows = await ask(
    `SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS seconds, trx_rows_modified AS changed
     FROM information_schema.INNODB_TRX
     WHERE trx_mysql_thread_id > 0 AND TIMESTAMPDIFF(SECOND, trx_started, NOW()) >= ${longTransactionSeconds}`,
  );
  const byId = new Map(sessions.map((session) => [session.id, session]));
  const name = (id: number): string => {
    const session = byId.get(id);
    return session === undefined ? `session ${id}` : describeSession(session);
  };
  // The replication applier has transactions too; it is waited for, not blocked by.
  const ofClient = (id: number): boolean => !SERVER_USERS.has(byId.get(id)?.user ?? '');
  return rows
    .filter((row) => ofClient(number(row, 'id')))
    .map((row) => ({
      sessionId: number(row, 'id'),
      what: `transaction open for ${number(row, 'seconds')} s with ${number(row, 'changed')} changed rows: ${name(number(row, 'id'))}`,
    }));
};

/**
 * Whose locks count: of sessions between two statements, and of such as have been busy with one for long. What a statement
 * takes for itself ends with it; what was taken before it does not.
 */
export const lockHolders = (sessions: readonly ServerSession[], longSeconds: number): readonly ServerSession[] =>
  sessions.filter(
    ({ user, command, seconds }) => !SERVER_USERS.has(user) && (command === 'Sleep' || seconds >= longSeconds),
  );

/** A busy session's lock that may be its statement's own. */
export const LONG_STATEMENT = 'a lock that read-only waits for';

/**
 * How many sessions that run nothing have tables in use, from InnoDB's monitor: only LOCK TABLES does that. It does not
 * name them.
 */
export const countIdleLockHolders = (monitor: string): number =>
  monitor
    .split('---TRANSACTION')
    .slice(1)
    .filter((entry) => /^[^\n]*not started\s*\nmysql tables in use [1-9]/.test(entry)).length;

/** A prepared XA transaction keeps its locks over the end of its session, and over a restart. */
export const findXaBlockers = async (ask: Ask, nameOf: (row: Row) => string): Promise<readonly Blocker[]> =>
  (await ask('XA RECOVER')).map((row) => ({
    sessionId: 0,
    what: `prepared XA transaction '${nameOf(row)}' waits for XA COMMIT or XA ROLLBACK`,
  }));
