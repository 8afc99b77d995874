/** Real servers for tests and the lab, of either kind: data directory from a cached template, own configuration, started and killed by pid. */

import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import type { ChannelRow, PeerAddress, Row, ServerKind, ServerSettings } from './server-kind.js';

/** A cold start on a busy two-core machine takes a few seconds. */
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 20;
/** A clean shutdown flushes; after this it is killed. */
const STOP_TIMEOUT_MS = 30_000;
const LOG_TAIL_CHARS = 2_000;
/** MySQL's exit status where its service manager is to start it again (MySQL manual, RESTART); it asks for its parent's pid. */
const RESTART_STATUS = 16;
const PARENT_VARIABLE = 'MYSQLD_PARENT_PID';

export interface ServerOptions {
  readonly kind: ServerKind;
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
  readonly extra?: ServerSettings;
  /** Put before the server's command, for example `['ip', 'netns', 'exec', 'db1']`. It must exec, so that the pid stays. */
  readonly prefix?: readonly string[];
  /** Default true: a server that ends in order to be started again (MySQL's CLONE and RESTART do) is, as by systemd. */
  readonly supervised?: boolean;
  /** Default true: the kernel kills the server when the starting process dies (prctl(2), PR_SET_PDEATHSIG). */
  readonly dieWithParent?: boolean;
}

export interface Server {
  readonly kind: ServerKind;
  readonly pid: number;
  readonly dir: string;
  readonly dataDir: string;
  readonly defaultsFile: string;
  readonly errorLog: string;
  /** The end of it, and how the last process of the server ended. */
  tail(): Promise<string>;
  readonly socket: string;
  readonly port: number | undefined;
  readonly running: boolean;
  /** Send a signal and return at once, as a fault does (SIGSTOP, SIGCONT). */
  signal(signal: NodeJS.Signals): void;
  /** Send it (default SIGTERM) and wait for the end; what does not end in time is killed. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Start a stopped server again, with further or other settings. Waits until it answers unless told not to. */
  start(extra?: ServerSettings): Promise<void>;
  restart(signal?: NodeJS.Signals, extra?: ServerSettings): Promise<void>;
  /** One statement as root over the socket, on a connection of its own. */
  sql(statement: string): Promise<readonly Row[]>;
  /** What it has committed, as the agent writes it. */
  position(): Promise<string>;
  channel(): Promise<ChannelRow>;
  /** What its channel has received since it was started, as a position. */
  received(): Promise<string>;
}

const myCnf = (section: string, settings: ServerSettings): string =>
  [
    `[${section}]`,
    ...Object.entries(settings)
      .filter(([, value]) => value !== false)
      .map(([name, value]) => (value === true ? name : `${name}=${value}`)),
    '',
  ].join('\n');

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The empty data directory, installed once per server version and user, then only copied. */
const template = async (kind: ServerKind): Promise<string> => {
  const version = (await kind.version()).replaceAll(/[^\w.-]/g, '_');
  const path = join(kind.templateParent, `vipd-${kind.name}-template-${version}-${process.getuid?.() ?? 0}`);
  if (await exists(path)) return path;
  const fresh = await mkdtemp(`${path}-new-`);
  await kind.install(fresh);
  // rename(2) is atomic: of two that install at the same time one wins, the other throws its copy away.
  await rename(fresh, path).catch(() => rm(fresh, { recursive: true, force: true }));
  return path;
};

/** Make `dir` a data directory with root@localhost without password. */
export const initialise = async (kind: ServerKind, dir: string, serverId: number): Promise<void> => {
  await cp(await template(kind), dir, { recursive: true, preserveTimestamps: true });
  await kind.individualise(dir, serverId);
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

export const launchServer = async (options: ServerOptions): Promise<Server> => {
  const { kind } = options;
  const dataDir = join(options.dir, 'data');
  const defaultsFile = join(options.dir, 'my.cnf');
  const errorLog = join(options.dir, 'error.log');
  const socket = options.socket ?? join(options.dir, 'mysqld.sock');
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  let lastEnd = '';

  const logTail = async (): Promise<string> =>
    (await readFile(errorLog, 'utf8').catch(() => '')).slice(-LOG_TAIL_CHARS);

  const launch = async (extra: ServerSettings): Promise<void> => {
    const network: ServerSettings =
      options.port === undefined
        ? { skip_networking: 'ON' }
        : { port: options.port, bind_address: options.bindAddress ?? '127.0.0.1' };
    const own: ServerSettings = { datadir: dataDir, socket, pid_file: join(options.dir, 'mysqld.pid') };
    await writeFile(
      defaultsFile,
      myCnf(kind.section, { ...kind.settings(options.serverId), ...own, ...network, ...options.extra, ...extra }),
    );
    const log = await open(errorLog, 'a');
    const wrap = (options.dieWithParent ?? true) ? ['setpriv', '--pdeathsig', 'KILL'] : [];
    const argv = [...(options.prefix ?? []), ...wrap, kind.server, `--defaults-file=${defaultsFile}`];
    const [command = kind.server, ...args] = argv;
    const supervised = options.supervised ?? true;
    const env = { ...process.env, ...(supervised ? { [PARENT_VARIABLE]: String(process.pid) } : {}) };
    const started = spawn(command, args, { stdio: ['ignore', log.fd, log.fd], detached: true, env });
    child = started;
    alive.add(started);
    ended = new Promise((resolve) => {
      const over = () => {
        alive.delete(started);
        if (child === started) child = undefined;
        resolve();
      };
      started.once('exit', (status, signal) => {
        over();
        lastEnd = `process ${started.pid} ended at ${new Date().toISOString()}: ${signal ?? `status ${status}`}`;
        // A failure to start shows as a server that is not there.
        if (supervised && status === RESTART_STATUS) launch(extra).catch(() => undefined);
      });
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
    child?.kill('SIGKILL');
    throw new Error(`${kind.title} with ${defaultsFile} did not come up; end of its log:\n${await logTail()}`);
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const stopping = child;
    if (stopping === undefined) return;
    stopping.kill(signal);
    const timer = setTimeout(() => stopping.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };

  const start = async (extra: ServerSettings = {}): Promise<void> => {
    if (child !== undefined) throw new Error(`${kind.title} with ${defaultsFile} runs already`);
    await launch(extra);
    await waitReady();
  };

  await mkdir(options.dir, { recursive: true });
  if (!(await exists(dataDir))) await initialise(kind, dataDir, options.serverId);
  await start();

  const sql = async (statement: string): Promise<readonly Row[]> => {
    const connection = await createConnection({ socketPath: socket, user: 'root', multipleStatements: true });
    try {
      const [rows] = await connection.query(statement);
      return Array.isArray(rows) ? (rows as Row[]) : [];
    } finally {
      connection.destroy();
    }
  };

  const channel = async () => kind.channelOf((await sql(kind.showReplica))[0]);

  return {
    kind,
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
    tail: async () => [await logTail(), lastEnd].join('\n'),
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
    sql,
    position: async () => `${kind.name}:${(await sql(kind.position))[0]?.position ?? ''}`,
    channel,
    received: async () => `${kind.name}:${(await channel()).received}`,
  };
};

/** Accounts as an operator makes them, the same on both, outside of the binary log. */
export const createAccounts = async (server: Server, statements: readonly string[]): Promise<void> => {
  const { openForAccounts, closeAfterAccounts, replicationAccount } = server.kind;
  const accounts = ['SET SESSION sql_log_bin=0', ...replicationAccount, ...statements];
  await server.sql([openForAccounts, ...accounts, closeAfterAccounts].join(';'));
};

/** Point a server's one channel at its peer; the threads stay stopped. */
export const pointAt = async (server: Server, peer: PeerAddress): Promise<void> => {
  await server.sql(server.kind.pointAt(peer));
};
