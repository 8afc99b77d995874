/** The database of a lab host: the accounts and the table an operator and an application would make, and its restarts. */

import { grantStatements } from '../../src/mysql/grants.js';
import { AGENT_PASSWORD, AGENT_USER, type NodeFiles } from './host-files.js';
import { createAccounts, launchServer, pointAt, type Server } from './mysqld.js';
import type { ServerKind, ServerSettings } from './server-kind.js';
import { ADDRESSES, type NodeName, on } from './topology.js';

export const MYSQL_PORT = 3306;
export const APP_USER = 'app';
export const APP_PASSWORD = 'lab-app';
const RESTART_POLL_MS = 20;

/** From its own host over the socket, and from the peer's. */
export const AGENT_ACCOUNTS = ['localhost', '10.99.0.%'].map((host) => `'${AGENT_USER}'@'${host}'`);

export const WRITES_TABLE = `CREATE TABLE lab.writes (id BIGINT PRIMARY KEY, client_at BIGINT NOT NULL,
  server_id INT NOT NULL, server_at_us BIGINT NOT NULL, host VARCHAR(64) NOT NULL)`;

const accounts = (kind: ServerKind): readonly string[] => [
  'CREATE DATABASE vipd',
  ...AGENT_ACCOUNTS.flatMap((account) => [
    `CREATE USER ${account} IDENTIFIED BY '${AGENT_PASSWORD}'`,
    ...grantStatements(kind.name, account),
  ]),
  'CREATE DATABASE lab',
  WRITES_TABLE,
  `CREATE USER '${APP_USER}'@'%' IDENTIFIED BY '${APP_PASSWORD}'`,
  `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, LOCK TABLES ON lab.* TO '${APP_USER}'@'%'`,
];

export const SERVER_IDS = { db1: 1, db2: 2 } as const satisfies Record<NodeName, number>;

export interface DatabaseOptions {
  /** It holds what many others committed. */
  readonly longHistory?: boolean;
  /** Put before its command. */
  readonly wrap?: readonly string[];
  /** As just installed, with these settings. */
  readonly fresh?: ServerSettings;
}

/** Start it; unless it is fresh with accounts, table, and its channel pointed at the other, both threads stopped, read-only. */
export const startDatabase = async (
  kind: ServerKind,
  node: NodeName,
  files: NodeFiles,
  { wrap = [], fresh, longHistory = false }: DatabaseOptions = {},
): Promise<Server> => {
  const server = await launchServer({
    kind,
    dir: files.mysqlDirectory,
    serverId: SERVER_IDS[node],
    port: MYSQL_PORT,
    bindAddress: '*',
    socket: files.mysqlSocket,
    extra: { max_connections: 400, report_host: ADDRESSES[node].ipv4, ...fresh },
    prefix: [...on(node), ...wrap],
  });
  if (fresh !== undefined) return server;
  await createAccounts(server, accounts(kind));
  if (longHistory) for (const statement of kind.longHistory) await server.sql(statement);
  await pointAt(server, { host: ADDRESSES[node === 'db1' ? 'db2' : 'db1'].ipv4, port: MYSQL_PORT });
  return server;
};

/** As a service manager with `Restart=` does: starts it again a while after each death, until told to stop. */
export const restartOnDeath = (server: Server, afterMs: number): (() => Promise<void>) => {
  let stopped = false;
  let restarting: Promise<void> = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (stopped || busy || server.running) return;
    busy = true;
    restarting = new Promise((resolve) => setTimeout(resolve, afterMs))
      .then(() => server.start())
      // A start that fails is tried again at the next turn, as the service manager would.
      .catch(() => undefined)
      .finally(() => {
        busy = false;
      });
  }, RESTART_POLL_MS);
  return async () => {
    stopped = true;
    clearInterval(timer);
    await restarting;
  };
};
