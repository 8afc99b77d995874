/** The privileges of the agent's database user, for each flavour, and which of them a server does not give. */

import type { Row } from './connection.js';
import type { Flavour } from './flavour.js';

export interface Grant {
  /** As SHOW GRANTS prints it, in upper case. Alternatives: other names, or a wider privilege. */
  readonly privilege: string;
  readonly alternatives: readonly string[];
  /** `*.*`, or a database. */
  readonly on: '*.*' | 'vipd.*';
  /** What vipd does with it. */
  readonly why: string;
}

const grant = (privilege: string, why: string, alternatives: readonly string[] = []): Grant => ({
  privilege,
  alternatives,
  on: '*.*',
  why,
});

const PROBE_GRANTS: readonly Grant[] = ['SELECT', 'INSERT', 'UPDATE', 'CREATE'].map((privilege) => ({
  ...grant(privilege, 'the probe table vipd.vipd_probe'),
  on: 'vipd.*',
}));

const EVENTS = 'the list of events, and ALTER EVENT at a promotion';
const DEFINERS = 'ALTER EVENT that leaves an event to its definer';

/** MariaDB 10.11: SUPER no longer holds READ_ONLY ADMIN, but is still what event_scheduler asks for (error 1227). */
const MARIADB_GRANTS: readonly Grant[] = [
  grant('READ_ONLY ADMIN', 'SET GLOBAL read_only', ['READ ONLY ADMIN']),
  grant('CONNECTION ADMIN', 'KILL of client sessions, and a connection when the server is full'),
  grant('PROCESS', 'the process list and open transactions'),
  grant('SUPER', 'SET GLOBAL event_scheduler, and max_allowed_packet during a salvage'),
  grant('BINLOG ADMIN', 'SET SESSION sql_log_bin=0 for the probe'),
  grant('BINLOG REPLAY', 'transactions of a dead server with their original GTIDs'),
  grant('REPLICATION SLAVE ADMIN', 'START and STOP of the channel, gtid_slave_pos', ['REPLICATION REPLICA ADMIN']),
  grant('SLAVE MONITOR', 'SHOW SLAVE STATUS', ['REPLICA MONITOR']),
  grant('REPLICATION MASTER ADMIN', 'the semi-sync variables'),
  grant('EVENT', EVENTS),
  grant('SET USER', DEFINERS),
  ...PROBE_GRANTS,
];

/** MySQL 8.0 and later (manual, Dynamic Privilege Descriptions). */
const MYSQL_GRANTS: readonly Grant[] = [
  grant(
    'SYSTEM_VARIABLES_ADMIN',
    'SET GLOBAL super_read_only, event_scheduler, max_allowed_packet and the semi-sync variables',
    ['SUPER'],
  ),
  grant('SESSION_VARIABLES_ADMIN', 'SET SESSION sql_log_bin=0 for the probe', ['SYSTEM_VARIABLES_ADMIN', 'SUPER']),
  grant(
    'CONNECTION_ADMIN',
    'super_read_only, KILL of client sessions and of the applier, a connection when the server is full',
    ['SUPER'],
  ),
  grant('SERVICE_CONNECTION_ADMIN', 'a connection by admin_port when the server is full'),
  grant('SYSTEM_USER', 'KILL of privileged sessions'),
  grant('REPLICATION_SLAVE_ADMIN', 'START and STOP of the channel', ['SUPER']),
  grant('REPLICATION_APPLIER', 'transactions of a dead server with their original GTIDs'),
  grant('REPLICATION CLIENT', 'SHOW REPLICA STATUS'),
  grant('PROCESS', 'the process list and open transactions'),
  grant('XA_RECOVER_ADMIN', 'XA RECOVER in the pre-flight'),
  grant('EVENT', EVENTS),
  grant('SET_ANY_DEFINER', `${DEFINERS} (before MySQL 8.2 it is SET_USER_ID)`, ['SET_USER_ID', 'SUPER']),
  grant('SELECT', 'locks and sessions in performance_schema'),
  // MariaDB asks for no more than BINLOG's own privilege; MySQL answers error 1105 without these.
  ...['INSERT', 'UPDATE', 'DELETE'].map((privilege) => grant(privilege, 'rows of the transactions of a dead server')),
  ...PROBE_GRANTS,
];

export const requiredGrants = (flavour: Flavour['name']): readonly Grant[] =>
  flavour === 'mariadb' ? MARIADB_GRANTS : MYSQL_GRANTS;

/** The statements an operator runs to make the agent's user. The password is the operator's to put in. */
export const grantStatements = (flavour: Flavour['name'], user: string): readonly string[] =>
  (['*.*', 'vipd.*'] as const).map((on) => {
    const privileges = requiredGrants(flavour).filter((needed) => needed.on === on);
    return `GRANT ${privileges.map((needed) => needed.privilege).join(', ')} ON ${on} TO ${user}`;
  });

/** Which of them the rows of SHOW GRANTS do not give. A privilege on `*.*` counts for every database. */
export const missingGrants = (flavour: Flavour['name'], rows: readonly Row[]): readonly Grant[] => {
  const held = rows.flatMap((row) => Object.values(row).map((value) => parseGrant(String(value))));
  return requiredGrants(flavour).filter(
    (needed) =>
      !held.some(
        ({ on, privileges }) =>
          (on === '*.*' || on === needed.on) &&
          [needed.privilege, ...needed.alternatives, 'ALL PRIVILEGES'].some((name) => privileges.has(name)),
      ),
  );
};

const parseGrant = (line: string): { readonly on: string; readonly privileges: ReadonlySet<string> } => {
  const match = /^GRANT (.+?) ON (\S+) TO /i.exec(line);
  const privileges = (match?.[1] ?? '').replace(/\([^)]*\)/g, '').split(',');
  return {
    on: (match?.[2] ?? '').replaceAll('`', '').replaceAll('\\', ''),
    privileges: new Set(privileges.map((privilege) => privilege.trim().toUpperCase())),
  };
};
