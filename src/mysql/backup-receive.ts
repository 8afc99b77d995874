/** On a node that is rebuilt: unpacks the active's backup into a directory and makes it ready to be started on. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Position } from '../core/types.js';
import { BACKUP, type BackupNote, parseBackupNote, parseBackupTrailer } from './backup-messages.js';
import type { SalvageChannel } from './salvage.js';
import { startProgram } from './salvage-program.js';

export interface ReceiveOptions {
  readonly channel: SalvageChannel;
  /** Exists, is empty, and belongs to root alone. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** Before the first byte. @throws Error that refuses it */
  onNote(note: BackupNote): void;
  onProgress(bytes: number): void;
}

/** mariadb-backup has two names for it: the later since 11.1. */
const POSITION_FILES = ['mariadb_backup_binlog_info', 'xtrabackup_binlog_info'] as const;

/** What the server had before the backup began. @throws Error where the backup did not come whole, or cannot be unpacked */
export const receiveBackup = async (options: ReceiveOptions): Promise<BackupNote> => {
  const { channel, directory, signal, onProgress } = options;
  const program = startProgram('mbstream', ['-x', '-C', directory]);
  program.child.stdout?.resume();
  const { stdin } = program.child;
  let note: BackupNote | undefined;
  let refusal: Error | undefined;
  let bytes = 0;
  const onNote = (value: unknown): void => {
    note = parseBackupNote(value);
    try {
      if (note !== undefined) options.onNote(note);
    } catch (error) {
      refusal = error instanceof Error ? error : new Error(String(error));
    }
  };
  const ended = program.ended.then((why) => {
    throw new Error(why === '' ? 'mbstream ended before its input did' : why);
  });
  ended.catch(() => undefined);
  const onData = async (chunk: Buffer): Promise<void> => {
    if (refusal !== undefined) throw refusal;
    bytes += chunk.length;
    onProgress(bytes);
    if (stdin === null || stdin.write(chunk)) return;
    await Promise.race([ended, new Promise<void>((resolve) => stdin.once('drain', resolve))]);
  };
  try {
    const trailer = parseBackupTrailer(await channel.ask(BACKUP, {}, { signal, onNote, onData }));
    if (refusal !== undefined) throw refusal;
    if (note === undefined || trailer === undefined)
      throw new Error('the answer is no backup; run the same vipd on both nodes');
    if (trailer.bytes !== bytes) throw new Error(`${trailer.bytes} bytes were sent, and ${bytes} came`);
    stdin?.end();
    const problem = await program.ended;
    if (problem !== '') throw new Error(problem);
    return note;
  } finally {
    program.kill();
  }
};

/** Applies the redo log that came along (MariaDB manual, mariadb-backup --prepare). May be repeated. @throws Error */
export const prepareBackup = async (directory: string, signal: AbortSignal): Promise<void> => {
  const program = startProgram('mariadb-backup', ['--no-defaults', '--prepare', `--target-dir=${directory}`]);
  program.child.stdout?.resume();
  program.child.stdin?.end();
  signal.addEventListener('abort', program.kill, { once: true });
  try {
    const problem = await program.ended;
    if (signal.aborted) throw new Error('preparing the backup was given up');
    if (problem !== '') throw new Error(`the backup cannot be prepared: ${problem}`);
  } finally {
    signal.removeEventListener('abort', program.kill);
  }
};

/** Exactly what the backup holds, the last GTID of each domain. @throws Error where it does not say */
export const readBackupPosition = async (directory: string): Promise<Position> => {
  for (const name of POSITION_FILES) {
    const content = await readFile(join(directory, name), 'utf8').catch(() => '');
    const gtids = content.match(/\b\d+-\d+-\d+\b/g);
    if (gtids !== null) return `mariadb:${gtids.join(',')}`;
  }
  throw new Error(`the backup in ${directory} names no GTID; is log_bin on at the active?`);
};
