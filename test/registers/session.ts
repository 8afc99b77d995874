/** One connection of a client: every question ends in time, and one that was not answered ends the connection. */

import { type Connection, type ConnectionOptions, createConnection, type QueryError } from 'mysql2';

const CONNECT_TIMEOUT_MS = 400;
const ATTEMPT_TIMEOUT_MS = 1_500;

/** Refusals after which the server has rolled back: read-only (1290, 1836), lock wait (1205), deadlock (1213). */
const REFUSALS: readonly number[] = [1205, 1213, 1290, 1836];

/** `refused`: the server said no, and nothing came of it. `unknown`: it may still do it, or have done it. */
export type Answer =
  | { readonly kind: 'answered'; readonly result: unknown }
  | { readonly kind: 'refused' | 'unknown'; readonly error: string };

export interface Session {
  ask(sql: string, values: readonly unknown[]): Promise<Answer>;
  end(): void;
}

type Callback = (error: (Partial<QueryError> & Error) | null, result?: unknown) => void;

const bounded = (connection: Connection, ask: (callback: Callback) => void): Promise<Answer> =>
  new Promise((resolve) => {
    const end: Callback = (error, result) => {
      clearTimeout(timer);
      if (error === null) return resolve({ kind: 'answered', result });
      const refused = REFUSALS.includes(error.errno ?? 0);
      if (!refused) connection.destroy();
      resolve({ kind: refused ? 'refused' : 'unknown', error: error.message.replaceAll(/\s+/g, ' ') });
    };
    const timer = setTimeout(() => end(new Error('no answer in time')), ATTEMPT_TIMEOUT_MS);
    ask(end);
  });

/** A text says why there is none: nothing was asked of the server yet. */
export const openSession = async (target: ConnectionOptions): Promise<Session | string> => {
  const connection = createConnection({ ...target, connectTimeout: CONNECT_TIMEOUT_MS });
  connection.on('error', () => undefined);
  const opened = await bounded(connection, (callback) => connection.connect(callback));
  if (opened.kind !== 'answered') return opened.error;
  return {
    ask: (sql, values) => bounded(connection, (callback) => connection.query({ sql, values: [...values] }, callback)),
    end: () => connection.destroy(),
  };
};
