/** Compares the two servers of a pair in what has to be alike, and in what must not be. */

import { text } from '../mysql/flavour.js';
import type { Link } from '../mysql/links.js';
import { ASK_MS } from './database-subject.js';
import { type Finding, fault, ok, warning } from './finding.js';

/** Of one server. */
export interface Traits {
  readonly family: 'mariadb' | 'mysql';
  readonly version: string;
  readonly serverId: string;
  /** MySQL only, else empty. */
  readonly uuid: string;
  readonly offset: string;
  readonly increment: string;
  /** MariaDB only, else empty. */
  readonly domain: string;
}

const TRAITS = {
  mariadb: `SELECT @@global.server_id AS server_id, '' AS uuid, @@global.gtid_domain_id AS domain,
    @@global.auto_increment_offset AS first, @@global.auto_increment_increment AS step`,
  mysql: `SELECT @@global.server_id AS server_id, @@global.server_uuid AS uuid, '' AS domain,
    @@global.auto_increment_offset AS first, @@global.auto_increment_increment AS step`,
} as const;

/** @throws DatabaseError */
export const readTraits = async ({ session, flavour }: Link): Promise<Traits> => {
  const [row] = await session.query(TRAITS[flavour.name], ASK_MS);
  return {
    family: flavour.name,
    version: flavour.version,
    serverId: text(row, 'server_id'),
    uuid: text(row, 'uuid'),
    offset: text(row, 'first'),
    increment: text(row, 'step'),
    domain: text(row, 'domain'),
  };
};

/** `there`: what the other server is called. Pure. */
export const comparePair = (own: Traits, other: Traits, there: string): readonly Finding[] => {
  const tried = `compared the database with that of ${there}`;
  const findings = [
    ...compareVersions(own, other, there, tried),
    ...(own.serverId === other.serverId
      ? [
          fault(
            'server-id',
            tried,
            `both servers have server_id ${own.serverId}`,
            'write a server_id of its own into my.cnf on one node, and restart that server',
          ),
        ]
      : []),
    ...(own.uuid !== '' && own.uuid === other.uuid
      ? [
          fault(
            'server-uuid',
            tried,
            `both servers have server_uuid ${own.uuid}: one is a copy of the other`,
            'delete auto.cnf in the data directory of one of them while its server is stopped',
          ),
        ]
      : []),
    ...compareNumbering(own, other, there, tried),
    ...(own.domain === other.domain
      ? []
      : [
          fault(
            'gtid-domains',
            tried,
            `gtid_domain_id is ${own.domain} here and ${other.domain} on ${there}: positions could not be compared`,
            'write the same gtid_domain_id into my.cnf on both nodes',
          ),
        ]),
  ];
  return findings.length > 0 ? findings : [ok('pair', tried, `${other.version} there, as vipd needs them`)];
};

/** `10.11` of `10.11.6-MariaDB`: within a series servers replicate both ways. */
const seriesOf = (version: string): string => version.split('.').slice(0, 2).join('.');

const compareVersions = (own: Traits, other: Traits, there: string, tried: string): readonly Finding[] => {
  if (own.family !== other.family) {
    const found = `this is ${own.family} and ${there} has ${other.family}: their GTIDs cannot be compared`;
    return [fault('version', tried, found, 'the same server on both nodes')];
  }
  if (seriesOf(own.version) === seriesOf(other.version)) return [];
  const found = `${own.version} here, ${other.version} on ${there}: from a newer to an older server replication may fail`;
  return [warning('version', tried, found, 'upgrade the older one soon; until then keep the older one active')];
};

const compareNumbering = (own: Traits, other: Traits, there: string, tried: string): readonly Finding[] => {
  if (own.increment !== other.increment) {
    const found = `auto_increment_increment is ${own.increment} here and ${other.increment} on ${there}`;
    return [warning('auto-increment', tried, found, 'set it to 2 on both, in my.cnf too')];
  }
  if (own.offset !== other.offset || own.increment === '1') return [];
  const found = `auto_increment_offset is ${own.offset} on both: both would give out the same numbers`;
  return [warning('auto-increment', tried, found, 'set it to 1 on one node and 2 on the other, in my.cnf too')];
};
