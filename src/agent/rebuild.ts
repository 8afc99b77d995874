/** Rebuilds this node's MariaDB from the active, stage by stage; the old data stays beside the new. */

import { chmod, chown, copyFile, mkdir, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mergePositions } from '../core/position.js';
import type { BackupNote } from '../mysql/backup-messages.js';
import { prepareBackup, readBackupPosition, receiveBackup } from '../mysql/backup-receive.js';
import { giveTo, locateServerFiles, moveIn, moveOut, newDirectory, oldDirectory } from '../mysql/data-directory.js';
import { setRebuiltPosition } from '../mysql/rebuilt-position.js';
import type { SalvageChannel } from '../mysql/salvage.js';
import { isCopying, loadRebuild, type RebuildRecord, type Stage, saveRebuild } from './rebuild-record.js';
import { type ServiceOptions, startServer, stopServer } from './server-service.js';

export interface RebuildOptions extends ServiceOptions {
  readonly channel: SalvageChannel;
  readonly recordPath: string;
  /** Name of the node whose data it will be. */
  readonly active: string;
  /** Heeded until the old server is stopped; from then on the work is brought to its end. */
  readonly signal: AbortSignal;
}

/** Not more often than this is told how much has come. */
const PROGRESS_MS = 2_000;
/** MariaDB's name for where it keeps its channel, the login included. */
const CHANNEL_FILE = 'master.info';

/** @throws Error that says what failed; the next call goes on there. Answers where the old data lies. */
export const rebuild = async (options: RebuildOptions): Promise<{ readonly oldData: string }> => {
  let record = await beginOrResume(options);
  for (;;) {
    const next = await carryOut(options, record);
    if (next === null) return { oldData: oldDirectory(record.files) };
    record = next;
    await saveRebuild(options.recordPath, record);
  }
};

const beginOrResume = async ({ recordPath, link, active, say }: RebuildOptions): Promise<RebuildRecord> => {
  const found = await loadRebuild(recordPath);
  // Before the old data is moved, another active means another copy.
  if (found?.way === 'copy' && (found.active === active || !isCopying(found.stage))) {
    say(`going on where it stopped: ${WORDS[found.stage]}`);
    return found;
  }
  const { session, flavour } = await link();
  const files = await locateServerFiles(session);
  const record: RebuildRecord = {
    format: 1,
    way: 'copy',
    stage: 'copy',
    active,
    version: flavour.version,
    files: { ...files, outside: [...files.outside] },
    position: '',
  };
  await saveRebuild(recordPath, record);
  return record;
};

const WORDS = {
  copy: 'copying the data',
  prepare: 'preparing the copy',
  'move-out': 'moving the old data aside',
  'move-in': 'moving the new data to its place',
  position: 'telling the server what it holds',
  channel: 'setting up its channel',
  judgement: 'waiting for the judgement of the agent',
} as const satisfies Record<Stage, string>;

/** One stage; null: nothing is left to do here. */
const carryOut = async (options: RebuildOptions, record: RebuildRecord): Promise<RebuildRecord | null> => {
  const { files } = record;
  options.say(WORDS[record.stage]);
  switch (record.stage) {
    case 'copy':
      return { ...record, stage: 'prepare', position: await copy(options, record) };
    case 'prepare':
      await prepareBackup(newDirectory(files), options.signal);
      await giveTo(newDirectory(files), files);
      await stopServer(options);
      return { ...record, stage: 'move-out' };
    case 'move-out':
      await stopServer(options);
      await moveOut(files);
      return { ...record, stage: 'move-in' };
    case 'move-in':
      await stopServer(options);
      await moveIn(files);
      return { ...record, stage: 'position' };
    case 'position':
      await setRebuiltPosition(await startServer(options), record.position);
      return { ...record, stage: 'channel' };
    case 'channel':
      await restoreChannel(options, record);
      return { ...record, stage: 'judgement' };
    case 'judgement':
      await startServer(options);
      return null;
    default:
      return record.stage satisfies never;
  }
};

/** Answers what it holds. What an earlier try has left is thrown away: a stream cannot be taken up in the middle. */
const copy = async (options: RebuildOptions, { files, version }: RebuildRecord): Promise<string> => {
  const directory = newDirectory(files);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(files.work, 0o700);
  const { bavail, bsize } = await statfs(directory);
  let expected = 0;
  let toldAtMs = options.nowMs();
  const note = await receiveBackup({
    channel: options.channel,
    directory,
    signal: options.signal,
    onNote: (told) => {
      assertFits(told, version, bavail * bsize, directory);
      expected = told.bytes;
    },
    onProgress: (bytes) => {
      if (options.nowMs() - toldAtMs < PROGRESS_MS) return;
      toldAtMs = options.nowMs();
      options.say(`  ${megabytes(bytes)} of about ${megabytes(expected)}`);
    },
  });
  return mergePositions(note.position, await readBackupPosition(directory));
};

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1_000_000)} MB`;

const series = (version: string): string => version.split('.').slice(0, 2).join('.');

/** @throws Error before anything is copied */
const assertFits = (told: BackupNote, version: string, free: number, directory: string): void => {
  if (series(told.version) !== series(version))
    throw new Error(
      `the active runs MariaDB ${told.version} and this node ${version}: install the same series here, then try again`,
    );
  if (told.bytes > free)
    throw new Error(
      `the active has ${megabytes(told.bytes)} of data, and ${megabytes(free)} are free in ${dirname(directory)}: old and new data lie side by side until you remove the old`,
    );
};

/**
 * The server reads the file only when it starts, and one that is set to start replication by itself then starts it where
 * the copy ends: hence after the position is set and durable.
 */
const restoreChannel = async (options: RebuildOptions, { files }: RebuildRecord): Promise<void> => {
  await stopServer(options);
  const channel = join(files.dataDirectory, CHANNEL_FILE);
  try {
    await copyFile(join(oldDirectory(files), CHANNEL_FILE), channel);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    options.say('  this node had no channel: set it with CHANGE MASTER TO, then vipd starts it');
    return;
  }
  await chown(channel, files.uid, files.gid);
  await chmod(channel, 0o660);
};
