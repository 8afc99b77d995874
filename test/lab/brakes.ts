/** Brings a standby's applier to a stand at marks in the stream of changes, as a long report there does: by locks on tables. */

import { type Connection, createConnection } from 'mysql2/promise';
import type { Server } from './mysqld.js';
import { waitFor } from './wait.js';

const ARRIVES_WITHIN_MS = 60_000;

export interface Brakes {
  /** A commit on the source past which the applier does not come. The receiver does, and acknowledges. */
  mark(): Promise<void>;
  /** Lets it past the oldest mark, on to the next. */
  letPast(): Promise<void>;
  /** Past all of them; also where the server is gone. */
  end(): void;
}

const table = (mark: number): string => `lab.mark_${mark}`;

/** For so many marks: each has a table of its own, and a session on the replica that holds a reader's lock on it. */
export const fitBrakes = async (source: Server, replica: Server, marks: number): Promise<Brakes> => {
  for (const mark of numbersTo(marks)) await source.sql(`CREATE TABLE ${table(mark)} (id INT PRIMARY KEY)`);
  await waitFor(
    () => replica.sql(`SELECT 1 FROM ${table(marks)}`).then(() => true),
    `${table(marks)} arrives on the replica`,
    ARRIVES_WITHIN_MS,
  );
  return await lockMarks(source, replica, marks);
};

/** Once more on a replica that was restarted since: no mark must have been set before. */
export const lockMarks = async (source: Server, replica: Server, marks: number): Promise<Brakes> => {
  const sessions: Connection[] = [];
  for (const mark of numbersTo(marks)) {
    const session = await createConnection({ socketPath: replica.socket, user: 'root' });
    session.on('error', () => undefined);
    await session.query(`LOCK TABLES ${table(mark)} READ`);
    sessions.push(session);
  }
  let marked = 0;
  return {
    mark: async () => {
      marked += 1;
      await source.sql(`INSERT INTO ${table(marked)} VALUES (1)`);
    },
    letPast: async () => {
      await sessions.shift()?.query('UNLOCK TABLES');
    },
    end: () => {
      for (const session of sessions) session.destroy();
    },
  };
};

const numbersTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
