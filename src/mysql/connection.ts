/** One connection to the server: every statement under a deadline, its end noticed at once, nothing thrown outside of a promise. */

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type Connection, createConnection, escape as escapeValue, type SslOptions } from 'mysql2';
import type { Credentials, TlsFiles } from './credentials.js';
import { asDatabaseError, DatabaseError, QUERY_INTERRUPTED } from './errors.js';

export type Row = Readonly<Record<string, unknown>>;

/** Where the server listens; with `socket` the rest is for the admin port only. */
export interface Target {
  readonly socket?: string;
  readonly host?: string;
  readonly port?: number;
  /** MySQL's admin_port, MariaDB's extra_port: the door that is left when the server is full. */
  readonly adminPort?: number;
}

/** A logged-in connection. */
export interface Session {
  /** The server's connection id, for KILL. */
  readonly id: number;
  readonly alive: boolean;
  /**
   * Rows of a result set; empty for any other statement. Statements on one session run one after the other.
   * `name`: what an error calls a statement that holds a secret.
   * @throws DatabaseError; after `deadlineMs` of kind `hanging`, and then the connection is destroyed.
   */
  query(sql: string, deadlineMs: number, name?: string): Promise<readonly Row[]>;
  /** Called once when the connection ends other than by `destroy`. */
  onLost(listener: () => void): void;
  destroy(): void;
}

const DEFAULT_PORT = 3306;
const DEFAULT_HOST = '127.0.0.1';
/** How much of a statement an error message quotes. */
const QUOTED_SQL_CHARS = 80;
/** After KILL QUERY the statement must come back within this, or the connection is destroyed. */
const INTERRUPT_MS = 1_000;

export const describeTarget = (target: Target): string =>
  target.socket ?? `${target.host ?? DEFAULT_HOST}:${target.port ?? DEFAULT_PORT}`;

/**
 * Log in, within `deadlineMs`. A full server is tried once more by its admin port, where one is configured.
 * @throws DatabaseError
 */
export const openSession = async (
  target: Target,
  credentials: Credentials,
  deadlineMs: number,
  hooks: LoginHooks = {},
): Promise<Session> => {
  try {
    return await login(target, credentials, deadlineMs, hooks);
  } catch (error) {
    const failure = asDatabaseError(error, `connect to ${describeTarget(target)}`);
    if (failure.kind !== 'full' || target.adminPort === undefined) throw failure;
    const { host = DEFAULT_HOST, adminPort: port } = target;
    return await login({ host, port }, credentials, deadlineMs, hooks);
  }
};

export interface LoginHooks {
  /** The host answers, whatever the server will say. */
  readonly onAccepted?: () => void;
  /** Given up with it. */
  readonly signal?: AbortSignal;
}

/**
 * Run a statement that may wait for others; at the deadline, or when given up, it is taken back by KILL QUERY from
 * `other`, so that the session stays usable and nothing is left to take effect later.
 * @throws DatabaseError
 */
export const queryOrInterrupt = async (
  session: Session,
  other: Session,
  sql: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<readonly Row[]> => {
  let why = '';
  const interrupt = (reason: string) => {
    if (why !== '') return;
    why = reason;
    // A KILL that fails leaves the statement to its own deadline below.
    other.query(`KILL QUERY ${session.id}`, INTERRUPT_MS).catch(() => undefined);
  };
  const onAbort = () => interrupt('was given up');
  const timer = setTimeout(() => interrupt(`did not finish within ${deadlineMs} ms`), deadlineMs);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await session.query(sql, deadlineMs + INTERRUPT_MS);
  } catch (error) {
    const failure = asDatabaseError(error, quote(sql));
    if (why === '' || failure.errno !== QUERY_INTERRUPTED) throw failure;
    throw new DatabaseError('hanging', QUERY_INTERRUPTED, `${quote(sql)} ${why}, and was taken back`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
};

/** After a stall of ours timers come first, though the answer lies in the socket: it is read before anything is called late. */
const afterReading = (deadlineMs: number, late: () => void): NodeJS.Timeout =>
  setTimeout(() => setImmediate(late), deadlineMs);

const login = (
  target: Target,
  credentials: Credentials,
  deadlineMs: number,
  { onAccepted, signal }: LoginHooks,
): Promise<Session> =>
  new Promise((resolve, reject) => {
    const attempted = `connect to ${describeTarget(target)} as ${credentials.user}`;
    // Our own socket, since mysql2's destroy() only half-closes its one, which a stopped server never answers.
    const socket = target.socket
      ? connect(target.socket)
      : connect({ host: target.host ?? DEFAULT_HOST, port: target.port ?? DEFAULT_PORT, noDelay: true });
    // For an address the library names nobody to tls.connect(), which then asks the socket, and else expects `localhost`.
    if (target.host !== undefined) Object.assign(socket, { _host: target.host });
    let settled = false;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      return true;
    };
    const fail = (error: unknown) => {
      if (!settle()) return;
      socket.destroy();
      reject(asDatabaseError(error, attempted));
    };
    const onAbort = () => fail(new DatabaseError('lost', 0, `${attempted}: given up`));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => onAccepted?.());
    const timer = afterReading(deadlineMs, () =>
      fail(new DatabaseError('hanging', 0, `${attempted}: no answer within ${Math.round(deadlineMs)} ms`)),
    );
    let connection: Connection;
    try {
      connection = createConnection({
        stream: () => socket,
        // Told although the stream is ours: over a socket caching_sha2_password sends the password, and encrypts it over TCP.
        ...(target.socket === undefined ? {} : { socketPath: target.socket }),
        user: credentials.user,
        password: credentials.password,
        // Numbers beyond 2^53 come as text rather than rounded.
        supportBigNumbers: true,
        dateStrings: true,
        connectTimeout: 0,
        ...(target.host === undefined ? {} : { host: target.host }),
        ...(credentials.tls === undefined || target.socket ? {} : { ssl: tlsOptions(credentials.tls) }),
      });
    } catch (error) {
      fail(error);
      return;
    }
    // Kept for the connection's whole life: an 'error' event without a listener would end the agent.
    connection.on('error', fail);
    socket.once('close', () => fail(new DatabaseError('lost', 0, `${attempted}: the server closed the connection`)));
    connection.once('connect', () => {
      if (settle()) resolve(makeSession(connection, socket));
    });
  });

/** @throws Error where a file of the TLS set-up cannot be read. */
const tlsOptions = (tls: TlsFiles): SslOptions => ({
  ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
  ...(tls.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
  ...(tls.key === undefined ? {} : { key: readFileSync(tls.key) }),
  // A name is worth nothing from a certificate that nobody vouches for.
  rejectUnauthorized: tls.ca !== undefined || tls.verifyServer,
  verifyIdentity: tls.verifyServer,
});

/** As a literal of a statement. */
export const quoteText = (value: string): string => escapeValue(value);

const quote = (sql: string): string => {
  const line = sql.replace(/\s+/g, ' ').trim();
  return line.length > QUOTED_SQL_CHARS ? `${line.slice(0, QUOTED_SQL_CHARS)}…` : line;
};

const makeSession = (connection: Connection, socket: Socket): Session => {
  const pending = new Set<(error: DatabaseError) => void>();
  const lostListeners: (() => void)[] = [];
  let alive = true;

  const end = (error: DatabaseError) => {
    if (!alive) return;
    alive = false;
    // mysql2 forgets its queue on destroy(), so the waiting statements are ended here.
    connection.destroy();
    socket.destroy();
    for (const reject of [...pending]) reject(error);
  };
  const lost = (why: string) => {
    if (!alive) return;
    end(new DatabaseError('lost', 0, why));
    for (const listener of lostListeners) listener();
  };
  connection.on('error', (error) => lost(`the connection failed: ${error.message}`));
  socket.once('end', () => lost('the server closed the connection'));
  socket.once('close', () => lost('the connection is closed'));

  const query = (sql: string, deadlineMs: number, name = quote(sql)): Promise<readonly Row[]> =>
    new Promise((resolve, reject) => {
      if (!alive) {
        reject(new DatabaseError('lost', 0, `${name}: the connection is closed`));
        return;
      }
      const settle = (): boolean => {
        clearTimeout(timer);
        return pending.delete(fail);
      };
      const fail = (error: DatabaseError) => {
        if (settle()) reject(asDatabaseError(error, name));
      };
      const timer = afterReading(deadlineMs, () => {
        if (pending.has(fail))
          end(new DatabaseError('hanging', 0, `${name}: no answer within ${Math.round(deadlineMs)} ms`));
      });
      pending.add(fail);
      connection.query(sql, (error: unknown, rows: unknown) => {
        if (error) fail(asDatabaseError(error, name));
        else if (settle()) resolve(Array.isArray(rows) ? (rows as Row[]) : []);
      });
    });

  return {
    // The server's id as the handshake gave it; mysql2 types it as possibly missing.
    id: connection.threadId ?? 0,
    get alive() {
      return alive;
    },
    query,
    onLost: (listener) => {
      lostListeners.push(listener);
    },
    destroy: () => end(new DatabaseError('lost', 0, 'the connection was closed by the agent')),
  };
};
