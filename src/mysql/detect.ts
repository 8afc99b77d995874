/** Asks a server which family it belongs to, and gives the flavour that speaks its words. */

import type { Session } from './connection.js';
import { type Ask, type Flavour, text } from './flavour.js';
import { openMariadb } from './mariadb.js';
import { openMysql } from './mysql.js';

/** @throws DatabaseError */
export const detectFlavour = async (session: Session, deadlineMs: number): Promise<Flavour> => {
  const ask: Ask = (sql) => session.query(sql, deadlineMs);
  const [row] = await ask('SELECT VERSION() AS version, @@version_comment AS comment');
  const version = text(row, 'version');
  const mariadb = /mariadb/i.test(version) || /mariadb/i.test(text(row, 'comment'));
  return mariadb ? await openMariadb(version, ask) : await openMysql(version, ask);
};
