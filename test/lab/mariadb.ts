/** Real MariaDB servers for tests and the lab: data directory from a cached template, own configuration, started and killed by pid. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';

const run = promisify(execFile);

/** A cold start on a busy two-core machine takes a few seconds. */
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 20;
/** A clean shutdown flushes; after this it is killed. */
const STOP_TIMEOUT_MS = 30_000;
const LOG_TAIL_CHARS = 2_000;

export type MariaDbSettings = Readonly<Record<string, string | number | true>>;

export interface MariaDbOptions {
  /** Everything of this server lies in here; made if it does not exist. */
  readonly dir: string;
  readonly serverId: number;
  /** Absent: no TCP. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly bindAddress?: string;
  /** Default `dir`/mysqld.sock. A unix socket path holds 107 bytes at most (unix(7)). */
  readonly socket?: string;
  /** Further lines of my.cnf; they override the defaults. `true` writes the bare name. */
  readonly extra?: MariaDbSettings;
  /** Put before the server's command, for example `['ip', 'netns', 'exec', 'db1']`. It must exec, so that the pid stays. */
  readonly prefix?: readonly string[];
  /** Default true: the kernel kills the server when the starting process dies (prctl(2), PR_SET_PDEATHSIG). */
  readonly dieWithParent?: boolean;
}

export interface MariaDb {
  readonly pid: number;
  readonly dir: string;
  readonly dataDir: string;
  readonly defaultsFile: string;
  readonly errorLog: string;
  readonly socket: string;
  readonly port: number | undefined;
  readonly running: boolean;
  /** Send a signal and return at once, as a fault does (SIGSTOP, SIGCONT). */
  signal(signal: NodeJS.Signals): void;
  /** Send it (default SIGTERM) and wait for the end; what does not end in time is killed. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Start a stopped server again, with further or other settings. Waits until it answers unless told not to. */
  start(extra?: MariaDbSettings): Promise<void>;
  restart(signal?: NodeJS.Signals, extra?: MariaDbSettings): Promise<void>;
  /** One statement as root over the socket, on a connection of its own. */
  sql(statement: string): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>;
}

/** my.cnf as a vipd node has it (mysql.md), made small for a test machine. */
const defaults = (options: MariaDbOptions): MariaDbSettings => ({
  user: 'root',
  server_id: options.serverId,
  read_only: 'ON',
  skip_slave_start: 'ON',
  skip_name_resolve: 'ON',
  log_bin: 'binlog',
  relay_log: 'relay',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  log_slave_updates: 'ON',
  gtid_strict_mode: 'ON',
  gtid_domain_id: 0,
  sync_binlog: 1,
  innodb_flush_log_at_trx_commit: 1,
  auto_increment_increment: 2,
  auto_increment_offset: options.serverId % 2 === 0 ? 2 : 1,
  event_scheduler: 'OFF',
  slave_net_timeout: 4,
  rpl_semi_sync_master_wait_point: 'AFTER_SYNC',
  rpl_semi_sync_master_timeout: 4_294_967_295,
  rpl_semi_sync_slave_enabled: 'ON',
  innodb_buffer_pool_size: '32M',
  innodb_log_file_size: '16M',
  performance_schema: 'OFF',
  plugin_load_add: 'metadata_lock_info',
  max_connections: 100,
});

const myCnf = (settings: MariaDbSettings): string =>
  [
    '[mariadbd]',
    ...Object.entries(settings).map(([name, value]) => (value === true ? name : `${name}=${value}`)),
    '',
  ].join('\n');

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The empty data directory, installed once per server version and user, then only copied. */
const template = async (): Promise<string> => {
  const { stdout } = await run('mariadbd', ['--no-defaults', '--version']);
  const version = /Ver (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  const path = join(
    tmpdir(),
    `vipd-mariadb-template-${version.replaceAll(/[^\w.-]/g, '_')}-${process.getuid?.() ?? 0}`,
  );
  if (await exists(path)) return path;
  const fresh = await mkdtemp(`${path}-new-`);
  await run('mariadb-install-db', [
    '--no-defaults',
    '--user=root',
    `--datadir=${fresh}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    '--innodb-log-file-size=16M',
  ]);
  // rename(2) is atomic: of two that install at the same time one wins, the other throws its copy away.
  await rename(fresh, path).catch(() => rm(fresh, { recursive: true, force: true }));
  return path;
};

/** Make `dir` a data directory with root@localhost without password. */
export const initialise = async (dir: string): Promise<void> => {
  await cp(await template(), dir, { recursive: true, preserveTimestamps: true });
};

/** A directory with a short name, since socket paths are short. */
export const makeServerDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'vipd-db-'));

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Does somebody accept on the socket, and greet? A listening server that is still in recovery does not. */
const greets = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const connection = connect(socket);
    const end = (answer: boolean) => {
      connection.destroy();
      resolve(answer);
    };
    connection.once('data', () => end(true));
    connection.once('error', () => end(false));
    connection.setTimeout(1_000, () => end(false));
  });

export const startMariaDb = async (options: MariaDbOptions): Promise<MariaDb> => {
  const dataDir = join(options.dir, 'data');
  const defaultsFile = join(options.dir, 'my.cnf');
  const errorLog = join(options.dir, 'error.log');
  const socket = options.socket ?? join(options.dir, 'mysqld.sock');
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();

  const launch = async (extra: MariaDbSettings): Promise<void> => {
    const network: MariaDbSettings =
      options.port === undefined
        ? { skip_networking: 'ON' }
        : { port: options.port, bind_address: options.bindAddress ?? '127.0.0.1' };
    const own: MariaDbSettings = { datadir: dataDir, socket, pid_file: join(options.dir, 'mysqld.pid') };
    await writeFile(defaultsFile, myCnf({ ...defaults(options), ...own, ...network, ...options.extra, ...extra }));
    const log = await open(errorLog, 'a');
    const wrap = (options.dieWithParent ?? true) ? ['setpriv', '--pdeathsig', 'KILL'] : [];
    const [command = 'mariadbd', ...args] = [
      ...(options.prefix ?? []),
      ...wrap,
      'mariadbd',
      `--defaults-file=${defaultsFile}`,
    ];
    const started = spawn(command, args, { stdio: ['ignore', log.fd, log.fd], detached: true });
    child = started;
    alive.add(started);
    ended = new Promise((resolve) => {
      const over = () => {
        alive.delete(started);
        if (child === started) child = undefined;
        resolve();
      };
      started.once('exit', over);
      started.once('error', over);
    });
    await log.close();
    // The reader of a test's end must not wait for a server that outlives it.
    started.unref();
  };

  const waitReady = async (): Promise<void> => {
    const tries = READY_TIMEOUT_MS / READY_POLL_MS;
    for (let i = 0; i < tries; i += 1) {
      if (child === undefined) break;
      if (await greets(socket)) return;
      await sleep(READY_POLL_MS);
    }
    const tail = (await readFile(errorLog, 'utf8').catch(() => '')).slice(-LOG_TAIL_CHARS);
    child?.kill('SIGKILL');
    throw new Error(`mariadbd with ${defaultsFile} did not come up; end of its log:\n${tail}`);
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const stopping = child;
    if (stopping === undefined) return;
    stopping.kill(signal);
    const timer = setTimeout(() => stopping.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };

  const start = async (extra: MariaDbSettings = {}): Promise<void> => {
    if (child !== undefined) throw new Error(`mariadbd with ${defaultsFile} runs already`);
    await launch(extra);
    await waitReady();
  };

  await mkdir(options.dir, { recursive: true });
  if (!(await exists(dataDir))) await initialise(dataDir);
  await start();

  return {
    get pid() {
      return child?.pid ?? 0;
    },
    get running() {
      return child !== undefined;
    },
    dir: options.dir,
    dataDir,
    defaultsFile,
    errorLog,
    socket,
    port: options.port,
    signal: (signal) => {
      child?.kill(signal);
    },
    stop,
    start,
    restart: async (signal, extra) => {
      await stop(signal);
      await start(extra);
    },
    sql: async (statement) => {
      const connection = await createConnection({ socketPath: socket, user: 'root', multipleStatements: true });
      try {
        const [rows] = await connection.query(statement);
        return Array.isArray(rows) ? (rows as Array<Record<string, unknown>>) : [];
      } finally {
        connection.destroy();
      }
    },
  };
};

/** Where and as whom one server of a pair reaches the other. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export const REPLICATION_USER = 'repl';
export const REPLICATION_PASSWORD = 'repl-secret';

/** Accounts as an operator makes them, the same on both, outside of the binary log. */
export const createAccounts = async (server: MariaDb, statements: readonly string[]): Promise<void> => {
  const replication = `GRANT REPLICATION SLAVE ON *.* TO '${REPLICATION_USER}'@'%' IDENTIFIED BY '${REPLICATION_PASSWORD}'`;
  await server.sql(['SET SESSION sql_log_bin=0', replication, ...statements].join(';'));
};

/** Point a server's one channel at its peer; the threads stay stopped. */
export const pointAt = async (server: MariaDb, peer: PeerAddress): Promise<void> => {
  await server.sql(
    `CHANGE MASTER TO MASTER_HOST='${peer.host}', MASTER_PORT=${peer.port}, MASTER_USER='${REPLICATION_USER}',
     MASTER_PASSWORD='${REPLICATION_PASSWORD}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1`,
  );
};
