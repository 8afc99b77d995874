/**
 * The write load: a program that runs on a client host and writes rows through the VIP until it is told to stop.
 *
 * `fresh`: a new connection and one row every few milliseconds, as an application without a pool. `held`: one session
 * that writes row after row, and connects again when it breaks. Each row bears the server that took it, and when by
 * that server's clock. Prints one line for each attempt: number, begin and end in milliseconds of CLOCK_MONOTONIC, and what came of it.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2';
import type { LoadSettings } from './load.js';

/** Well above the lease, so that no attempt of a healthy group is given up; a lost SYN is only resent after a second. */
const CONNECT_TIMEOUT_MS = 400;
const ATTEMPT_TIMEOUT_MS = 1_500;
/** Attempts under way at once; what would be more is left out, and the gap shows. */
const MAX_IN_FLIGHT = 200;
const RECONNECT_PAUSE_MS = 20;

/** SYSDATE: when it is carried out, not when the statement came in (MariaDB manual). */
const SERVER_AT_US = 'ROUND(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000)';
const INSERT = `INSERT INTO lab.writes (id, client_at, server_id, server_at_us, host)
  VALUES (?, ?, @@server_id, ${SERVER_AT_US}, @@hostname)`;

const settingsFile = process.argv[2];
if (settingsFile === undefined) throw new Error('usage: load-client SETTINGS-FILE');
const settings = JSON.parse(readFileSync(settingsFile, 'utf8')) as LoadSettings;

const target: ConnectionOptions = {
  host: settings.host,
  port: settings.port,
  user: settings.user,
  password: settings.password,
  connectTimeout: CONNECT_TIMEOUT_MS,
};

let stopping = false;
let nextId = settings.firstId;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const report = (id: number, begin: number, error: string): void => {
  const outcome = error === '' ? 'ok' : error.replaceAll(/\s+/g, ' ');
  process.stdout.write(`${id} ${begin.toFixed(3)} ${now().toFixed(3)} ${outcome}\n`);
};

/** Ends with the text of the error, empty for an acknowledged row. Whatever happens, it ends within its time. */
const insert = (connection: Connection, id: number): Promise<string> =>
  new Promise((resolve) => {
    const end = (error: string): void => {
      clearTimeout(timer);
      resolve(error);
    };
    const timer = setTimeout(() => {
      connection.destroy();
      end('no answer in time');
    }, ATTEMPT_TIMEOUT_MS);
    connection.once('error', (error: Error) => end(error.message));
    connection.query({ sql: INSERT, values: [id, Date.now()] }, (error) => end(error?.message ?? ''));
  });

const writeFresh = async (id: number): Promise<void> => {
  const begin = now();
  const connection = createConnection(target);
  const error = await insert(connection, id);
  // An abrupt end after the answer is cheaper than a polite one, and does not wait for a server that has gone away.
  connection.destroy();
  report(id, begin, error);
};

const loadFresh = async (): Promise<void> => {
  const underWay = new Set<Promise<void>>();
  const start = now();
  for (let turn = 1; !stopping; turn += 1) {
    if (underWay.size < MAX_IN_FLIGHT) {
      const writing = writeFresh(nextId++);
      underWay.add(writing);
      void writing.finally(() => underWay.delete(writing));
    }
    await sleep(Math.max(0, start + turn * settings.everyMs - now()));
  }
  await Promise.all(underWay);
};

const loadHeld = async (): Promise<void> => {
  while (!stopping) {
    const connection = createConnection(target);
    let error = '';
    while (error === '' && !stopping) {
      const begin = now();
      const id = nextId++;
      error = await insert(connection, id);
      connection.removeAllListeners('error');
      connection.on('error', () => undefined);
      report(id, begin, error);
      await sleep(settings.everyMs);
    }
    connection.destroy();
    await sleep(RECONNECT_PAUSE_MS);
  }
};

process.once('SIGTERM', () => {
  stopping = true;
});
await (settings.kind === 'fresh' ? loadFresh() : loadHeld());
