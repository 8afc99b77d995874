/** Further replicas of a server: what reads from the active may be ahead of the standby when the active dies. */

import type { Link } from '../mysql/links.js';
import { dumpSessions, nameAccounts } from '../mysql/sessions.js';
import { ASK_MS, type ServerSubject } from './database-subject.js';
import { type Finding, ok, warning } from './finding.js';

/** @throws DatabaseError */
export const checkDownstream = async (link: Link, { where, source }: ServerSubject): Promise<readonly Finding[]> => {
  const tried = `looked who reads the binary log of ${where}`;
  const ask = (sql: string) => link.session.query(sql, ASK_MS);
  const readers = dumpSessions(await link.flavour.listSessions(ask));
  const others = readers.filter(({ host }) => !isOf(source, host));
  // The peer may replicate over another network than the heartbeats take: where none is it by its address, one of them is.
  const further = others.length < readers.length ? others.length : others.length - 1;
  if (further <= 0) return [ok('downstream', tried, `nobody but ${source.name}`)];
  const found = `replicas beside ${source.name} read it: ${further}, of ${nameAccounts(others)}`;
  if ((await link.flavour.readState(ask)).readOnly) return [ok('downstream', tried, found)];
  return [
    warning(
      'downstream',
      tried,
      `${found}; when this server dies, one of them may have what the standby has not, and then cannot follow it (error 1236)`,
      'let them replicate from the standby, where standby_vip leads; or expect to build them anew after a failover',
    ),
  ];
};

/** The process list has a port behind an address, or behind a name where the server looks names up. */
const isOf = ({ name, address }: ServerSubject['source'], host: string): boolean => {
  const from = host.replace(/:\d+$/, '');
  return from === address || from === name || from.startsWith(`${name}.`);
};
