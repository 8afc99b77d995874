/** Servers for the lab tests of this layer: one, or a pair that replicates both ways, with the agent's user on each. */

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { KINDS } from '../../test/lab/kinds.js';
import { createAccounts, launchServer, makeServerDir, pointAt, type Server } from '../../test/lab/mysqld.js';
import type { ServerKind, ServerSettings } from '../../test/lab/server-kind.js';
import type { Outcome } from '../core/event.js';
import type { DatabaseReport } from '../core/types.js';
import { createDatabase, type Database, type DatabaseOptions, type DatabaseStep } from './database.js';
import { grantStatements } from './grants.js';

export const AGENT = { user: 'vipd', password: "it's # secret" } as const;

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/** For describe.each: what holds has to hold on each. */
export const EVERY_KIND: readonly ServerKind[] = Object.values(KINDS);

const accounts = (kind: ServerKind): readonly string[] => [
  `CREATE USER '${AGENT.user}'@localhost IDENTIFIED BY '${AGENT.password.replace("'", "''")}'`,
  ...grantStatements(kind.name, `'${AGENT.user}'@localhost`),
  "CREATE USER app@localhost IDENTIFIED BY 'app'",
  'GRANT ALL ON shop.* TO app@localhost',
];

/** Undone in reverse order at the end of a test, also of a failed one. */
export type Cleanup = (() => Promise<void>)[];
export const runCleanup = async (cleanup: Cleanup): Promise<void> => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
};

export const startServer = async (
  cleanup: Cleanup,
  kind: ServerKind,
  serverId: number,
  extra: ServerSettings = {},
  prefix: readonly string[] = [],
): Promise<Server> => {
  const dir = await makeServerDir();
  cleanup.push(() => rm(dir, { recursive: true, force: true }));
  const server = await launchServer({ kind, dir, serverId, port: await freePort(), extra, prefix });
  cleanup.push(() => server.stop('SIGKILL'));
  await createAccounts(server, accounts(kind));
  return server;
};

/** On this server alone, whether it is read-only or not. */
export const alone = async (server: Server, ...statements: readonly string[]): Promise<void> => {
  const [row] = await server.sql('SELECT @@global.read_only AS readOnly');
  const { openForAccounts, closeAfterAccounts } = server.kind;
  const inside = ['SET SESSION sql_log_bin=0', ...statements];
  await server.sql(
    (Number(row?.readOnly) === 0 ? inside : [openForAccounts, ...inside, closeAfterAccounts]).join('; '),
  );
};

/** A self-signed certificate for 127.0.0.1, as PEM files. */
export const makeCertificate = async (
  dir: string,
  name: string,
): Promise<{ readonly cert: string; readonly key: string }> => {
  const [cert, key] = [join(dir, `${name}.pem`), join(dir, `${name}-key.pem`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    ...subject,
    '-out',
    cert,
    '-keyout',
    key,
  ]);
  return { cert, key };
};
const run = promisify(execFile);

export const killSessionsOf = async (server: Server, user: string): Promise<void> => {
  const rows = await server.sql(`SELECT ID AS id FROM ${server.kind.processList} WHERE USER = '${user}'`);
  for (const { id } of rows) await server.sql(`KILL ${id}`).catch(() => undefined);
};

/** A commit of its waits for the standby's acknowledgement. */
export const waitsForSemiSync = async (server: Server): Promise<boolean> =>
  (await server.sql(`SELECT 1 FROM ${server.kind.processList} WHERE STATE LIKE '${server.kind.semiSyncWait}'`)).length >
  0;

/** A transaction of one statement, in whose binary log it is a statement too, that keeps a server at work for about so long. */
export const longStatement = async (server: Server, ms: number): Promise<string> => {
  const hash = (times: number) => `BENCHMARK(${times}, SHA2('long', 512))`;
  // The fastest of some: a machine that was busy meanwhile would make it too short.
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIES; i += 1) {
    const startedMs = performance.now();
    await server.sql(`DO ${hash(TRIED_HASHES)}`);
    fastestMs = Math.min(fastestMs, performance.now() - startedMs);
  }
  const times = Math.ceil((TRIED_HASHES * ms) / fastestMs);
  return `SET SESSION binlog_format=STATEMENT; INSERT INTO shop.orders (v) VALUES (${hash(times)})`;
};
const TRIED_HASHES = 500_000;
const TRIES = 3;

export interface Pair {
  readonly active: Server;
  readonly standby: Server;
}

/** The first is writable, both channels run, and a table is there on both. */
export const startPair = async (cleanup: Cleanup, kind: ServerKind, ofStandby: ServerSettings = {}): Promise<Pair> => {
  const [active, standby] = await Promise.all([
    startServer(cleanup, kind, 1),
    startServer(cleanup, kind, 2, ofStandby),
  ]);
  await pointAt(active, { host: '127.0.0.1', port: standby.port ?? 0 });
  await pointAt(standby, { host: '127.0.0.1', port: active.port ?? 0 });
  await active.sql('SET GLOBAL read_only=OFF');
  await active.sql(
    'CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL)',
  );
  await standby.sql(kind.startReplica);
  await active.sql(kind.startReplica);
  await eventually(async () => (await count(standby)) === 0);
  return { active, standby };
};

export const count = async (server: Server): Promise<number> =>
  server.sql('SELECT COUNT(*) AS n FROM shop.orders').then(
    (rows) => Number(rows[0]?.n),
    () => -1,
  );

const EVENTUALLY_MS = 30_000;
export const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const endsAt = performance.now() + EVENTUALLY_MS;
  while (!(await condition())) {
    if (performance.now() > endsAt) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

export interface Watched {
  readonly database: Database;
  readonly reports: DatabaseReport[];
  run(step: DatabaseStep, signal?: AbortSignal): Promise<Outcome>;
}

export const watch = (cleanup: Cleanup, server: Server, options: Partial<DatabaseOptions> = {}): Watched => {
  const reports: DatabaseReport[] = [];
  const database = createDatabase({
    socket: server.socket,
    credentials: AGENT,
    check: { intervalMs: 200, timeoutMs: 1_000, writeProbe: true },
    pollMs: 50,
    nowMs: () => performance.now(),
    log: () => undefined,
    ...options,
  });
  database.onReport((report) => reports.push(report));
  cleanup.push(() => database.stop());
  return {
    database,
    reports,
    run: (step, signal = new AbortController().signal) => database.run(step, { signal, progress: () => undefined }),
  };
};

export interface Client {
  query(sql: string): Promise<unknown>;
  readonly ended: boolean;
}

/** A session of the application, of root or of the agent's user, that stays open. */
export const openClient = async (
  cleanup: Cleanup,
  server: Server,
  user: 'app' | 'root' | typeof AGENT.user = 'app',
): Promise<Client> => {
  const passwords = { app: 'app', root: '', [AGENT.user]: AGENT.password };
  const database = user === AGENT.user ? {} : { database: 'shop' };
  const connection = await createConnection({
    socketPath: server.socket,
    user,
    password: passwords[user],
    ...database,
  });
  let ended = false;
  connection.on('error', () => {
    ended = true;
  });
  cleanup.push(async () => connection.destroy());
  return {
    query: async (sql) => (await connection.query(sql))[0],
    get ended() {
      return ended;
    },
  };
};

/** A client's INSERT that has begun to wait for the standby, whose receiver is stopped; and what the client is told at last. */
export const commitThatWaits = async (
  cleanup: Cleanup,
  active: Server,
  standby: Server,
): Promise<{ readonly told: Promise<'safe' | 'nothing'> }> => {
  await standby.sql(standby.kind.stopReplica);
  const client = await openClient(cleanup, active);
  const told = client.query('INSERT INTO orders (v) VALUES (1)').then(
    () => 'safe' as const,
    () => 'nothing' as const,
  );
  await eventually(() => waitsForSemiSync(active));
  return { told };
};

export interface Load {
  /** Rows whose INSERT was acknowledged. */
  readonly acknowledged: number;
  stop(): Promise<number>;
}

const LOAD_PAUSE_MS = 2;
/** Connect and insert, over and over, as clients of a pool do; failures are expected and skipped. */
export const writeLoad = (server: Server, user: 'app' | 'root' = 'app'): Load => {
  let acknowledged = 0;
  let wanted = true;
  const worker = async (): Promise<void> => {
    while (wanted) {
      try {
        const connection = await createConnection({
          socketPath: server.socket,
          user,
          password: user === 'app' ? 'app' : '',
          database: 'shop',
        });
        connection.on('error', () => undefined);
        try {
          for (let i = 0; i < 20 && wanted; i += 1) {
            await connection.query('INSERT INTO orders (v) VALUES (1)');
            acknowledged += 1;
          }
        } finally {
          connection.destroy();
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, LOAD_PAUSE_MS));
      }
    }
  };
  const workers = [worker(), worker(), worker()];
  return {
    get acknowledged() {
      return acknowledged;
    },
    stop: async () => {
      wanted = false;
      await Promise.all(workers);
      return acknowledged;
    },
  };
};
