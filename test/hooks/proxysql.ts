/**
 * What a hook meets of ProxySQL's admin interface, for Debian has no ProxySQL: the MySQL protocol with
 * mysql_native_password by mysql2's server, the tables in a real SQLite, as ProxySQL has them, and its three layers:
 * statements change memory, LOAD … TO RUNTIME what traffic sees, SAVE … TO DISK what a restart reads.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Connection, createServer } from 'mysql2';
import { waitForPort } from './ground.js';

/** MySQL's protocol, "Capabilities Flags": long password, protocol 4.1, transactions, secure connection, plugin auth. */
const CAPABILITIES = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000;
const ER_ACCESS_DENIED = 1045;
/** What ProxySQL answers to whatever SQLite refuses. */
const ER_FROM_SQLITE = 1045;
const UTF8 = 33;
const VAR_STRING = 253;

const columns = `hostgroup_id INT NOT NULL DEFAULT 0, hostname VARCHAR NOT NULL, port INT NOT NULL DEFAULT 3306,
  status VARCHAR NOT NULL DEFAULT 'ONLINE' CHECK (UPPER(status) IN ('ONLINE', 'SHUNNED', 'OFFLINE_SOFT', 'OFFLINE_HARD')),
  weight INT NOT NULL DEFAULT 1, PRIMARY KEY (hostgroup_id, hostname, port)`;

const copyTo = (table: string): string => `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM mysql_servers;`;

const COMMANDS: ReadonlyMap<string, string> = new Map([
  ['LOAD MYSQL SERVERS TO RUNTIME', copyTo('runtime_mysql_servers')],
  ['SAVE MYSQL SERVERS TO DISK', copyTo('disk_mysql_servers')],
]);

export interface ProxysqlAdmin {
  readonly port: number;
  /** Status by `hostname:port`, in the hostgroup, as the layer has it. */
  statuses(layer: Layer, hostgroup: number): Readonly<Record<string, string>>;
  /** Called with each statement before it runs. */
  onQuery: (sql: string) => void;
  close(): void;
}

type Layer = 'mysql_servers' | 'runtime_mysql_servers' | 'disk_mysql_servers';
type Row = Readonly<Record<string, string | number>>;

export interface ProxysqlOptions {
  readonly directory: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** `hostname:port` by hostgroup, all ONLINE at first. */
  readonly servers: readonly (readonly [hostgroup: number, server: string])[];
}

export const startProxysql = async (options: ProxysqlOptions): Promise<ProxysqlAdmin> => {
  const ask = sqlite(join(options.directory, `proxysql-${options.port}.db`));
  for (const table of ['mysql_servers', 'runtime_mysql_servers', 'disk_mysql_servers'])
    ask(`CREATE TABLE ${table} (${columns})`);
  for (const [hostgroup, server] of options.servers) {
    const [hostname, port] = server.split(':');
    ask(`INSERT INTO mysql_servers (hostgroup_id, hostname, port) VALUES (${hostgroup}, '${hostname}', ${port})`);
  }
  for (const command of COMMANDS.values()) ask(command);

  let connectionId = 0;
  const server = createServer((connection) => {
    connectionId += 1;
    connection.on('error', () => undefined);
    connection.on('query', (sql: string) => {
      admin.onQuery(sql);
      answer(connection, sql, ask);
      expectCommand(connection);
    });
    connection.serverHandshake({
      protocolVersion: 10,
      serverVersion: '8.0.11 (ProxySQL Admin Module)',
      connectionId,
      statusFlags: 2,
      characterSet: UTF8,
      capabilityFlags: CAPABILITIES,
      authCallback: (login: Login, done: Done) => {
        done(null, judge(login, options));
        expectCommand(connection);
      },
    });
  });
  server.listen(options.port);
  await waitForPort(options.port);
  const admin: ProxysqlAdmin = {
    port: options.port,
    statuses: (layer, hostgroup) =>
      Object.fromEntries(
        ask(`SELECT hostname, port, status FROM ${layer} WHERE hostgroup_id = ${hostgroup}`).map((row) => [
          `${row.hostname}:${row.port}`,
          String(row.status),
        ]),
      ),
    onQuery: () => undefined,
    close: () => server.close(() => undefined),
  };
  return admin;
};

/** Each command begins to count anew (MySQL's protocol, "Sequence ID"); of itself mysql2 knows that as a client only. */
const expectCommand = (connection: Connection): void => {
  connection.sequenceId = 0;
};

const sqlite =
  (file: string) =>
  (sql: string): readonly Row[] => {
    const out = execFileSync('sqlite3', ['-json', '-bail', file], { input: `${sql};\n`, encoding: 'utf8' });
    return out.trim() === '' ? [] : (JSON.parse(out) as readonly Row[]);
  };

const answer = (connection: Connection, sql: string, ask: (sql: string) => readonly Row[]): void => {
  const statement = sql.trim().replace(/;$/, '');
  try {
    const rows = ask(COMMANDS.get(statement.toUpperCase()) ?? statement);
    if (!/^SELECT/i.test(statement)) return connection.writeOk();
    const names = Object.keys(rows[0] ?? { empty: '' });
    connection.writeTextResult([...rows], names.map(describeColumn));
  } catch (error) {
    connection.writeError({ code: ER_FROM_SQLITE, message: `ProxySQL Admin Error: ${error}` });
  }
};

const describeColumn = (name: string) => ({
  catalog: 'def',
  schema: '',
  table: '',
  orgTable: '',
  name,
  orgName: name,
  characterSet: UTF8,
  columnLength: 255,
  columnType: VAR_STRING,
  type: VAR_STRING,
  flags: 0,
  decimals: 0,
});

interface Login {
  readonly user: string;
  readonly authPluginData1: Buffer;
  readonly authPluginData2: Buffer;
  readonly authToken: Buffer;
}
interface Refusal {
  readonly code: number;
  readonly message: string;
}
type Done = (error: null, refusal: Refusal | null) => void;

const sha1 = (...parts: readonly Buffer[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha1')).digest();

/** mysql_native_password: SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))). */
const judge = (login: Login, { user, password }: ProxysqlOptions): Refusal | null => {
  // The protocol pads the scramble of 20 bytes with a zero.
  const scramble = Buffer.concat([login.authPluginData1, login.authPluginData2]).subarray(0, 20);
  const once = sha1(Buffer.from(password));
  const mask = sha1(scramble, sha1(once));
  const right = once.map((byte, at) => byte ^ (mask[at] ?? 0));
  if (login.user === user && Buffer.compare(right, login.authToken) === 0) return null;
  const message = `ProxySQL Error: Access denied for user '${login.user}'@'127.0.0.1' (using password: YES)`;
  return { code: ER_ACCESS_DENIED, message };
};
