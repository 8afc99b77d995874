/** Which transactions lie in MariaDB's relay logs, and from where on: after a restart no status column says so any more. */

import { containsPosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Row } from './connection.js';
import { asDatabaseError, DatabaseError } from './errors.js';
import { type Ask, number, type RelayLogs, text } from './flavour.js';

/** Events in one answer; a relay log holds up to max_relay_log_size (1 GB). */
const PAGE_EVENTS = 10_000;
/** Answers before it is given up: ten million events. */
const PAGES = 1_000;
/** ER_ERROR_WHEN_EXECUTING_COMMAND: there is no such log, or it cannot be read to the end. */
const NOT_SHOWN = 1220;
const NO_SUCH_LOG = /could not find target log/i;
/** Behind the magic number (MariaDB knowledge base, Binlog Network Stream). */
const FIRST_EVENT = 4;

/**
 * All whole transactions from where the applier stood to the end of the last relay log, and where those begin that are not
 * in `have`.
 * @throws DatabaseError
 */
export const readRelayLogs = async (ask: Ask, have: Position): Promise<RelayLogs> => {
  const [status] = await ask('SHOW SLAVE STATUS');
  const reader = createGroupReader(have);
  const names: string[] = [];
  let log = text(status, 'Relay_Log_File');
  let from = Math.max(number(status, 'Relay_Log_Pos'), FIRST_EVENT);
  let skip = 0;
  for (let page = 0; page < PAGES; page += 1) {
    const read = await readPage(ask, log, from, skip);
    if (read === undefined) return relayLogsOf(reader, names);
    if (names.at(-1) !== log) names.push(log);
    for (const event of read.events)
      reader.read({ type: text(event, 'Event_type'), info: text(event, 'Info'), log, start: number(event, 'Pos') });
    const last = read.events.at(-1);
    if (read.ended || last === undefined) {
      log = nextLog(log);
      from = FIRST_EVENT;
      skip = 0;
    } else {
      // A page begins at an event's position, and that of the last event read is the only one known.
      from = number(last, 'Pos');
      skip = 1;
    }
  }
  throw new DatabaseError(
    'statement',
    0,
    `the relay logs hold more than ${PAGES * PAGE_EVENTS} events; not read to the end`,
  );
};

const relayLogsOf = ({ stored, missing }: GroupReader, names: readonly string[]): RelayLogs => {
  if (missing === undefined) return { stored };
  return { stored, unapplied: { files: names.slice(names.indexOf(missing.log)), start: missing.start } };
};

interface Page {
  readonly events: readonly Row[];
  /** Nothing more of this log can be read. */
  readonly ended: boolean;
}

/**
 * Nothing where there is no such log: the one before was the last. Where a crash has torn the last event the server shows
 * none of the page that it is in (errors 1220, "Wrong offset or I/O error"), so that ever smaller pages are asked for.
 */
const readPage = async (ask: Ask, log: string, from: number, skip: number): Promise<Page | undefined> => {
  if (log === '') return undefined;
  for (let limit = PAGE_EVENTS; limit >= 1; limit = Math.floor(limit / 2)) {
    const sql = `SHOW RELAYLOG EVENTS IN '${log.replaceAll("'", "''")}' FROM ${from} LIMIT ${skip}, ${limit}`;
    try {
      const events = await ask(sql);
      return { events, ended: events.length < limit };
    } catch (error) {
      const failure = asDatabaseError(error, sql);
      if (failure.errno !== NOT_SHOWN) throw failure;
      if (NO_SUCH_LOG.test(failure.message)) return undefined;
    }
  }
  return { events: [], ended: true };
};

/** relay.000009 is followed by relay.000010. */
export const nextLog = (log: string): string =>
  log.replace(/\d+$/, (digits) => String(Number(digits) + 1).padStart(digits.length, '0'));

/** A line of SHOW RELAYLOG EVENTS. */
interface RelayEvent {
  readonly type: string;
  readonly info: string;
  readonly log: string;
  readonly start: number;
}

interface GroupReader {
  read(event: RelayEvent): void;
  readonly stored: Position;
  /** Where the first transaction begins that was not had before. */
  readonly missing: { readonly log: string; readonly start: number } | undefined;
}

/** Counts a transaction once its end was read: what a crash cut off was never acknowledged. */
export const createGroupReader = (have: Position): GroupReader => {
  const last = new Map<string, number>();
  let open: { readonly source: string; readonly sequence: number; readonly standalone: boolean } | undefined;
  let missing: { readonly log: string; readonly start: number } | undefined;
  return {
    read: ({ type, info, log, start }) => {
      if (type === 'Gtid') {
        const [, source, sequence] = /GTID (\d+-\d+)-(\d+)/.exec(info) ?? [];
        if (source === undefined) return;
        open = { source, sequence: Number(sequence), standalone: !info.startsWith('BEGIN') };
        if (!containsPosition(have, `mariadb:${source}-${sequence}`)) missing ??= { log, start };
        return;
      }
      if (open === undefined) return;
      const ended =
        type === 'Xid' || type === 'XA_prepare' || (type === 'Query' && (open.standalone || /COMMIT$/.test(info)));
      if (!ended) return;
      last.set(open.source, Math.max(last.get(open.source) ?? 0, open.sequence));
      open = undefined;
    },
    get stored() {
      return `mariadb:${[...last].map(([source, sequence]) => `${source}-${sequence}`).join(',')}`;
    },
    get missing() {
      return missing;
    },
  };
};
