/** Makes a server read-only at its strongest and ends its client sessions, whoever stands in the way. */

import type { Outcome } from '../core/event.js';
import type { Position } from '../core/types.js';
import { asDatabaseError, DatabaseError, NO_SUCH_THREAD } from './errors.js';
import type { ServerSession } from './flavour.js';
import { clientSessions, describeSessions, nameAccounts } from './sessions.js';
import {
  askAside,
  askCommand,
  askPatiently,
  assertWanted,
  FENCE_ACKNOWLEDGED_MS,
  FENCE_READ_ONLY_MS,
  KILL_SESSIONS_MS,
  LOOK_AGAIN_MS,
  lookAgain,
  SEMI_SYNC_OFF_MS,
  type StepContext,
} from './step.js';

/** Listings in a row that must find nobody. */
const QUIET_LISTINGS = 2;
/** Reads in a row that must agree before a position is final. */
const STABLE_READS = 3;
/** A killed session that was idle is gone by then. */
const GONE_MS = 1;
const SEIZED = 'semi-sync is switched off, since commits that waited for a standby held it up';
/** KILL of each session; a server with thousands is listed again. */
const KILLS_PER_LISTING = 1_000;

/**
 * Events and semi-sync off, read-only, sessions killed, verified. Where the VIP is off by now, commits that semi-sync
 * held back may be let go: their clients do not hear of them, and waiting for them would hold up read-only. Where it
 * may be on, the sessions that wait are killed first, which tells their clients nothing (tried on both families). So are
 * they where semi-sync is not ours to switch off; only where that does not help is it switched off all the same.
 */
export const fence = async (context: StepContext): Promise<Outcome> => {
  const { flavour, command, leavesSemiSync } = context;
  if (flavour.events) await askCommand(context)(flavour.events.off);
  const offStalls = flavour.semiSync?.offStalls === true;
  const killsFirst = offStalls || context.vipMayBeOn || leavesSemiSync;
  const ended: Ended = new Map();
  const acknowledged = killsFirst && (await readOnlyIfAcknowledged(context, ended));
  if (!acknowledged) {
    if (flavour.semiSync) await command.query(flavour.semiSync.off, SEMI_SYNC_OFF_MS);
    await makeReadOnly(context, FENCE_READ_ONLY_MS, ended);
  }
  const told = await endSessions(context, ended);
  const position = await readStablePosition(context);
  if (acknowledged && flavour.semiSync && !leavesSemiSync) {
    const { off } = flavour.semiSync;
    const switched = command.query(off, SEMI_SYNC_OFF_MS);
    if (offStalls) context.leaveBehind(switched, off);
    else await switched;
  }
  const seized = leavesSemiSync && !acknowledged && flavour.semiSync !== undefined;
  return { ok: true, detail: seized ? `${told}; ${SEIZED}` : told, position };
};

/** Client sessions that were killed, by their ids; as many as log in within the deadlines of a fence. */
export type Ended = Map<number, ServerSession>;

/** Whether read-only came through with semi-sync in force: then no commit waits for a standby that is gone. */
const readOnlyIfAcknowledged = async (context: StepContext, ended: Ended): Promise<boolean> => {
  try {
    await makeReadOnly(context, FENCE_ACKNOWLEDGED_MS, ended);
    return true;
  } catch (error) {
    if (asDatabaseError(error, 'read-only').kind !== 'hanging') throw error;
    return false;
  }
};

/**
 * Read-only in force and read back, or a failure that names who holds it up; then nothing is left pending.
 * `ended`: end client sessions meanwhile, and note whose they were. New writes wait from the moment the statement is sent.
 */
export const makeReadOnly = async (context: StepContext, deadlineMs: number, ended?: Ended): Promise<void> => {
  const { flavour } = context;
  let done = false;
  const setting = askPatiently(context, flavour.readOnlyOn, deadlineMs).finally(() => {
    done = true;
  });
  // It may fail while nobody waits for it; the failure is read below.
  setting.catch(() => undefined);
  try {
    if (ended !== undefined) {
      while (!done) {
        await killClients(context, await listAll(context), ended);
        await Promise.race([setting, lookAgain(context)]);
      }
    }
    await setting;
  } catch (error) {
    // The statement is awaited also when the killing failed, so that it can not take effect later.
    await setting.catch(() => undefined);
    throw await blocked(context, asDatabaseError(error, flavour.readOnlyOn));
  }
  if (!(await flavour.readShut(askCommand(context)))) {
    throw new DatabaseError(
      'statement',
      0,
      `${flavour.readOnlyOn} was accepted, yet the server is not read-only at its strongest`,
    );
  }
};

const blocked = async (context: StepContext, failure: DatabaseError): Promise<DatabaseError> => {
  if (failure.kind !== 'hanging') return failure;
  const names = await describeBlockers(context).catch(() => '');
  return new DatabaseError('hanging', failure.errno, `${failure.message}; ${names === '' ? 'no session seen' : names}`);
};

/** Who could be holding up read-only, for an error message. */
export const describeBlockers = async (context: StepContext): Promise<string> => {
  const found = await context.flavour.findBlockers(askAside(context), 0);
  const running = (await listClients(context)).filter((session) => session.statement !== '');
  const parts = [...found.map((blocker) => blocker.what), ...(running.length > 0 ? [describeSessions(running)] : [])];
  return parts.join('; ');
};

const listAll = (context: StepContext): Promise<readonly ServerSession[]> =>
  context.flavour.listSessions(askAside(context));

const listClients = async (context: StepContext): Promise<readonly ServerSession[]> =>
  clientSessions(await listAll(context), context.login.credentials.user);

/** The clients of one listing, all of them killed. */
const killClients = async (
  context: StepContext,
  listed: readonly ServerSession[],
  ended: Ended,
): Promise<readonly ServerSession[]> => {
  const sessions = clientSessions(listed, context.login.credentials.user);
  const living = sessions.filter((session) => session.command !== 'Killed').slice(0, KILLS_PER_LISTING);
  const ask = askAside(context);
  for (const session of living) ended.set(session.id, session);
  await Promise.all(
    living.map((session) =>
      ask(`KILL ${session.id}`).catch((error: unknown) => {
        const failure = asDatabaseError(error, `KILL ${session.id} of ${session.user}@${session.host}`);
        if (failure.errno !== NO_SUCH_THREAD) throw failure;
      }),
    ),
  );
  return sessions;
};

/**
 * Read-only is in force: end every session that is older than that, until none is left twice running. One that logs in
 * later is killed at each listing, and finds the server read-only; a client that reconnects for ever is no reason to
 * wait for ever. Answers what to tell.
 * @throws DatabaseError naming the older sessions that would not go.
 */
export const endSessions = async (context: StepContext, ended: Ended): Promise<string> => {
  let listed = await listAll(context);
  const newest = Math.max(0, ...listed.map((session) => session.id));
  const endsAtMs = context.nowMs() + KILL_SESSIONS_MS;
  let quiet = 0;
  for (let pauseMs = GONE_MS; ; pauseMs = LOOK_AGAIN_MS) {
    assertWanted(context);
    const sessions = await killClients(context, listed, ended);
    const older = sessions.filter((session) => session.id <= newest);
    quiet = older.length === 0 ? quiet + 1 : 0;
    if (quiet >= QUIET_LISTINGS) return `read-only, ${describeEnded(ended)}`;
    if (context.nowMs() > endsAtMs) {
      const who = describeSessions(older);
      throw new DatabaseError('statement', 0, `killed, and still there after ${KILL_SESSIONS_MS} ms: ${who}`);
    }
    if (quiet === 0) await lookAgain(context, pauseMs);
    listed = await listAll(context);
  }
};

const describeEnded = (ended: Ended): string => {
  const who = ended.size === 0 ? '' : `: ${nameAccounts([...ended.values()])}`;
  return `${ended.size} client sessions ended${who}`;
};

/** Final once it was read three times running. @throws DatabaseError where it moves on for the time sessions may take. */
export const readStablePosition = async (context: StepContext): Promise<Position> => {
  const { flavour } = context;
  const endsAtMs = context.nowMs() + KILL_SESSIONS_MS;
  let position = await flavour.readPosition(askCommand(context));
  for (let same = 1; same < STABLE_READS; ) {
    const again = await flavour.readPosition(askCommand(context));
    same = again === position ? same + 1 : 1;
    position = again;
    if (same === 1 && context.nowMs() > endsAtMs) {
      const who = describeSessions(await listClients(context));
      throw new DatabaseError(
        'statement',
        0,
        `read-only, yet something still commits: ${who || 'no client session seen'}`,
      );
    }
  }
  return position;
};
