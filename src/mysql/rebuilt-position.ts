/** Tells a server that was started on a backup what it holds: a physical copy of MariaDB brings no binary logs along. */

import { containsPosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Link } from './links.js';
import { lastOfEachDomain } from './mariadb.js';
import { PROMPT_MS } from './step.js';

/**
 * Where replication goes on, and which transactions of each server came before: without the latter a switchover would wait
 * for ever for those of servers that write no more. May be repeated.
 * @throws DatabaseError, or Error where the server shows something else afterwards
 */
export const setRebuiltPosition = async ({ session, flavour }: Link, position: Position): Promise<void> => {
  const ask = (sql: string) => session.query(sql, PROMPT_MS);
  if (containsPosition(await flavour.readPosition(ask), position)) return;
  const gtids = position.slice(position.indexOf(':') + 1);
  await ask(`SET GLOBAL gtid_slave_pos='${lastOfEachDomain(gtids)}'`);
  await ask(`SET GLOBAL gtid_binlog_state='${gtids}'`);
  const now = await flavour.readPosition(ask);
  if (!containsPosition(now, position))
    throw new Error(`the server was told that it holds ${position}, and says ${now}`);
};
