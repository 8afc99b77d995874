/** Salvage: a new active gets, before it opens, what lies only in the binary logs of a peer whose server is dead. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../core/event.js';
import { containsPosition, describeDifference, differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import { LOOK_WITHIN_MS, watchApplying } from './applying.js';
import { findNoRoom } from './binlog-room.js';
import type { Target } from './connection.js';
import type { Credentials } from './credentials.js';
import type { Database } from './database.js';
import type { Link } from './links.js';
import { type Applier, endApplier, isThere, startApplier, withLargestPackets } from './salvage-apply.js';
import { parseNote, parseTrailer, SALVAGE, type SalvageNote, type SalvageTrailer } from './salvage-messages.js';
import { createSalvageShip, type ShipReply } from './salvage-ship.js';
import { DEFAULT_STALL_MS, failed, PROMPT_MS } from './step.js';

/** The agents' channel, as much of it as a salvage needs. */
export interface SalvageChannel {
  ask(
    purpose: string,
    request: unknown,
    options: { readonly signal: AbortSignal; onData(bytes: Buffer): Promise<void>; onNote(value: unknown): void },
  ): Promise<unknown>;
}

export interface SalvageOptions {
  readonly database: Database;
  readonly channel: SalvageChannel;
  /** Of the local server, as the database layer has them. */
  readonly target: Target;
  readonly credentials: () => Credentials;
  /** Without a move for this long the server has stalled; default 30 s. */
  readonly stallMs?: () => number;
  readonly nowMs: () => number;
  /** Names to find in PATH; default: the flavour's. */
  readonly programs?: { readonly binlog?: string; readonly client?: string };
  readonly log: (level: 'debug' | 'info' | 'warn', fields: Readonly<Record<string, unknown>>, text: string) => void;
}

export interface Salvage {
  /** Looks where the local server's binary logs are, whenever it answers, and keeps up with them. */
  start(): void;
  stop(): void;
  /** Answers the peer's agent: the handler for the purpose `salvage`. */
  readonly handler: (request: unknown, reply: ShipReply, signal: AbortSignal) => Promise<SalvageTrailer>;
  /** Has the peer asked how far its dead server's logs go, while what was received is still being applied here. */
  askAhead(): void;
  /**
   * Fetches and applies what the peer's dead server has beyond `have`. To be called with everything received applied, the
   * channel stopped, the server still read-only. Never rejects; a failure names the GTIDs that could not be had, where the peer
   * could tell them: of a dead server whose files cannot be read, the core names what its last positions tell (core/loss.ts).
   */
  salvage(have: Position, options: { readonly signal: AbortSignal; progress(text: string): void }): Promise<Outcome>;
}

export { SALVAGE } from './salvage-messages.js';

/** How often the binary logs are read on while the server runs: what it writes in between is all that is left to read. */
const KEEP_UP_MS = 2_000;
/** What was asked ahead is believed for so long: a server that was started again may have written since. */
const AHEAD_MS = 1_000;

export const createSalvage = (options: SalvageOptions): Salvage => {
  const ship = createSalvageShip({
    target: options.target,
    serverState: options.database.serverState,
    ...(options.programs?.binlog === undefined ? {} : { program: options.programs.binlog }),
  });
  const stopping = new AbortController();
  let problem: string | undefined;
  let started = false;
  /** A commit of the last salvage waits for room in the binary log, in this connection; 0: none does. */
  let leftId = 0;
  let ahead: { readonly atMs: number; readonly holds: Promise<Position | null> } | undefined;

  options.database.onConnected((link) => void ship.learn(link, PROMPT_MS));

  const keepUp = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const now = await ship.keepUp(stopping.signal);
      if (now !== problem && now !== undefined && !stopping.signal.aborted)
        options.log('warn', {}, `a salvage from this host would fail: ${now}`);
      problem = now;
      await sleep(KEEP_UP_MS, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  };

  return {
    start: () => {
      if (!started) void keepUp();
      started = true;
    },
    stop: () => stopping.abort(),
    handler: ship.handle,
    askAhead: () => {
      const holds = whatItHolds(options.channel, AbortSignal.any([stopping.signal, AbortSignal.timeout(AHEAD_MS)]));
      ahead = { atMs: options.nowMs(), holds: holds.catch(() => null) };
    },
    salvage: async (have, { signal, progress }) => {
      try {
        if (leftId !== 0 && (await options.database.use((link) => isThere(link, leftId))))
          return failed(`salvage: ${STILL_WAITS}`);
        leftId = 0;
        const asked = ahead && options.nowMs() - ahead.atMs < AHEAD_MS ? await ahead.holds : null;
        ahead = undefined;
        const holds = asked ?? (await whatItHolds(options.channel, signal));
        if (holds !== null && containsPosition(have, holds))
          return { ok: true, detail: 'nothing to salvage', position: have };
        const onLeft = (id: number) => {
          leftId = id;
        };
        return await options.database.use((link) => run({ ...options, onLeft }, link, have, signal, progress));
      } catch (error) {
        return failed(`salvage: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
};

/**
 * Nearly always nothing that is not here. Asked before the local server is needed, which may still wait for its receiver to
 * log in at a source that hangs. Null: it did not say.
 */
const whatItHolds = async (channel: SalvageChannel, signal: AbortSignal): Promise<Position | null> => {
  const ignore = { onNote: () => undefined, onData: async () => undefined };
  const answer = parseTrailer(await channel.ask(SALVAGE, { only: 'position' }, { signal, ...ignore }));
  return answer?.kind === 'holds' ? answer.position : null;
};

/** Its GTID is counted as had by then, so that nothing would be fetched for it. */
const STILL_WAITS =
  'a commit of the last one still waits for room in the binary log of this server; within a minute of there being some it ' +
  'goes on';

interface RunOptions extends SalvageOptions {
  /** The server goes on waiting to commit what this connection gave it. */
  onLeft(connectionId: number): void;
}

const run = async (
  options: RunOptions,
  { session, flavour }: Link,
  have: Position,
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<Outcome> => {
  const ask = (sql: string) => session.query(sql, PROMPT_MS);
  const before = await flavour.readStatus(ask);
  const unready = whyNotReady(before, have);
  if (unready !== undefined) return failed(`salvage: ${unready}`);
  const noRoom = await findNoRoom(session, PROMPT_MS);
  if (noRoom !== '') return failed(`salvage: ${noRoom}`);
  // Nobody acknowledges on a new active: each applied transaction would wait for ever.
  if (before.semiSync && flavour.semiSync !== undefined) await ask(flavour.semiSync.off);
  const { openForAgent } = flavour.salvage;
  if (openForAgent !== undefined) await ask(openForAgent);

  const received = await withLargestPackets(ask, () =>
    receive(options, { session, flavour }, before.position, signal, progress),
  );
  // Behind a commit that waits it would wait as well, until after the core's deadline; the fence that follows does it.
  // A server that has died meanwhile must not hide what it was about.
  if (openForAgent !== undefined && !received.waits) await ask(flavour.readOnlyOn).catch(unlessFailed(received));
  // What waits may be counted as had.
  const position = received.waits ? before.position : await flavour.readPosition(ask).catch(unlessFailed(received));
  return conclude(position ?? before.position, before.position, received);
};

const unlessFailed =
  ({ problem }: Received) =>
  (error: unknown): undefined => {
    if (problem === undefined) throw error;
  };

interface Received {
  /** A commit waits for room; it is done once there is some. */
  readonly waits: boolean;
  readonly note?: SalvageNote | undefined;
  readonly trailer?: SalvageTrailer | undefined;
  /** Absent: all was sent and taken by the server. */
  readonly problem?: string | undefined;
}

/** Asks, and feeds what comes to the server; after a failure nothing of it is under way any more. */
const receive = async (
  options: RunOptions,
  link: Link,
  have: Position,
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<Received> => {
  const { target, credentials, programs } = options;
  const stallMs = options.stallMs?.() ?? DEFAULT_STALL_MS;
  const words = { ...link.flavour.salvage, clientProgram: programs?.client ?? link.flavour.salvage.clientProgram };
  const watching = new AbortController();
  let watched: Promise<void> = Promise.resolve();
  let note: SalvageNote | undefined;
  let trailer: SalvageTrailer | undefined;
  let applier: Applier | undefined;
  let bytes = 0;
  let problem: string | undefined;
  const onNote = (value: unknown): void => {
    note = parseNote(value);
    if (note === undefined) return;
    progress(`salvage: ${note.transactions} transactions to fetch (${note.missing})`);
    watched = watchApplying({
      flavour: link.flavour,
      ask: (sql) => link.session.query(sql, LOOK_WITHIN_MS),
      target: note.position,
      applier: () => applier,
      cpuMs: options.database.cpuMs,
      nowMs: options.nowMs,
      signal: watching.signal,
      progress: (text) => progress(`salvage: ${text}`),
    });
  };
  const onData = async (chunk: Buffer): Promise<void> => {
    applier ??= await startApplier({ target, credentials: credentials(), stallMs, signal, words });
    bytes += chunk.length;
    await applier.write(chunk);
  };
  try {
    trailer = parseTrailer(await options.channel.ask(SALVAGE, { have }, { signal, onNote, onData }));
    problem = problemOf(trailer, bytes);
    if (problem === undefined) await applier?.finish();
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  } finally {
    watching.abort();
    await watched;
  }
  if (problem === undefined || applier === undefined) return { note, trailer, problem, waits: false };
  const waiting = await endApplier(applier, link);
  if (waiting === '') return { note, trailer, problem, waits: false };
  options.onLeft(applier.connectionId);
  return { note, trailer, problem: waiting, waits: true };
};

/** What must hold, or the dead server's transactions would be applied out of their order. */
const whyNotReady = (
  { position, channel, readOnly }: Awaited<ReturnType<Link['flavour']['readStatus']>>,
  have: Position,
): string | undefined => {
  if (!readOnly) return 'the server is writable already; what came now would stand behind new writes';
  if (channel !== undefined && (channel.io !== 'stopped' || channel.sql !== 'stopped'))
    return 'the replication channel still runs; stop it once all that was received is applied';
  if (have !== '' && !containsPosition(position, have))
    return `not everything received is applied: ${differencePosition(have, position)} is missing`;
  return undefined;
};

const problemOf = (trailer: SalvageTrailer | undefined, bytes: number): string | undefined => {
  if (trailer === undefined) return 'the answer ended in an unknown way; run the same vipd on both nodes';
  switch (trailer.kind) {
    case 'nothing':
      return undefined;
    case 'cannot':
      return trailer.why;
    case 'holds':
      return 'the answer told how much there is, and not what';
    case 'shipped':
      return trailer.bytes === bytes ? undefined : `${trailer.bytes} bytes were sent, and ${bytes} came`;
    default:
      return trailer satisfies never;
  }
};

/** ER_SPECIFIC_ACCESS_DENIED_ERROR and the errors of missing privileges on tables and databases. */
const DENIED = /ERROR (?:1044|1142|1227|1370)\b/;
const PRIVILEGES =
  "statements that are not rows need the privileges they needed at first: GRANT ALL PRIVILEGES ON *.* to the agent's user " +
  'WITH GRANT OPTION, then promote again';

const conclude = (position: Position, before: Position, { note, trailer, problem }: Received): Outcome => {
  const flavour = position.slice(0, position.indexOf(':') + 1);
  const target = trailer?.kind === 'cannot' ? `${flavour}${trailer.missing}` : (note?.position ?? '');
  const lost = differencePosition(target, position);
  const got = differencePosition(position, before);
  const had = got === '' ? '' : `; applied up to ${got}`;
  if (problem !== undefined) {
    const missing = lost === '' ? '' : `; could not be had: ${describeDifference(target, position) || lost}`;
    const advice = DENIED.test(problem) ? `; ${PRIVILEGES}` : '';
    return failed(`salvage: ${problem}${advice}${missing}${had}`);
  }
  if (trailer?.kind === 'nothing') return { ok: true, detail: 'nothing to salvage', position };
  if (lost !== '') return failed(`salvage: all was sent and applied, and yet ${lost} is not here${had}`);
  const returned = trailer?.kind === 'shipped' && trailer.returned ? '; the peer was started again meanwhile' : '';
  return { ok: true, detail: `salvaged ${note?.transactions ?? 0} transactions, up to ${got}${returned}`, position };
};
