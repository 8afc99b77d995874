/** Checks of the database: login, privileges, the settings that vipd counts on now and after a restart, the channel. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { VipdConfig } from '../config/types.js';
import { openSession, type Session } from '../mysql/connection.js';
import { type Credentials, loadCredentials } from '../mysql/credentials.js';
import { detectFlavour } from '../mysql/detect.js';
import { asDatabaseError } from '../mysql/errors.js';
import { byName, type Flavour, text } from '../mysql/flavour.js';
import { grantStatements, missingGrants } from '../mysql/grants.js';
import { type Finding, fault, messageOf, ok, skipped, warning } from './finding.js';

const ASK_MS = 3_000;

/** What a server must say of itself, and why. `wrong` counts as a fault unless `advice` is set. */
interface Setting {
  readonly name: string;
  /** Values in upper case, any of which is right. */
  readonly want: readonly string[];
  readonly why: string;
  readonly advice?: true;
}

const DURABLE: readonly Setting[] = [
  { name: 'sync_binlog', want: ['1'], why: 'a power cut would lose acknowledged commits' },
  { name: 'innodb_flush_log_at_trx_commit', want: ['1'], why: 'a power cut would lose acknowledged commits' },
  { name: 'log_bin', want: ['ON', '1'], why: 'there is nothing to replicate from' },
  { name: 'binlog_format', want: ['ROW'], why: 'statements may give other rows on the other node' },
  {
    name: 'binlog_row_image',
    want: ['FULL'],
    why: 'rows could not be told apart when they are looked for',
    advice: true,
  },
  { name: 'skip_networking', want: ['OFF', '0'], why: 'neither clients nor the other node reach it' },
];

const MARIADB_SETTINGS: readonly Setting[] = [
  ...DURABLE,
  { name: 'log_slave_updates', want: ['ON', '1'], why: 'after a move the old active would not get what came from it' },
  { name: 'gtid_strict_mode', want: ['ON', '1'], why: 'positions could not be compared' },
  { name: 'rpl_semi_sync_slave_enabled', want: ['ON', '1'], why: 'as a standby it acknowledges nothing' },
];

const MYSQL_SETTINGS: readonly Setting[] = [
  ...DURABLE,
  {
    name: 'log_replica_updates',
    want: ['ON', '1'],
    why: 'after a move the old active would not get what came from it',
  },
  { name: 'gtid_mode', want: ['ON'], why: 'positions could not be compared' },
  { name: 'enforce_gtid_consistency', want: ['ON'], why: 'statements could be logged without a GTID' },
];

/** In my.cnf: what a server must be when it comes up, before its agent has spoken to it. */
const AT_START = [
  { options: ['read_only', 'super_read_only'], why: 'after a restart it would take writes before vipd has judged it' },
  {
    options: ['skip_slave_start', 'skip_replica_start'],
    why: 'after a restart MariaDB deletes relay logs that it has not applied, and a returning node would pull before it is judged',
  },
] as const;

export const checkDatabase = async (config: VipdConfig): Promise<readonly Finding[]> => {
  const { local, adminPort, defaultsFile } = config.mysql;
  const where = local.kind === 'socket' ? local.path : `${local.host} port ${local.port}`;
  const tried = `logged in to the database at ${where}, as ${defaultsFile} says`;
  let credentials: Credentials;
  let session: Session;
  try {
    credentials = await loadCredentials(defaultsFile);
    const target = local.kind === 'socket' ? { socket: local.path } : { host: local.host, port: local.port };
    session = await openSession({ ...target, ...(adminPort === null ? {} : { adminPort }) }, credentials, ASK_MS);
  } catch (cause) {
    return [loginFault(tried, cause)];
  }
  try {
    const flavour = await detectFlavour(session, ASK_MS);
    const found = `${flavour.name === 'mariadb' ? 'MariaDB' : 'MySQL'} ${flavour.version}`;
    const wait = await Promise.all([
      checkGrants(session, flavour, credentials.user),
      checkSettings(session, flavour, config),
      checkStart(session),
      checkChannel(session, flavour, config),
    ]);
    return [ok('database', tried, found), ...wait.flat()];
  } catch (cause) {
    return [skipped('database', tried, messageOf(cause))];
  } finally {
    session.destroy();
  }
};

const loginFault = (tried: string, cause: unknown): Finding => {
  const failure = asDatabaseError(cause, 'login');
  switch (failure.kind) {
    case 'down':
    case 'lost':
      return fault(
        'database',
        tried,
        failure.message,
        'start the server, or correct mysql.socket or mysql.host and port',
      );
    case 'denied':
      return fault(
        'database-login',
        tried,
        failure.message,
        'correct user and password; the account must use mysql_native_password or caching_sha2_password, which vipd can log in with',
      );
    case 'full':
      return fault(
        'database-full',
        tried,
        failure.message,
        'configure mysql.admin_port (MariaDB: extra_port) to keep a door open',
      );
    default:
      return fault('database', tried, failure.message, 'see the server’s error log');
  }
};

const checkGrants = async (session: Session, flavour: Flavour, user: string): Promise<readonly Finding[]> => {
  const tried = `compared the privileges of ${user} with what vipd uses`;
  const missing = missingGrants(flavour.name, await session.query('SHOW GRANTS', ASK_MS));
  if (missing.length === 0) return [ok('grants', tried, 'it has them all')];
  const found = missing.map(({ privilege, on, why }) => `${privilege} on ${on} is missing (${why})`).join('; ');
  return [fault('grants', tried, found, grantStatements(flavour.name, `'${user}'@…`).join('; '))];
};

const checkSettings = async (session: Session, flavour: Flavour, config: VipdConfig): Promise<readonly Finding[]> => {
  const variables = byName(await session.query('SHOW GLOBAL VARIABLES', ASK_MS));
  const wanted = flavour.name === 'mariadb' ? MARIADB_SETTINGS : MYSQL_SETTINGS;
  const semiSync = config.mysql.semiSync === 'manage';
  const wrong = wanted
    .filter(({ name }) => semiSync || !name.startsWith('rpl_semi_sync'))
    .filter(({ name, want }) => !want.includes((variables.get(name) ?? 'absent').toUpperCase()));
  const tried = `read the server's settings`;
  const listen = variables.get('bind_address') ?? '';
  const shut = ['127.0.0.1', 'localhost', '::1'].includes(listen)
    ? [
        fault(
          'bind-address',
          tried,
          `bind_address is ${listen}: neither the other node nor the VIP reaches it`,
          'set bind_address = * in my.cnf',
        ),
      ]
    : [];
  const offsets = Number(variables.get('auto_increment_increment') ?? 0) < 2;
  return [
    ...shut,
    ...(offsets
      ? [
          warning(
            'auto-increment',
            tried,
            'auto_increment_increment is 1',
            'set it to 2 on both nodes, and auto_increment_offset to 1 and 2: numbers given out before a failover are not given out again',
          ),
        ]
      : []),
    ...wrong.map(({ name, want, why, advice }) => {
      const found = `${name} is ${variables.get(name) ?? 'not there'}: ${why}`;
      return (advice ? warning : fault)(
        'my-cnf',
        tried,
        found,
        `set ${name} = ${want[0]} in my.cnf, and SET GLOBAL where it can be`,
      );
    }),
    ...(wrong.length === 0 ? [ok('my-cnf', tried, 'as vipd needs them')] : []),
  ];
};

const run = promisify(execFile);
const PROGRAM_MS = 5_000;
const GROUPS = ['mysqld', 'mariadbd', 'mariadb', 'server'] as const;

/** The options that the server's own command line and its my.cnf give it; what was SET since does not count. */
const checkStart = async (session: Session): Promise<readonly Finding[]> => {
  const tried = 'read the options that the server starts with (its command line, my_print_defaults)';
  try {
    const [row] = await session.query('SELECT @@global.pid_file AS pid_file, @@global.datadir AS datadir', ASK_MS);
    const file = text(row, 'pid_file');
    const pid = readFileSync(file.startsWith('/') ? file : `${text(row, 'datadir')}${file}`, 'utf8').trim();
    const given = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1);
    const files = given.filter((option) => /^--(defaults-file|defaults-extra-file|no-defaults)/.test(option));
    const { stdout } = await run('my_print_defaults', [...files, ...GROUPS], { timeout: PROGRAM_MS });
    const options = new Set([...given, ...stdout.split('\n')].filter(isOn).map(nameOf));
    const missing = AT_START.filter(({ options: names }) => !names.some((name) => options.has(name)));
    if (missing.length === 0) return [ok('at-start', tried, 'read-only, and replication stopped')];
    return missing.map(({ options: names, why }) =>
      fault('at-start', tried, `${names[0]} is not among them: ${why}`, `write ${names[0]} = ON into my.cnf`),
    );
  } catch (cause) {
    return [skipped('at-start', tried, messageOf(cause))];
  }
};

const isOn = (option: string): boolean => option.startsWith('--') && !/=(0|off|false)$/i.test(option);
const nameOf = (option: string): string => option.slice(2).split('=')[0]?.replaceAll('-', '_') ?? '';

/** Seconds after which a receiver notices that its source is gone. */
const MAX_NET_TIMEOUT_S = 60;

const checkChannel = async (session: Session, flavour: Flavour, config: VipdConfig): Promise<readonly Finding[]> => {
  const tried = 'looked at the replication channel';
  const { peer } = config;
  const [row] = await session
    .query(flavour.name === 'mariadb' ? 'SHOW SLAVE STATUS' : 'SHOW REPLICA STATUS', ASK_MS)
    .catch(() => session.query('SHOW SLAVE STATUS', ASK_MS));
  const host = text(row, 'Master_Host') || text(row, 'Source_Host');
  if (row === undefined || host === '')
    return [
      fault(
        'replication',
        tried,
        'none is configured',
        `CHANGE MASTER TO MASTER_HOST='${peer.address}', ... as docs/configuration.md says`,
      ),
    ];
  const found: Finding[] = [];
  if (/^[\d.:a-f]+$/i.test(host) && host !== peer.address)
    found.push(
      warning(
        'replication-source',
        tried,
        `it comes from ${host}, and ${peer.name} is ${peer.address}`,
        'see that this is the same server',
      ),
    );
  if (text(row, 'Using_Gtid') === 'No' || text(row, 'Auto_Position') === '0')
    found.push(
      fault(
        'replication-gtid',
        tried,
        'it does not use GTIDs',
        'CHANGE MASTER TO MASTER_USE_GTID = slave_pos (MySQL: SOURCE_AUTO_POSITION = 1)',
      ),
    );
  const [own] = await session
    .query('SELECT @@global.server_id AS id, @@global.slave_net_timeout AS net', ASK_MS)
    .catch(() => [undefined]);
  const source = text(row, 'Master_Server_Id') || text(row, 'Source_Server_Id');
  if (source !== '0' && source === text(own, 'id'))
    found.push(
      fault(
        'server-id',
        tried,
        `both servers have server_id ${source}`,
        'give each a server_id of its own in my.cnf, and restart it',
      ),
    );
  if (Number(text(own, 'net')) > MAX_NET_TIMEOUT_S)
    found.push(
      warning(
        'replication-timeout',
        tried,
        `slave_net_timeout is ${text(own, 'net')} s`,
        'set it to 4, and MASTER_HEARTBEAT_PERIOD to 1: a dead source is noticed sooner',
      ),
    );
  const error = text(row, 'Last_SQL_Error') || text(row, 'Last_IO_Error');
  if (error !== '') found.push(fault('replication', tried, error, 'repair what stopped it; then START SLAVE'));
  return found.length > 0 ? found : [ok('replication', tried, `from ${host}, with GTIDs`)];
};
