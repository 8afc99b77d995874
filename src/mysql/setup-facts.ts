/** What a server is before it becomes one of a pair: its settings, what it has committed, whose data and accounts are on it. */

import type { Position } from '../core/types.js';
import { type ChannelSettings, readChannelSettings } from './channel-settings.js';
import { type Ask, byName, text } from './flavour.js';
import type { Link } from './links.js';
import type { Variables } from './preconditions.js';
import { type Account, accountName } from './setup-words.js';

export interface SetupFacts {
  readonly variables: Variables;
  /** What it has committed. */
  readonly position: Position;
  /** Schemas that are neither the server's own nor vipd's. */
  readonly databases: readonly string[];
  /** Those of them that have tables in InnoDB, as its files are called: what another node may see of it. */
  readonly stored: readonly string[];
  /** Accounts that no server comes with. */
  readonly accounts: readonly Account[];
  readonly channel: ChannelSettings | null;
  /** Replicas that read its binary log now. */
  readonly readers: number;
}

const OWN_SCHEMAS = `'mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo', 'vipd'`;
/** An empty `test` is what an installation leaves. */
const DATABASES = `SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN (${OWN_SCHEMAS})
  AND (SCHEMA_NAME <> 'test' OR EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'test'))
  ORDER BY 1`;
const OWN_ACCOUNTS = `'root', 'mysql', 'mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema', 'debian-sys-maint',
  'PUBLIC', ''`;
const ACCOUNTS = `SELECT User AS user, Host AS host FROM mysql.user WHERE User NOT IN (${OWN_ACCOUNTS}) ORDER BY 1, 2`;

const storedIn = (table: string): string =>
  `SELECT DISTINCT SUBSTRING_INDEX(NAME, '/', 1) AS name FROM information_schema.${table}
   WHERE NAME LIKE '%/%' AND SUBSTRING_INDEX(NAME, '/', 1) NOT IN (${OWN_SCHEMAS}) ORDER BY 1`;
/** For whom PROCESS is enough, as it is for an agent that looks at its peer. */
const STORED = { mariadb: storedIn('INNODB_SYS_TABLES'), mysql: storedIn('INNODB_TABLES') } as const;

const asker =
  ({ session }: Link): Ask =>
  (sql) =>
    session.query(sql, READ_MS);
/** information_schema opens files where there are many tables. */
const READ_MS = 30_000;

const names = async (ask: Ask, sql: string): Promise<readonly string[]> =>
  (await ask(sql)).map((row) => text(row, 'name'));

/** As an administrator. @throws DatabaseError */
export const readSetupFacts = async (link: Link): Promise<SetupFacts> => {
  const ask = asker(link);
  const { flavour } = link;
  const sessions = await flavour.listSessions(ask);
  return {
    variables: byName(await ask('SHOW GLOBAL VARIABLES')),
    position: await flavour.readPosition(ask),
    databases: await names(ask, DATABASES),
    stored: await names(ask, STORED[flavour.name]),
    accounts: (await ask(ACCOUNTS)).map((row) => ({ user: text(row, 'user'), host: text(row, 'host') })),
    channel: await readChannelSettings(ask, flavour.name),
    readers: sessions.filter(({ command }) => command.startsWith('Binlog Dump')).length,
  };
};

/** What an agent's login tells of another server. */
export type PeerFacts = Pick<SetupFacts, 'position' | 'stored' | 'channel'>;

/** @throws DatabaseError */
export const readPeerFacts = async (link: Link): Promise<PeerFacts> => {
  const ask = asker(link);
  return {
    position: await link.flavour.readPosition(ask),
    stored: await names(ask, STORED[link.flavour.name]),
    channel: await readChannelSettings(ask, link.flavour.name),
  };
};

/** The rows of SHOW GRANTS; none for an account that is not there. */
export const readGrants = (link: Link, account: Account): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  asker(link)(`SHOW GRANTS FOR ${accountName(account)}`).catch(() => []);
