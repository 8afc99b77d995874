/** Rebuilds this node's MySQL from the active by the clone plugin: the server itself replaces its data, and restarts. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CLONE_GRANT,
  type CloneProgress,
  type CloneStatus,
  cloneInstance,
  DONOR_GRANT,
  type Donor,
  NOT_SUPERVISED,
  readCloneProgress,
  readCloneStatus,
  readDataDirectory,
} from '../mysql/clone.js';
import { asDatabaseError, DatabaseError } from '../mysql/errors.js';
import type { Address } from '../mysql/flavour.js';
import type { Link, LinkName } from '../mysql/links.js';
import { PROMPT_MS, REPLICA_CONTROL_MS } from '../mysql/step.js';
import { type CloneRecord, forgetRebuild, loadRebuild, saveRebuild } from './rebuild-record.js';
import { SERVICE_MS, type ServiceOptions, startServer } from './server-service.js';

export interface CloneOptions extends Omit<ServiceOptions, 'link'> {
  /** A login at the local server; `aside` looks on. @throws DatabaseError */
  readonly link: (name: Extract<LinkName, 'command' | 'aside'>) => Promise<Link>;
  readonly recordPath: string;
  /** Name of the node whose data it will be, and its server. */
  readonly active: string;
  readonly donor: Donor;
  /** Heeded until the clone has begun, and then again: the server goes on with it by itself. */
  readonly signal: AbortSignal;
}

const POLL_MS = 500;
/** Not more often than this is told how much has come. */
const PROGRESS_MS = 2_000;
/** A service manager has started it again by then; else its start command is run. */
const SUPERVISOR_MS = 15_000;
/** From the end of the copy to a server that tells what came of it: it stops, starts and recovers. */
const RESTART_MS = SERVICE_MS;
/** The agent beside it may start the channel between two of the statements. */
const REPOINT_ATTEMPTS = 20;
/** Its UUID is in there. A new one is made where there is none (MySQL manual, server_uuid). */
const UUID_FILE = 'auto.cnf';

const NO_LONGER_FOLLOWED =
  'it is no longer followed, and the server goes on with what it has begun; type the command again to follow it';

/** @throws Error that says what failed; the next call goes on there. */
export const rebuildByClone = async (options: CloneOptions): Promise<void> => {
  let record = await beginOrResume(options);
  for (;;) {
    const next = await carryOut(options, record);
    if (next === null) return;
    record = next;
    await saveRebuild(options.recordPath, record);
  }
};

const WORDS = {
  clone: 'replacing the data by that of the active',
  source: 'setting up its channel',
  judgement: 'waiting for the judgement of the agent',
} as const satisfies Record<CloneRecord['stage'], string>;

const beginOrResume = async (options: CloneOptions): Promise<CloneRecord> => {
  const { recordPath, active, donor, say } = options;
  const found = await loadRebuild(recordPath);
  if (found?.way === 'clone') {
    say(`going on where it stopped: ${WORDS[found.stage]}`);
    return found;
  }
  const { session, flavour } = await options.link('command');
  const ask = (sql: string) => session.query(sql, PROMPT_MS);
  const source: Address = (await flavour.clone?.readSource(ask)) ?? { host: donor.host, port: donor.port };
  const { begun: before } = await readCloneStatus(ask);
  const record: CloneRecord = { format: 1, way: 'clone', stage: 'clone', active, source, before };
  await saveRebuild(recordPath, record);
  return record;
};

/** One stage; null: nothing is left to do here. */
const carryOut = async (options: CloneOptions, record: CloneRecord): Promise<CloneRecord | null> => {
  options.say(WORDS[record.stage]);
  switch (record.stage) {
    case 'clone':
      await clone(options, record.before);
      return { ...record, stage: 'source' };
    case 'source':
      await repoint(options, record.source);
      return { ...record, stage: 'judgement' };
    case 'judgement':
      return null;
    default:
      return record.stage satisfies never;
  }
};

const service = (options: CloneOptions): ServiceOptions => ({ ...options, link: () => options.link('command') });

/** Begins it, unless an earlier run did: then it is only followed. */
const clone = async (options: CloneOptions, before: string): Promise<void> => {
  const cloning: Cloning = { before, error: undefined };
  const found = await untilAnswered(options, cloning);
  if (found.begun === before || found.state === 'failed') {
    if (options.signal.aborted) throw new Error('given up before anything was deleted');
    cloning.before = found.begun;
    const link = await options.link('command');
    // The names of the discarded transactions are not to be given again: kept binary logs and replicas of this node have them.
    await rm(join(await readDataDirectory(link), UUID_FILE), { force: true });
    cloneInstance(link, options.donor).catch((error: unknown) => {
      cloning.error = asDatabaseError(error, 'CLONE INSTANCE');
    });
  }
  await untilCloned(options, cloning);
};

interface Cloning {
  /** The clone that was the last one before. */
  before: string;
  /** How the statement ended; where the connection was lost, the server itself tells what came of it. */
  error: DatabaseError | undefined;
}

/** @throws Error that says why it failed, or that it is no longer followed */
const untilCloned = async (options: CloneOptions, cloning: Cloning): Promise<void> => {
  const { nowMs, say, signal } = options;
  let toldAtMs = nowMs();
  for (;;) {
    const status = await untilAnswered(options, cloning);
    const isOurs = status.begun !== cloning.before;
    if (isOurs && status.state === 'completed') return;
    if (isOurs && status.state === 'failed') throw await failed(options, status.error);
    if (cloning.error !== undefined && isRefusal(cloning.error)) throw await failed(options, cloning.error.message);
    if (signal.aborted) throw new Error(NO_LONGER_FOLLOWED);
    if (isOurs && nowMs() - toldAtMs > PROGRESS_MS) {
      toldAtMs = nowMs();
      say(`  ${megabytes(status.copied)} of about ${megabytes(status.expected)}`);
    }
    await sleep(POLL_MS);
  }
};

/** Through its restart; where nobody else starts it, its start command does. @throws Error where it stays away */
const untilAnswered = async (options: CloneOptions, cloning: Cloning): Promise<CloneStatus & CloneProgress> => {
  const { nowMs } = options;
  const endsAtMs = nowMs() + RESTART_MS;
  let downSinceMs: number | undefined;
  for (;;) {
    const status = await look(options);
    if (typeof status === 'object') return status;
    // A restart takes as long as it takes; whoever leaves does not wait for it.
    if (options.signal.aborted) throw new Error(NO_LONGER_FOLLOWED);
    if (status === 'down') {
      downSinceMs ??= nowMs();
      const waitMs = cloning.error?.errno === NOT_SUPERVISED ? 0 : SUPERVISOR_MS;
      if (nowMs() - downSinceMs > waitMs) await startServer(service(options));
    }
    if (nowMs() > endsAtMs)
      throw new Error(`the database does not tell within ${RESTART_MS} ms what came of the clone; see its error log`);
    await sleep(POLL_MS);
  }
};

/** The server answered, and did not end meanwhile. */
const isRefusal = ({ kind, errno }: DatabaseError): boolean =>
  errno !== NOT_SUPERVISED && kind !== 'lost' && kind !== 'shutting-down';

const look = async (options: CloneOptions): Promise<(CloneStatus & CloneProgress) | 'down' | 'silent'> => {
  try {
    const { session } = await options.link('aside');
    const ask = (sql: string) => session.query(sql, PROMPT_MS);
    return { ...(await readCloneStatus(ask)), ...(await readCloneProgress(ask)) };
  } catch (error) {
    return error instanceof DatabaseError && error.kind === 'down' ? 'down' : 'silent';
  }
};

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1_000_000)} MB`;

/** The server lives, and is the agent's again. What deleted nothing is forgotten: the next call asks for the word anew. */
const failed = async (options: CloneOptions, why: string): Promise<Error> => {
  const status = await look(options);
  if (typeof status === 'object' && !status.deletes) await forgetRebuild(options.recordPath);
  await options
    .link('aside')
    .then(({ session, flavour }) => session.query(flavour.readOnlyOn, PROMPT_MS))
    .catch(() => undefined);
  const { user } = options.donor;
  const advice = DENIED.test(why)
    ? `; on this node: ${CLONE_GRANT} '${user}'@'localhost'; on ${options.active}: ${DONOR_GRANT} '${user}'@… as it logs in from here`
    : '';
  return new Error(`the clone failed: ${why}${advice}`);
};

const DENIED = /denied|privilege/i;

const repoint = async (options: CloneOptions, source: Address): Promise<void> => {
  const { session, flavour } = await startServer(service(options));
  const ask = (sql: string) => session.query(sql, PROMPT_MS);
  const now = await flavour.clone?.readSource(ask);
  if (now === undefined) {
    options.say(
      `  ${options.active} had no channel: set this node's with ${flavour.configureChannel}, then vipd starts it`,
    );
    return;
  }
  if (now.host === source.host && now.port === source.port) return;
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const statement of flavour.clone?.repoint(source) ?? []) await session.query(statement, REPLICA_CONTROL_MS);
      return;
    } catch (error) {
      if (attempt >= REPOINT_ATTEMPTS) throw error;
      await sleep(POLL_MS);
    }
  }
};
