/** What every step on the database has at hand, and the deadlines that bind it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../core/event.js';
import type { CpuMs } from './at-work.js';
import { queryOrInterrupt, type Row, type Session, type Target } from './connection.js';
import type { Credentials } from './credentials.js';
import { DatabaseError } from './errors.js';
import type { Ask, Flavour } from './flavour.js';

export interface StepContext {
  readonly flavour: Flavour;
  /** Runs the step's statements. */
  readonly command: Session;
  /** Looks on, and kills, while `command` waits. */
  readonly aside: Session;
  /** How the server's own programs log in. Sessions of this user are spared. */
  readonly login: { readonly target: Target; readonly credentials: Credentials };
  /** The server is another host's, whose clients still reach it by its VIP for all that is known. */
  readonly vipMayBeOn: boolean;
  /** Another hand switches semi-sync on and off. */
  readonly leavesSemiSync: boolean;
  /** The channel's source does not answer: nothing more comes from it, and it cannot be logged in to. */
  readonly sourceSilent: boolean;
  /** The receiver was told to stop by an earlier step, and waits for its source; null: it was not, or has stopped. */
  readonly receiverStopping: Promise<unknown> | null;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Of the server's threads, where its process runs on this host. */
  readonly cpuMs: CpuMs;
  progress(text: string): void;
  /** `command` stays busy with this work after the step's end; the next step gets another session. */
  leaveBehind(work: Promise<unknown>, what: string): void;
  /** The same where the work is a receiver that is told to stop: no step starts the channel before its end. */
  leaveStopping(work: Promise<unknown>, what: string): void;
}

/** A statement that has nothing to wait for: reads, and variables that take effect at once. */
export const PROMPT_MS = 2_000;
/** Read-only in a fence, while sessions are killed beside it. */
export const FENCE_READ_ONLY_MS = 5_000;
/** The same where commits need only the standby's acknowledgement, which takes a round trip. */
export const FENCE_ACKNOWLEDGED_MS = 200;
/** Switching semi-sync off; MySQL takes up to a second. */
export const SEMI_SYNC_OFF_MS = 5_000;
/** Until no client session is left. */
export const KILL_SESSIONS_MS = 3_000;
/** START and STOP of replication threads wait for the running event, and the receiver for its socket. */
export const REPLICA_CONTROL_MS = 10_000;
/** A receiver whose source answers stops within this; beyond it, it is waiting for a source that does not. */
export const RECEIVER_GRACE_MS = 30;
/** The same where the source is known to be silent: what does not wait for it is over by then. */
export const SILENT_GRACE_MS = 2;
/** From START to the receiver running, or saying why it does not. */
export const CONNECT_CHANNEL_MS = 10_000;
/** Applying may take as long as it moves; without a move for this long it has stalled. */
export const DEFAULT_STALL_MS = 30_000;
/** One wait for the applier, so that a thread stopped by an error and a step given up are noticed. */
export const WAIT_SLICE_SECONDS = 0.2;
/** The probe write of an opening. */
export const PROBE_WRITE_MS = 5_000;
/** Between two looks at something that changes by itself. */
export const LOOK_AGAIN_MS = 5;

export const askCommand =
  (context: StepContext, deadlineMs: number = PROMPT_MS): Ask =>
  (sql) =>
    context.command.query(sql, deadlineMs);

export const askAside =
  (context: StepContext, deadlineMs: number = PROMPT_MS): Ask =>
  (sql) =>
    context.aside.query(sql, deadlineMs);

/** A statement that may have to wait for others, taken back at the deadline. */
export const askPatiently = (context: StepContext, sql: string, deadlineMs: number): Promise<readonly Row[]> =>
  queryOrInterrupt(context.command, context.aside, sql, deadlineMs, context.signal);

/** @throws DatabaseError once the step was given up. */
export const assertWanted = (context: StepContext): void => {
  if (context.signal.aborted) throw new DatabaseError('statement', 0, 'the step was given up');
};

export const lookAgain = async (context: StepContext, pauseMs: number = LOOK_AGAIN_MS): Promise<void> => {
  assertWanted(context);
  await sleep(pauseMs);
};

/** The server is at work on a statement of `command`. */
export const isUnderWay = async (context: StepContext): Promise<boolean> => {
  const sessions = await context.flavour.listSessions(askAside(context));
  return sessions.some(({ id, statement }) => id === context.command.id && statement !== '');
};

export const failed = (detail: string): Outcome => ({ ok: false, detail });
