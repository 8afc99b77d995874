/** Which transaction an applier was stopped at, as far as the server tells. */

import { type Ask, type Flavour, text } from './flavour.js';

/** GTID, or empty. For a server whose applier was stopped by `error`. @throws DatabaseError */
export const findStoppedTransaction = async (ask: Ask, flavour: Flavour['name'], error: string): Promise<string> => {
  if (flavour === 'mysql') return /transaction '([0-9a-f-]{36}(?::\w+)?:\d+)'/i.exec(error)?.[1] ?? '';
  const [, named] = /GTID (\d+-\d+-\d+) which/.exec(error) ?? [];
  return named ?? (await firstInRelayLog(ask));
};

/** MariaDB does not name it for every error, but the relay log does, where the applier stands. */
const firstInRelayLog = async (ask: Ask): Promise<string> => {
  const [status] = await ask('SHOW SLAVE STATUS');
  const [file, position] = [text(status, 'Relay_Log_File'), Number(text(status, 'Relay_Log_Pos'))];
  if (!/^[\w.-]+$/.test(file) || !Number.isSafeInteger(position)) return '';
  const events = await ask(`SHOW RELAYLOG EVENTS IN '${file}' FROM ${position} LIMIT ${LOOKED_AT}`);
  const gtid = events.find((event) => text(event, 'Event_type') === 'Gtid');
  return /GTID (\d+-\d+-\d+)/.exec(text(gtid, 'Info'))?.[1] ?? '';
};

/** A few events that are none of a transaction may stand before it. */
const LOOKED_AT = 10;
