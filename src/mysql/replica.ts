/** The channel from the peer: applied to the end and stopped, or judged and started again. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Step } from '../core/effect.js';
import type { Outcome } from '../core/event.js';
import { containsPosition, countMissing, differencePosition, mergePositions } from '../core/position.js';
import type { Position } from '../core/types.js';
import { watchWork } from './at-work.js';
import { asDatabaseError, DatabaseError, kindOf, NO_SUCH_THREAD } from './errors.js';
import { type Channel, type Flavour, number, type ReplicaStatus } from './flavour.js';
import { applyRelayLogs } from './relay-apply.js';
import {
  askAside,
  askCommand,
  askPatiently,
  assertWanted,
  CONNECT_CHANNEL_MS,
  failed,
  isUnderWay,
  LOOK_AGAIN_MS,
  lookAgain,
  PROMPT_MS,
  RECEIVER_GRACE_MS,
  REPLICA_CONTROL_MS,
  SILENT_GRACE_MS,
  type StepContext,
  WAIT_SLICE_SECONDS,
} from './step.js';

/** Starts the outcome of a node that has what the active has not. */
export const DIVERGED = 'diverged: ';

/** What is to be applied, and whether the channel is stopped then. */
export type CatchUp = Pick<Extract<Step, { name: 'database-catch-up' }>, 'target' | 'stop' | 'resume'>;

/**
 * Apply up to `target`, or all that was received; then, with `stop`, stop the channel. With `resume` a receiver that stands
 * still, with nothing wrong, is started for what is missing of `target`. Answers the position.
 */
export const catchUp = async (
  context: StepContext,
  { target, stop, resume = false }: CatchUp,
  stallMs: number,
): Promise<Outcome> => {
  const { flavour } = context;
  const ask = askAside(context);
  if (target !== null) {
    let reached: Pick<ReplicaStatus, 'position' | 'channel'> = { position: await flavour.readPosition(ask) };
    if (!containsPosition(reached.position, target)) {
      if (resume) await resumeChannel(context);
      reached = await waitFor(context, () => target, stallMs);
    }
    if (!stop) return { ok: true, detail: 'applied', position: reached.position };
  }
  const status = await flavour.readReplica(ask);
  if (status.channel === undefined) {
    return { ok: true, detail: 'no channel is configured here', position: status.position };
  }
  const applies = await ensureApplies(context, status.channel, status.position, stallMs);
  const stopping = status.channel.io === 'stopped' ? STOPPED : await stopReceiverOnce(context);
  const received = (now: ReplicaStatus) => now.channel?.received ?? now.position;
  // A stopped channel of MariaDB goes on telling what it received once, also where that was given up since.
  let reached = applies ? await waitFor(context, received, stallMs) : await flavour.readReplica(ask);
  if (stopping.pending && reached.channel?.receiverWaits !== true) {
    // What it had read when it was told to stop may have been written down since.
    await lookAgain(context);
    reached = await waitFor(context, received, stallMs);
  }
  const { position } = reached;
  if (!stop) {
    await stopping.work;
    return { ok: true, detail: 'all applied', position };
  }
  if (!stopping.pending) {
    await stopApplier(context);
    return { ok: true, detail: 'all applied, channel stopped', position };
  }
  // The applier is to be stopped also where the receiver would not.
  const stopBoth = async () => {
    await endHalfApplied(context);
    await context.command.query(flavour.stopReplica, REPLICA_CONTROL_MS);
  };
  const rest = stopping.work.then(stopBoth, stopBoth);
  context.leaveStopping(rest, flavour.stopReplica);
  return { ok: true, detail: 'all applied, receiver told to stop; its source does not answer', position };
};

/** For a channel whose receiver has stopped, with all applied that came whole. */
const stopApplier = async (context: StepContext): Promise<void> => {
  await endHalfApplied(context);
  await askPatiently(context, context.flavour.stopReplica, REPLICA_CONTROL_MS);
};

/** Ended before the STOP: that would wait a minute for the rest, also behind a KILL that has not taken effect (decision 66). */
const endHalfApplied = async (context: StepContext): Promise<void> => {
  const ask = askCommand(context);
  const find = async () => await context.flavour.findHalfApplied?.(ask);
  const half = await find();
  if (half === undefined) return;
  const kill = `KILL ${half}`;
  await ask(kill).catch((error: unknown) => {
    const failure = asDatabaseError(error, kill);
    if (failure.errno !== NO_SUCH_THREAD) throw failure;
  });
  const endsAtMs = context.nowMs() + REPLICA_CONTROL_MS;
  while ((await find()) === half && context.nowMs() < endsAtMs) await sleep(LOOK_AGAIN_MS);
};

/** @throws DatabaseError where it does not connect. */
const resumeChannel = async (context: StepContext): Promise<void> => {
  // Started before it has stopped it would be stopped again.
  await context.receiverStopping;
  const status = await context.flavour.readReplica(askAside(context));
  const { channel } = status;
  if (channel === undefined || channel.io !== 'stopped' || channel.error !== undefined) return;
  const started = await startChannel(context, status, false);
  if (!started.ok) throw new DatabaseError('statement', 0, started.detail);
};

interface Stopping {
  /** It was told, and waits for its source. */
  readonly pending: boolean;
  readonly work: Promise<unknown>;
}

const STOPPED: Stopping = { pending: false, work: Promise.resolve() };

/**
 * The receiver alone first: with both threads stopped MariaDB throws away what was not applied (mysql.md).
 *
 * As a semi-sync replica MariaDB's receiver, once it has left its loop, logs in at the source to kill its own dump thread,
 * and a dead host or a hanging server holds that up for 2 s (rpl_semi_sync_slave_kill_conn_timeout). It reads no more
 * events by then, so a promotion does not wait for it, and least of all where the source is known to be silent.
 */
const stopReceiver = async (context: StepContext): Promise<Stopping> => {
  const { flavour } = context;
  const work = askPatiently(context, flavour.stopReceiver, REPLICA_CONTROL_MS);
  // It may fail while nobody waits for it; whoever needs it awaits `work`.
  work.catch(() => undefined);
  let pauseMs = context.sourceSilent ? SILENT_GRACE_MS : RECEIVER_GRACE_MS;
  for (;;) {
    if (await Promise.race([work.then(() => true), sleep(pauseMs, false)])) return STOPPED;
    if (await isUnderWay(context)) return { pending: true, work };
    // A busy server takes it up late, and would have a promotion wait for the source after all.
    pauseMs = LOOK_AGAIN_MS;
  }
};

/** An earlier step may have told it, ahead of the promotion: another STOP would only queue up behind the first. */
const stopReceiverOnce = async (context: StepContext): Promise<Stopping> => {
  const { receiverStopping } = context;
  return receiverStopping === null ? stopReceiver(context) : { pending: true, work: receiverStopping };
};

/** Has what was received applied; false: it is, and nothing applies any more. @throws DatabaseError where nothing will. */
const ensureApplies = async (
  context: StepContext,
  channel: Channel,
  position: Position,
  stallMs: number,
): Promise<boolean> => {
  if (channel.sql === 'running') return true;
  if (channel.error !== undefined)
    throw new DatabaseError('statement', 0, `the applier was stopped by an error: ${channel.error}`);
  const { startApplier, stopReceiver } = context.flavour;
  // Of what is applied beside the server's own applier nothing more may come in.
  if (startApplier === undefined && channel.io !== 'stopped')
    await askPatiently(context, stopReceiver, REPLICA_CONTROL_MS);
  const logs = await context.flavour.readRelayLogs(askAside(context), position);
  if (startApplier === undefined) {
    await applyRelayLogs(context, logs, stallMs);
    return false;
  }
  if (differencePosition(logs.stored, position) !== '') await askPatiently(context, startApplier, REPLICA_CONTROL_MS);
  return true;
};

/**
 * Wait until the position contains what `target` says, as long as it moves or the applier is at work (decision 67). Answers
 * what was seen then.
 */
const waitFor = async (
  context: StepContext,
  target: (status: ReplicaStatus) => Position,
  stallMs: number,
): Promise<ReplicaStatus> => {
  const { flavour } = context;
  const { nowMs, cpuMs } = context;
  const isAtWork = watchWork({ threads: () => flavour.listAppliers(askAside(context), 0), cpuMs, nowMs });
  let movedAtMs = nowMs();
  let last = '';
  for (;;) {
    assertWanted(context);
    const status = await flavour.readReplica(askAside(context));
    const wanted = target(status);
    if (containsPosition(status.position, wanted)) return status;
    const applied = status.position !== last;
    if (applied || (await isAtWork())) {
      const left = `${countMissing(wanted, status.position)} transactions to apply`;
      context.progress(applied ? left : `${left}, the server is at work on one`);
      last = status.position;
      movedAtMs = nowMs();
    }
    const missing = differencePosition(wanted, status.position);
    if (status.channel === undefined || status.channel.sql === 'stopped') {
      const why = status.channel?.error ?? 'the applier is stopped';
      throw new DatabaseError('statement', 0, `cannot apply ${missing}: ${why}`);
    }
    if (nowMs() - movedAtMs > stallMs) {
      const why = status.channel.receiverError === undefined ? '' : `; the receiver: ${status.channel.receiverError}`;
      throw new DatabaseError('statement', 0, `applying stalled for ${stallMs} ms, still without ${missing}${why}`);
    }
    const sliceMs = WAIT_SLICE_SECONDS * 1_000 + PROMPT_MS;
    const [row] = await context.aside.query(flavour.waitApplied(missing, WAIT_SLICE_SECONDS), sliceMs);
    // Reached by the server's count and yet not contained: look again in a while rather than at once.
    if (number(row, 'reached') === 1) await lookAgain(context);
  }
};

/** Nothing more comes in; what did is being applied. */
export const receiveNothing = async (context: StepContext): Promise<Outcome> => {
  const stopping = await stopReceiver(context);
  if (stopping.pending) context.leaveStopping(stopping.work, context.flavour.stopReceiver);
  return { ok: true, detail: stopping.pending ? 'receiver told to stop' : 'receiver stopped' };
};

/** As a standby: nothing extra here, so replicate from the active. */
export const follow = async (context: StepContext, activePosition: Position, stallMs: number): Promise<Outcome> => {
  const status = await context.flavour.readReplica(askCommand(context));
  const { channel } = status;
  if (channel === undefined) {
    return failed(`no channel is configured: set it with ${context.flavour.configureChannel}`);
  }
  if (activePosition === '') return failed('the position of the active is not known yet');
  const runs = channel.io === 'running' && channel.sql === 'running';
  const extra = differencePosition(status.position, activePosition);
  const judged = extra === '' ? null : judgeExtra(extra, channel, context.flavour);
  // A channel that runs may bring more than a position from a heartbeat has; what came from elsewhere shuts it.
  if (judged?.ok === false && (!runs || judged.detail.startsWith(DIVERGED))) {
    if (channel.io !== 'stopped' || channel.sql !== 'stopped') await shut(context);
    return judged;
  }
  if (runs) return { ok: true, detail: 'replicating', position: status.position };
  if (channel.io !== 'stopped' || channel.sql !== 'stopped') return await startChannel(context, status, false);
  const kept = await keepReceived(context, status.position, activePosition, stallMs);
  if (!kept.ok) return kept;
  const started = await startChannel(context, status, false);
  return kept.detail === '' ? started : { ...started, detail: `${started.detail}; ${kept.detail}` };
};

/**
 * What an earlier run of the server has received and not applied was acknowledged under semi-sync, and until it has been
 * sent again this node would lack it, were the start of the channel to throw it away (mysql.md, relay logs).
 */
const keepReceived = async (
  context: StepContext,
  position: Position,
  activePosition: Position,
  stallMs: number,
): Promise<Outcome> => {
  const { flavour } = context;
  const logs = await flavour.readRelayLogs(askAside(context), position);
  const beyond = differencePosition(logs.stored, mergePositions(position, activePosition));
  if (beyond !== '')
    return failed(
      `the relay logs hold ${beyond}, and the active is not known to have it; asked too early, or it lost it`,
    );
  const missing = differencePosition(logs.stored, position);
  if (missing === '' || flavour.startApplier !== undefined) return { ok: true, detail: '' };
  try {
    await applyRelayLogs(context, logs, stallMs);
    return { ok: true, detail: `applied from the relay logs up to ${missing}` };
  } catch (error) {
    assertWanted(context);
    // The active has all of it, so that only its death in the next moment would be a loss.
    return { ok: true, detail: `fetched again rather than applied: ${asDatabaseError(error, 'relay logs').message}` };
  }
};

/** A node that has something of its own takes nothing more until it was judged; what it received is on the active too. */
const shut = async (context: StepContext): Promise<void> => {
  await askPatiently(context, context.flavour.stopReplica, REPLICA_CONTROL_MS);
};

/**
 * GTIDs that carry the active's own server id or UUID came from it, and only say that `activePosition` is older than our last
 * look: it travels in a heartbeat. Anything else was committed elsewhere.
 */
const judgeExtra = (extra: string, channel: Channel, flavour: Flavour): Outcome => {
  const foreign = extra.split(',').filter((gtid) => {
    const origin = flavour.originOf(gtid);
    return origin === '' || origin !== channel.source;
  });
  if (foreign.length > 0) return failed(`${DIVERGED}${extra}`);
  return failed(`the known position of the active is older than what came from it (${extra}); asked too early`);
};

/**
 * By an operator's word: go on without what was received and not applied. Were it kept, this node could not take its own
 * place again as long as it cannot be applied, and a channel that is started later would apply it beside clients' writes.
 */
export const giveUpChannel = async (context: StepContext): Promise<Outcome> => {
  const { dropRelayLogs, readPosition } = context.flavour;
  await shut(context);
  await askPatiently(context, dropRelayLogs, REPLICA_CONTROL_MS);
  const position = await readPosition(askCommand(context));
  return { ok: true, detail: 'channel stopped, its relay logs dropped', position };
};

/** As the active: pull from the standby, which was judged clean. */
export const openReverse = async (context: StepContext): Promise<Outcome> => {
  const status = await context.flavour.readReplica(askCommand(context));
  if (status.channel === undefined) return failed('no channel is configured here');
  if (status.channel.io === 'running' && status.channel.sql === 'running') {
    return { ok: true, detail: 'the reverse channel runs', position: status.position };
  }
  return await startChannel(context, status, true);
};

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: among others, the source has not reached the position we start from. */
const SOURCE_BEHIND = 1236;

/** Clients of an active commit between reading the position and setting it: then it is read again (error 1947). */
const realignPosition = async (context: StepContext): Promise<void> => {
  const ask = askCommand(context);
  for (let attempt = 1; ; attempt += 1) {
    const realign = await context.flavour.realign(ask);
    if (realign === undefined) return;
    try {
      await ask(realign);
      return;
    } catch (error) {
      const failure = asDatabaseError(error, realign);
      if (failure.errno !== POSITION_OUTRUN || attempt >= REALIGN_ATTEMPTS) throw failure;
    }
  }
};

/** ER_GTID_POSITION_NOT_FOUND_IN_BINLOG2: the binary log has more by now than the position that is set. */
const POSITION_OUTRUN = 1947;
const REALIGN_ATTEMPTS = 20;

/**
 * `sourceMayLag`: the source is a standby that may not have applied yet what this server has, and refuses until it has.
 */
const startChannel = async (context: StepContext, status: ReplicaStatus, sourceMayLag: boolean): Promise<Outcome> => {
  const { flavour } = context;
  const ask = askCommand(context);
  // The replica position can be set only with both threads stopped; with one running nothing was owned meanwhile.
  if (status.channel?.io === 'stopped' && status.channel.sql === 'stopped') {
    await realignPosition(context);
  }
  const endsAtMs = context.nowMs() + CONNECT_CHANNEL_MS;
  await askPatiently(context, flavour.startReplica, REPLICA_CONTROL_MS);
  for (;;) {
    const now = await flavour.readReplica(ask);
    const channel = now.channel;
    if (channel === undefined) return failed('the channel was removed while it was started');
    if (channel.io === 'running' && channel.sql === 'running') {
      return { ok: true, detail: 'replicating', position: now.position };
    }
    const late = context.nowMs() > endsAtMs;
    const behind = sourceMayLag && channel.io === 'stopped' && channel.receiverErrno === SOURCE_BEHIND;
    if (channel.error !== undefined && (late || !behind))
      return failed(`replication stopped at once: ${channel.error}`);
    // A receiver that was refused keeps trying, but it takes an operator to help it.
    if (late || kindOf(channel.receiverErrno, '') === 'denied') {
      return failed(`replication was started and is not connected: ${channel.receiverError ?? 'no answer yet'}`);
    }
    if (behind) await askPatiently(context, flavour.startReplica, REPLICA_CONTROL_MS);
    await lookAgain(context);
  }
};
