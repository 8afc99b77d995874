/** On the new active: feeds shipped transactions to the server through its own client, each with its original GTID. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findNoRoom } from './binlog-room.js';
import type { Target } from './connection.js';
import type { Credentials } from './credentials.js';
import { type Ask, number, type SalvageWords } from './flavour.js';
import type { Link } from './links.js';
import { startProgram } from './salvage-program.js';
import { PROMPT_MS } from './step.js';

export interface Applier {
  /** The server's id of the client's connection, once it has logged in; 0 before. */
  readonly connectionId: number;
  /** How much of what was written is out of our hands; the client has read it but for what fits into a pipe. */
  readonly takenBytes: number;
  /** The server is seen at work on what it has: the stall is counted anew. */
  moved(): void;
  /** Resolves when more can be taken. @throws Error with what the server said, or where nothing moves any more. */
  write(bytes: Buffer): Promise<void>;
  /** All has been written: waits for the last of it. @throws Error as `write` */
  finish(): Promise<void>;
  /**
   * Ends the client where it stands; the server rolls back what was not committed. Never by closing its input: the client
   * runs what it has of a statement that was cut off.
   */
  kill(): Promise<void>;
}

export interface ApplierOptions {
  readonly target: Target;
  readonly credentials: Credentials;
  /** Nothing taken by the client for this long, and nothing said of `moved`: it has stalled. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly words: Pick<SalvageWords, 'clientProgram' | 'verifyServer'>;
}

/** Tells the client's connection, so that it can be ended on the server as well. */
const WHO_AM_I = 'SELECT CONNECTION_ID();\n';
/** The most that either server and client can be set to (manuals, max_allowed_packet); mariadb-binlog prints what is larger in fragments. */
const LARGEST_PACKET = 1_073_741_824;
/** After KILL, for the server to roll the rest back. */
const ROLLBACK_MS = 10_000;
const LOOK_MS = 100;

/**
 * For the time of `work` a session that logs in may send the largest statement there is: the programs print all rows of a
 * statement as one, while replication takes them in small events, whatever max_allowed_packet says. Where it cannot be set,
 * `work` goes on all the same: few statements are that large, and the server tells of one. An agent that dies meanwhile
 * leaves it as it is until the server's next start.
 */
export const withLargestPackets = async <T>(ask: Ask, work: () => Promise<T>): Promise<T> => {
  const [row] = await ask('SELECT @@global.max_allowed_packet AS bytes');
  const bytes = number(row, 'bytes');
  if (bytes >= LARGEST_PACKET) return await work();
  const set = (value: number) => ask(`SET GLOBAL max_allowed_packet=${value}`).catch(() => undefined);
  await set(LARGEST_PACKET);
  try {
    return await work();
  } finally {
    await set(bytes);
  }
};

/** @throws Error where the login cannot be handed over. */
export const startApplier = async (options: ApplierOptions): Promise<Applier> => {
  const { signal, stallMs } = options;
  const { clientProgram: name, verifyServer } = options.words;
  const login = await writeLogin(options.target, options.credentials, verifyServer);
  const program = startProgram(
    name,
    [
      '--defaults-file=/proc/self/fd/3',
      '--batch',
      '--unbuffered',
      '--skip-column-names',
      // Else `\!` and other client commands in a text would be obeyed (MariaDB manual, --binary-mode).
      '--binary-mode',
      '--skip-reconnect',
      `--max-allowed-packet=${LARGEST_PACKET}`,
    ],
    login.fd,
  );
  login.close().catch(() => undefined);
  const { stdin, stdout } = program.child;
  let connectionId = 0;
  stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (connectionId === 0) connectionId = Number.parseInt(text, 10) || 0;
  });
  stdin?.write(WHO_AM_I);
  let failure: Error | undefined;
  let takenBytes = 0;
  let interrupt: (error: Error) => void = () => undefined;
  let countAnew: () => void = () => undefined;
  const ended = program.ended.then((why) => {
    failure = new Error(why === '' ? `${name} ended before its input did` : why);
    interrupt(failure);
    return why;
  });

  /** Resolves with `work`, or rejects when the client ends first, nothing moves, or it is given up. One at a time. */
  const orFailure = <T>(work: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        interrupt = () => undefined;
        countAnew = () => undefined;
        then();
      };
      const onAbort = () => settle(() => reject(new Error('it was given up')));
      const timer = setTimeout(() => {
        const why = `the server took nothing for ${stallMs} ms; is its disk full, or does it wait for a lock?`;
        settle(() => reject(new Error(why)));
      }, stallMs);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      interrupt = (error) => settle(() => reject(error));
      countAnew = () => timer.refresh();
      work.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error)),
      );
    });

  return {
    get connectionId() {
      return connectionId;
    },
    get takenBytes() {
      return takenBytes;
    },
    moved: () => countAnew(),
    write: async (bytes) => {
      if (failure !== undefined) throw failure;
      const taken = new Promise<void>((resolve) => {
        if (stdin === null || stdin.write(bytes)) resolve();
        else stdin.once('drain', resolve);
      });
      await orFailure(taken);
      takenBytes += bytes.length;
    },
    finish: async () => {
      stdin?.end();
      const over = orFailure(ended);
      interrupt = () => undefined;
      const why = await over;
      if (why !== '') throw new Error(why);
    },
    kill: async () => {
      program.kill();
      await ended;
    },
  };
};

/**
 * The client, and its connection on the server: a commit it had begun is done, the rest rolled back, when this returns. But
 * for a commit that waits for room in the binary log: it is left to it, and the text says so. Were it killed, MariaDB would
 * roll it back and count its GTID as done, and MySQL would end the server (binlog_error_action). Never rejects.
 */
export const endApplier = async (applier: Applier, link: Link): Promise<string> => {
  const { session } = link;
  const id = applier.connectionId;
  await applier.kill();
  const ask = (sql: string) => session.query(sql, PROMPT_MS);
  try {
    if (!(await isThere(link, id))) return '';
    const noRoom = await findNoRoom(session, PROMPT_MS);
    if (noRoom !== '') return noRoom;
    await ask(`KILL ${id}`).catch(() => undefined);
    for (let waitedMs = 0; waitedMs < ROLLBACK_MS; waitedMs += LOOK_MS) {
      if (!(await isThere(link, id))) return '';
      await sleep(LOOK_MS);
    }
  } catch {
    // A server that is gone has rolled everything back.
  }
  return '';
};

/** The connection of a client that has ended: the server is still at what it had last been given. */
export const isThere = async ({ session, flavour }: Link, id: number): Promise<boolean> => {
  if (id === 0) return false;
  const sessions = await flavour.listSessions((sql) => session.query(sql, PROMPT_MS));
  return sessions.some((one) => one.id === id);
};

/**
 * The login as an option file without a name: neither arguments, environment nor a directory show it, and it is gone with
 * the last descriptor.
 */
export const writeLogin = async (
  target: Target,
  { user, password, tls }: Credentials,
  verifyServer: string,
): Promise<FileHandle> => {
  const path = join(tmpdir(), `vipd-${randomBytes(12).toString('hex')}`);
  const address =
    target.socket === undefined
      ? [`host=${quote(target.host ?? '127.0.0.1')}`, `port=${target.port ?? 3306}`, 'protocol=tcp']
      : [`socket=${quote(target.socket)}`];
  const certificates =
    tls === undefined || target.socket !== undefined
      ? []
      : [
          ...(tls.ca === undefined ? [] : [`ssl-ca=${quote(tls.ca)}`]),
          ...(tls.cert === undefined ? [] : [`ssl-cert=${quote(tls.cert)}`]),
          ...(tls.key === undefined ? [] : [`ssl-key=${quote(tls.key)}`]),
          ...(tls.verifyServer ? [verifyServer] : []),
        ];
  const lines = ['[client]', `user=${quote(user)}`, `password=${quote(password)}`, ...address, ...certificates, ''];
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx+', 0o600);
    await unlink(path);
    await file.writeFile(lines.join('\n'));
    return file;
  } catch (error) {
    await file?.close().catch(() => undefined);
    const { code, message } = error as NodeJS.ErrnoException;
    const advice = code === 'ENOSPC' ? '; make some room there' : '';
    throw new Error(`cannot hand the login to the client by a file in ${tmpdir()}: ${code ?? message}${advice}`);
  }
};

/** Quotes keep `#` and spaces; a backslash takes back the meaning of the next (MariaDB manual, option files). */
const quote = (value: string): string => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
