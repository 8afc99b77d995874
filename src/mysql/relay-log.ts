/** Which transactions lie in MariaDB's relay logs: after a restart no status column says so any more. */

import type { Position } from '../core/types.js';
import type { Row } from './connection.js';
import { asDatabaseError, DatabaseError } from './errors.js';
import { type Ask, number, text } from './flavour.js';

/** Events in one answer; a relay log holds up to max_relay_log_size (1 GB). */
const PAGE_EVENTS = 10_000;
/** Answers before it is given up: ten million events. */
const PAGES = 1_000;
/** ER_ERROR_WHEN_EXECUTING_COMMAND: there is no such log. */
const NO_SUCH_LOG = 1220;

/**
 * The GTIDs of all whole transactions from where the applier stood to the end of the last relay log.
 * @throws DatabaseError
 */
export const readRelayLogs = async (ask: Ask): Promise<Position> => {
  const [status] = await ask('SHOW SLAVE STATUS');
  let log = text(status, 'Relay_Log_File');
  let from = Math.max(number(status, 'Relay_Log_Pos'), FIRST_EVENT);
  let skip = 0;
  const reader = createGroupReader();
  for (let page = 0; page < PAGES; page += 1) {
    const events = await readPage(ask, log, from, skip);
    if (events === undefined) return reader.position();
    for (const event of events) reader.read(text(event, 'Event_type'), text(event, 'Info'));
    const last = events.at(-1);
    if (events.length < PAGE_EVENTS || last === undefined) {
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

/** Behind the magic number (MariaDB knowledge base, Binlog Network Stream). */
const FIRST_EVENT = 4;

/** Nothing where there is no such log: the one before was the last. */
const readPage = async (ask: Ask, log: string, from: number, skip: number): Promise<readonly Row[] | undefined> => {
  if (log === '') return undefined;
  const sql = `SHOW RELAYLOG EVENTS IN '${log.replaceAll("'", "''")}' FROM ${from} LIMIT ${skip}, ${PAGE_EVENTS}`;
  try {
    return await ask(sql);
  } catch (error) {
    const failure = asDatabaseError(error, sql);
    if (failure.errno === NO_SUCH_LOG) return undefined;
    throw failure;
  }
};

/** relay.000009 is followed by relay.000010. */
export const nextLog = (log: string): string =>
  log.replace(/\d+$/, (digits) => String(Number(digits) + 1).padStart(digits.length, '0'));

interface GroupReader {
  read(type: string, info: string): void;
  position(): Position;
}

/** Counts a transaction once its end was read: what a crash cut off was never acknowledged. */
export const createGroupReader = (): GroupReader => {
  const last = new Map<string, number>();
  let open: { readonly source: string; readonly sequence: number; readonly standalone: boolean } | undefined;
  return {
    read: (type, info) => {
      if (type === 'Gtid') {
        const match = /GTID (\d+-\d+)-(\d+)/.exec(info);
        open =
          (match && { source: match[1] ?? '', sequence: Number(match[2]), standalone: !info.startsWith('BEGIN') }) ||
          undefined;
        return;
      }
      if (open === undefined) return;
      const ended =
        type === 'Xid' || type === 'XA_prepare' || (type === 'Query' && (open.standalone || /COMMIT$/.test(info)));
      if (!ended) return;
      last.set(open.source, Math.max(last.get(open.source) ?? 0, open.sequence));
      open = undefined;
    },
    position: () => `mariadb:${[...last].map(([source, sequence]) => `${source}-${sequence}`).join(',')}`,
  };
};
