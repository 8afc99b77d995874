/** On the active: streams a physical backup of its server, which runs on, to the node that is rebuilt from it. */

import { readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupNote, BackupTrailer } from './backup-messages.js';
import type { Target } from './connection.js';
import type { Credentials } from './credentials.js';
import type { Database } from './database.js';
import { text } from './flavour.js';
import { writeLogin } from './salvage-apply.js';
import { startProgram } from './salvage-program.js';
import { PROMPT_MS } from './step.js';

/** Where the answer goes: the agents' channel. */
export interface BackupReply {
  send(bytes: Buffer): Promise<void>;
  note(value: BackupNote): Promise<void>;
}

export interface BackupShipOptions {
  readonly database: Pick<Database, 'use'>;
  readonly target: Target;
  readonly credentials: () => Credentials;
  /** Only whoever serves may be copied: anything else may be as divergent as the asker. */
  readonly isActive: () => boolean;
  readonly log: (level: 'info' | 'warn', fields: Readonly<Record<string, unknown>>, text: string) => void;
  /** Default SHIP_STALL_MS. */
  readonly stallMs?: number;
}

/** Neither output nor an asker that takes it for this long: a BACKUP STAGE waits for a long statement, or a disk hangs. */
const SHIP_STALL_MS = 300_000;
/** Behind everything else on the host, though the agent itself comes first (nice(1) adds, ioprio_set(2)). */
const GENTLY = ['-n', '40', 'ionice', '-c', '2', '-n', '7'] as const;
/** What mariadb-backup calls them; it logs much else. */
const ERRORS = /^.*(?:error|denied|privilege|failed).*$/gim;
const ERRORS_MAX = 3;
const DENIED = /privilege|denied/i;
export const BACKUP_GRANT = 'GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO';
/** Directories below the data directory: databases. */
const DEPTH_MAX = 3;

/** The handler for the purpose `backup`. What it throws is told to the asker. */
export const createBackupShip =
  (options: BackupShipOptions) =>
  async (_request: unknown, reply: BackupReply, signal: AbortSignal): Promise<BackupTrailer> => {
    if (!options.isActive()) throw new Error('this node is not active any more; ask the one that is');
    const { dataDirectory, ...facts } = await options.database.use(async ({ session, flavour }) => {
      if (flavour.name !== 'mariadb')
        throw new Error('a MySQL server is rebuilt with CLONE INSTANCE, not by this agent');
      const [row] = await session.query('SELECT @@global.datadir AS datadir', PROMPT_MS);
      const position = await flavour.readPosition((sql) => session.query(sql, PROMPT_MS));
      return { dataDirectory: text(row, 'datadir'), version: flavour.version, position };
    });
    await reply.note({ ...facts, bytes: await sizeOf(dataDirectory, DEPTH_MAX) });
    options.log('warn', {}, 'the other node is rebuilt from this one: a backup is being taken');
    const bytes = await stream(options, dataDirectory, reply, signal);
    options.log('info', { bytes }, 'the backup for the other node is complete');
    return { bytes };
  };

const stream = async (
  options: BackupShipOptions,
  dataDirectory: string,
  reply: BackupReply,
  signal: AbortSignal,
): Promise<number> => {
  const { stallMs = SHIP_STALL_MS } = options;
  const credentials = options.credentials();
  const login = await writeLogin(options.target, credentials, 'ssl-verify-server-cert');
  const backup = [
    'mariadb-backup',
    '--defaults-file=/proc/self/fd/3',
    '--backup',
    '--stream=mbstream',
    `--datadir=${dataDirectory}`,
    // Nothing is written there but what its name must be valid for.
    `--target-dir=${join(tmpdir(), 'vipd-backup')}`,
  ];
  const program = startProgram('nice', [...GENTLY, ...backup], login.fd);
  login.close().catch(() => undefined);
  program.child.stdin?.end();
  let bytes = 0;
  let stopped = '';
  const stop = (why: string): void => {
    stopped ||= why;
    program.kill();
  };
  const stalled = (): void => stop(`nothing came for ${stallMs} ms; does a long statement hold up BACKUP STAGE START?`);
  const onAbort = (): void => stop('the asker is gone');
  signal.addEventListener('abort', onAbort, { once: true });
  let timer = setTimeout(stalled, stallMs);
  try {
    for await (const chunk of program.child.stdout ?? []) {
      clearTimeout(timer);
      bytes += (chunk as Buffer).length;
      await reply.send(chunk as Buffer);
      timer = setTimeout(stalled, stallMs);
    }
    const problem = await program.ended;
    if (stopped !== '') throw new Error(`mariadb-backup was stopped: ${stopped}`);
    if (problem !== '') throw new Error(explain(problem, program.complaints(), credentials.user));
    return bytes;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    program.kill();
  }
};

const explain = (problem: string, complaints: string, user: string): string => {
  const errors = (complaints.match(ERRORS) ?? []).slice(-ERRORS_MAX).join('; ');
  const advice = DENIED.test(errors) ? `; on the active: ${BACKUP_GRANT} '${user}'@'localhost'` : '';
  return `mariadb-backup failed on the active: ${errors || problem}${advice}`;
};

/** Bytes of the files below it. What goes away meanwhile, or cannot be read, does not count: it is for progress only. */
const sizeOf = async (directory: string, depth: number): Promise<number> => {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) bytes += depth > 0 ? await sizeOf(path, depth - 1) : 0;
    else
      bytes += await stat(path).then(
        ({ size }) => size,
        () => 0,
      );
  }
  return bytes;
};
