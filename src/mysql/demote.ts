/** First half of a switchover: read-only for good at a final position, or everything as it was. */

import type { Outcome } from '../core/event.js';
import type { Position } from '../core/types.js';
import { asDatabaseError, DatabaseError } from './errors.js';
import { type Ended, endSessions, makeReadOnly, readStablePosition } from './fence.js';
import { type Ask, number, type ServerSession } from './flavour.js';
import { clientSessions, describeSessions } from './sessions.js';
import { askAside, askCommand, failed, lookAgain, PROMPT_MS, type StepContext } from './step.js';

/**
 * An open transaction of this age is in the way of a planned move. The servers tell by how many whole seconds of the clock it
 * began earlier: one that began a moment ago may be of 1 s, and one of 2 s has lasted for more than a second.
 */
const LONG_TRANSACTION_SECONDS = 2;
/** Share of the step's time that read-only may take; with force it is tried twice. */
const READ_ONLY_SHARE = 0.4;
/** With force, for what ends by itself; new writes wait meanwhile, and then whoever is in the way is killed. */
const FORCE_GRACE_MS = 500;
/** Long enough for a client that comes back as often as it is killed. */
const LATECOMERS_MS = 100;

/**
 * Read-only with semi-sync in force: while clients are still answered, each commit they hear of is on the standby. A standby
 * that answers holds a commit up for a round trip only; one that does not makes the move fail, and it could not finish.
 */
export const demote = async (context: StepContext, force: boolean, timeoutMs: number): Promise<Outcome> => {
  const { flavour } = context;
  const ask = askCommand(context);
  const eventsWereOn = flavour.events !== undefined && (await flavour.readEventsOn(ask));
  try {
    if (flavour.events && eventsWereOn) await ask(flavour.events.off);
    const ended: Ended = new Map();
    await readOnlyOrForce(context, force, timeoutMs * READ_ONLY_SHARE, ended);
    const logins = await readLogins(ask);
    const detail = await endSessions(context, ended);
    // Semi-sync stays in force: `sync=on` is still on record, and an undo serves under it. The fence switches it off.
    const position = await readStablePosition(context);
    if ((await readLogins(ask)) > logins) await watchLatecomers(context, position);
    return { ok: true, detail, position };
  } catch (error) {
    const why = asDatabaseError(error, 'demotion').message;
    // Given up by the core: it may be fencing by now, and then nothing here may open the server again.
    if (context.signal.aborted) return failed(`given up: ${why}`);
    return failed(`${why}; ${await undo(context, eventsWereOn)}`);
  }
};

const readOnlyOrForce = async (
  context: StepContext,
  force: boolean,
  deadlineMs: number,
  ended: Ended,
): Promise<void> => {
  try {
    await makeReadOnly(context, force ? Math.min(FORCE_GRACE_MS, deadlineMs) : deadlineMs);
  } catch (error) {
    const failure = asDatabaseError(error, 'read-only');
    if (!force || failure.kind !== 'hanging' || context.signal.aborted) throw failure;
    await makeReadOnly(context, deadlineMs, ended);
  }
};

/** How many have ever logged in, or tried to. */
const readLogins = async (ask: Ask): Promise<number> =>
  number((await ask("SHOW GLOBAL STATUS LIKE 'Connections'"))[0], 'Value');

/**
 * The guard answers new connections to the VIP with a reset by now, so whoever logs in comes past it. One whom read-only does
 * not bind (MariaDB: READ_ONLY ADMIN) would go on writing behind the final position; it is let in here, to show itself.
 * @throws DatabaseError naming who is there when something is committed.
 */
const watchLatecomers = async (context: StepContext, position: Position): Promise<void> => {
  const { flavour, login } = context;
  const endsAtMs = context.nowMs() + LATECOMERS_MS;
  const seen = new Map<number, ServerSession>();
  while (context.nowMs() < endsAtMs) {
    for (const one of clientSessions(await flavour.listSessions(askAside(context)), login.credentials.user))
      seen.set(one.id, one);
    if ((await flavour.readPosition(askCommand(context))) !== position) {
      const who = describeSessions([...seen.values()]) || 'somebody who was gone again';
      const why = 'read-only does not bind it, and it logs in past the VIP';
      throw new DatabaseError('statement', 0, `read-only, yet something still commits: ${who}; ${why}`);
    }
    await lookAgain(context);
  }
};

const undo = async (context: StepContext, eventsWereOn: boolean): Promise<string> => {
  const { flavour } = context;
  const statements = [flavour.readOnlyOff, ...(eventsWereOn && flavour.events ? [flavour.events.on] : [])];
  for (const statement of statements) {
    if (context.signal.aborted) return 'not undone, since the step was given up';
    try {
      await context.command.query(statement, PROMPT_MS);
    } catch (error) {
      return `undo failed: ${asDatabaseError(error, statement).message}`;
    }
  }
  return 'undone: writable again';
};

/** What would block a switchover now. Changes nothing. */
export const preflight = async (context: StepContext): Promise<Outcome> => {
  const blockers = await context.flavour.findBlockers(askCommand(context), LONG_TRANSACTION_SECONDS);
  if (blockers.length === 0) return { ok: true, detail: 'nothing in the way' };
  return failed(`in the way: ${blockers.map((blocker) => blocker.what).join('; ')}`);
};
