/** Opens a server for clients, proven by a write; and switches semi-sync. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../core/event.js';
import type { Session } from './connection.js';
import { asDatabaseError, DatabaseError, NO_SUCH_DATABASE, NO_SUCH_TABLE } from './errors.js';
import { dumpSessions } from './sessions.js';
import {
  askAside,
  askCommand,
  failed,
  isUnderWay,
  LOOK_AGAIN_MS,
  PROBE_WRITE_MS,
  PROMPT_MS,
  SEMI_SYNC_OFF_MS,
  type StepContext,
} from './step.js';

/** One row, kept out of the binary log and so out of replication; each server has its own. */
const PROBE_WRITE = `INSERT INTO vipd.vipd_probe (id, writes) VALUES (1, 1) ON DUPLICATE KEY UPDATE writes = writes + 1`;
const PROBE_TABLE = [
  'CREATE DATABASE IF NOT EXISTS vipd',
  `CREATE TABLE IF NOT EXISTS vipd.vipd_probe (id TINYINT UNSIGNED NOT NULL PRIMARY KEY, writes BIGINT UNSIGNED NOT NULL,
   at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)) ENGINE=InnoDB
   COMMENT='written by vipd to prove that this server takes writes; never replicated'`,
];

/** Does nothing where it is there. Needs the privilege to write on a read-only server. @throws DatabaseError */
export const makeProbeTable = async (session: Session, deadlineMs: number): Promise<void> => {
  for (const statement of PROBE_TABLE) await session.query(statement, deadlineMs);
};

/** Commit one small write; the table is made at the first. @throws DatabaseError */
export const writeProbe = async (session: Session, deadlineMs: number): Promise<void> => {
  try {
    await session.query(PROBE_WRITE, deadlineMs);
  } catch (error) {
    const failure = asDatabaseError(error, PROBE_WRITE);
    if (failure.errno !== NO_SUCH_TABLE && failure.errno !== NO_SUCH_DATABASE) throw failure;
    await makeProbeTable(session, deadlineMs);
    await session.query(PROBE_WRITE, deadlineMs);
  }
};

/** Writable, read back, one write committed; else read-only again. */
export const openForClients = async (context: StepContext): Promise<Outcome> => {
  const { flavour } = context;
  const ask = askCommand(context);
  try {
    await ask(flavour.readOnlyOff);
    if (await flavour.readReadOnly(ask)) {
      throw new DatabaseError('statement', 0, `${flavour.readOnlyOff} was accepted, yet the server is read-only`);
    }
    await writeProbe(context.command, PROBE_WRITE_MS);
    return { ok: true, detail: 'writable, probe write committed', position: await flavour.readPosition(ask) };
  } catch (error) {
    const why = asDatabaseError(error, 'open').message;
    // From the other session: the first may be the one that hangs.
    const closed = await context.aside.query(flavour.readOnlyOn, PROMPT_MS).then(
      () => 'read-only again',
      (again: unknown) => `and not made read-only again: ${asDatabaseError(again, flavour.readOnlyOn).message}`,
    );
    return failed(`${why}; ${closed}`);
  }
};

export const switchSemiSync = async (context: StepContext, on: boolean): Promise<Outcome> => {
  const { semiSync } = context.flavour;
  if (semiSync === undefined) {
    return on
      ? failed('the server has no semi-synchronous replication: load its plugin')
      : { ok: true, detail: 'not there' };
  }
  if (on) for (const statement of semiSync.on) await context.command.query(statement, SEMI_SYNC_OFF_MS);
  else if (semiSync.offStalls) await switchOffAtOnce(context, semiSync.off);
  else await context.command.query(semiSync.off, SEMI_SYNC_OFF_MS);
  const status = await context.flavour.readStatus(askCommand(context));
  if (status.semiSync !== on)
    return failed(`semi-sync was switched ${on ? 'on' : 'off'}, yet the server says otherwise`);
  return { ok: true, detail: on ? `on, ${status.semiSyncReplicas} replicas acknowledge` : 'off' };
};

/**
 * MySQL's OFF lets commits go, and then waits, as does every login, for its thread for acknowledgements to look up: once a
 * second, or when a replica's connection ends (semisync_source_ack_receiver.cc, run and stop). So those are ended, once it
 * is being waited for; sooner, it would take note of their end, and of nothing else for a second. A replica that is there
 * connects again at once.
 */
const switchOffAtOnce = async (context: StepContext, off: string): Promise<void> => {
  const ask = askAside(context);
  const replicas = dumpSessions(await context.flavour.listSessions(ask));
  let done = false;
  const switched = context.command.query(off, SEMI_SYNC_OFF_MS).finally(() => {
    done = true;
  });
  switched.catch(() => undefined);
  while (!done && !(await isUnderWay(context))) await sleep(LOOK_AGAIN_MS);
  // It has let go of the commits by then, and waits.
  await sleep(LOOK_AGAIN_MS);
  if (!done) for (const { id } of replicas) await ask(`KILL ${id}`).catch(() => undefined);
  await switched;
};
