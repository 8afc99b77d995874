/** Which events are to run where clients are served: listed in the binary log by the active, put in force by a promotion. */

import { z } from 'zod';
import { asDatabaseError, NO_SUCH_DATABASE, NO_SUCH_TABLE } from './errors.js';
import { type Ask, text } from './flavour.js';

/** `replica-side`: as replication stored it, whatever it is on its source; nobody has said anything of it on this server. */
export type EventState = 'enabled' | 'disabled' | 'replica-side';

export interface ServerEvent {
  readonly schema: string;
  readonly name: string;
  /** As information_schema writes it, `user@host`. */
  readonly definer: string;
  readonly charset: string;
  readonly collation: string;
  readonly state: EventState;
}

export interface ListedEvent {
  readonly schema: string;
  readonly name: string;
  readonly enabled: boolean;
}

/** All events that the active knew, in their order on the server. */
export type EventList = readonly ListedEvent[];

export interface EventFault {
  readonly why: string;
  /** As it was left. */
  readonly state: EventState | 'absent';
}

/** What is wrong with an event, by the event's name. */
export type EventFaults = ReadonlyMap<string, EventFault>;

const EVENTS = `SELECT EVENT_SCHEMA AS in_schema, EVENT_NAME AS name, DEFINER AS definer, STATUS AS status,
  CHARACTER_SET_CLIENT AS charset, COLLATION_CONNECTION AS collation
  FROM information_schema.EVENTS ORDER BY EVENT_SCHEMA, EVENT_NAME`;
const LIST = 'SELECT events FROM vipd.vipd_events WHERE id = 1';
/** In the binary log, unlike the rest of what vipd does: the row that the other server reads must find its table there. */
const LIST_TABLE = [
  'CREATE DATABASE IF NOT EXISTS vipd',
  `CREATE TABLE IF NOT EXISTS vipd.vipd_events (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, events LONGTEXT NOT NULL)
   ENGINE=InnoDB CHARACTER SET utf8mb4 COMMENT='written by vipd: which events the active has, and which of them run'`,
];

const listSchema = z.array(z.object({ schema: z.string(), name: z.string(), enabled: z.boolean() })).readonly();

const sameEvent = (a: Pick<ServerEvent, 'schema' | 'name'>) => (b: Pick<ServerEvent, 'schema' | 'name'>) =>
  a.schema === b.schema && a.name === b.name;

const nameOf = ({ schema, name }: Pick<ServerEvent, 'schema' | 'name'>): string => `${schema}.${name}`;

/** Those that the agent's user may see: all, with EVENT on *.*. */
export const readEvents = async (ask: Ask): Promise<readonly ServerEvent[]> =>
  (await ask(EVENTS)).map((row) => {
    const status = text(row, 'status');
    return {
      schema: text(row, 'in_schema'),
      name: text(row, 'name'),
      definer: text(row, 'definer'),
      charset: text(row, 'charset'),
      collation: text(row, 'collation'),
      // SLAVESIDE_DISABLED, REPLICA_SIDE_DISABLED: by the server's version.
      state: status === 'ENABLED' ? 'enabled' : status === 'DISABLED' ? 'disabled' : 'replica-side',
    };
  });

/** Undefined: no active has written one that can be read. */
export const readEventList = async (ask: Ask): Promise<EventList | undefined> => {
  try {
    const [row] = await ask(LIST);
    return row === undefined ? undefined : listSchema.safeParse(parseJson(text(row, 'events'))).data;
  } catch (error) {
    const { errno } = asDatabaseError(error, LIST);
    if (errno === NO_SUCH_TABLE || errno === NO_SUCH_DATABASE) return undefined;
    throw error;
  }
};

const parseJson = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
};

/**
 * What the active's list has to say. One that could not be enabled here is still `replica-side`, and stays listed for
 * the server on which it can be; one that an operator disables becomes `disabled`.
 */
export const listOf = (events: readonly ServerEvent[], listed: EventList = []): EventList =>
  events.map((event) => {
    const { schema, name, state } = event;
    const kept = state === 'replica-side' && listed.find(sameEvent(event))?.enabled === true;
    return { schema, name, enabled: state === 'enabled' || kept };
  });

/**
 * On an active: writes the list where it has changed, in the binary log. A server that is read-only by then writes nothing,
 * although MariaDB would let the agent's user: the condition is read once the statement holds its locks, and
 * `SET GLOBAL read_only` waits for these. Answers the events.
 */
export const keepEventList = async (ask: Ask): Promise<readonly ServerEvent[]> => {
  const events = await readEvents(ask);
  const listed = await readEventList(ask);
  const list = listOf(events, listed);
  if (JSON.stringify(list) === JSON.stringify(listed ?? [])) return events;
  // In hexadecimal nothing has to be quoted, whatever the session's sql_mode.
  const json = `CONVERT(X'${Buffer.from(JSON.stringify(list)).toString('hex')}' USING utf8mb4)`;
  await inBinaryLog(ask, [
    `INSERT INTO vipd.vipd_events (id, events) SELECT 1, ${json} FROM DUAL
     WHERE CAST(@@global.read_only AS CHAR) IN ('0', 'OFF') ON DUPLICATE KEY UPDATE events = ${json}`,
  ]);
  return events;
};

/** For a step, which nothing overtakes: a table that is made while the server is being fenced would be its own alone. */
export const makeEventList = async (ask: Ask): Promise<void> => {
  const made = await ask(
    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'vipd' AND TABLE_NAME = 'vipd_events'",
  );
  if (made.length === 0) await inBinaryLog(ask, LIST_TABLE);
};

const inBinaryLog = async (ask: Ask, statements: readonly string[]): Promise<void> => {
  await ask('SET SESSION sql_log_bin=1');
  try {
    for (const statement of statements) await ask(statement);
  } finally {
    await ask('SET SESSION sql_log_bin=0');
  }
};

/**
 * Enables what the list enables and nothing else, on this server alone. Answers what could not be done; the rest is.
 * Rejects where the server cannot be asked, or `assertWanted` throws.
 */
export const enableListed = async (ask: Ask, assertWanted: () => void): Promise<EventFaults> => {
  const events = await readEvents(ask);
  const listed = await readEventList(ask);
  const faults = new Map<string, EventFault>();
  for (const event of events) {
    assertWanted();
    const entry = listed?.find(sameEvent(event));
    const why = entry === undefined ? judgeUnlisted(event, listed) : await switchEvent(ask, event, entry.enabled);
    if (why !== '') faults.set(nameOf(event), { why, state: event.state });
  }
  const absent = (listed ?? []).filter((entry) => entry.enabled && !events.some(sameEvent(entry)));
  for (const entry of absent) faults.set(nameOf(entry), { why: 'it is not on this server', state: 'absent' });
  return faults;
};

/** Left as it is: what is enabled here and not listed was so when this server was the active. */
const judgeUnlisted = ({ state }: ServerEvent, listed: EventList | undefined): string => {
  if (state !== 'replica-side') return '';
  const why =
    listed === undefined ? 'no active has listed its events yet' : 'it is newer than the last list of an active';
  return `${why}, so whether it is to run is not known`;
};

/** Empty: done. */
const switchEvent = async (ask: Ask, event: ServerEvent, enabled: boolean): Promise<string> => {
  if (enabled === (event.state === 'enabled')) return '';
  const { schema, name, definer, charset } = event;
  // Whoever alters an event becomes its definer, unless told otherwise (server manuals, ALTER EVENT).
  const whose = `ALTER DEFINER=${quoteAccount(definer)} EVENT ${quote(schema)}.${quote(name)}`;
  if (!charset.startsWith('utf8') && !isAscii(whose))
    return `it was made with ${charset}, in which the agent cannot write its name; ENABLE or DISABLE it by hand`;
  try {
    await inCharset(ask, event, `${whose} ${enabled ? 'ENABLE' : 'DISABLE'}`);
    return '';
  } catch (error) {
    const failure = asDatabaseError(error, whose);
    // Without an answer there is nothing to say of the next one either.
    if (failure.kind === 'lost' || failure.kind === 'hanging' || failure.kind === 'down') throw failure;
    return failure.message;
  }
};

/** MySQL gives an event that is altered the character set and collation of the session, by which its text is read. */
const inCharset = async (ask: Ask, { charset, collation }: ServerEvent, statement: string): Promise<void> => {
  const [own] = await ask(
    'SELECT @@session.character_set_client AS charset, @@session.collation_connection AS collation',
  );
  const use = (set: string, order: string) =>
    ask(`SET SESSION character_set_client='${set}', collation_connection='${order}'`);
  await use(charset, collation);
  try {
    await ask(statement);
  } finally {
    await use(text(own, 'charset'), text(own, 'collation'));
  }
};

const isAscii = (statement: string): boolean => Buffer.from(statement).length === statement.length;

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** A role has no host (MariaDB). */
const quoteAccount = (definer: string): string => {
  const at = definer.lastIndexOf('@');
  const [user, host] = at < 0 ? [definer, ''] : [definer.slice(0, at), definer.slice(at + 1)];
  return host === '' ? quote(user) : `${quote(user)}@${quote(host)}`;
};

/** Those that are as they were left: an operator's ENABLE, DISABLE or DROP ends a fault. */
export const standingFaults = (faults: EventFaults, events: readonly ServerEvent[]): EventFaults => {
  const states = new Map(events.map((event) => [nameOf(event), event.state]));
  return new Map([...faults].filter(([name, { state }]) => state === (states.get(name) ?? 'absent')));
};

const NAMED_EVENTS = 5;
/** For status and journal; empty: nothing. */
export const describeFaults = (faults: EventFaults): string => {
  const named = [...faults].slice(0, NAMED_EVENTS).map(([name, { why }]) => `${name}: ${why}`);
  const more = faults.size - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
};
