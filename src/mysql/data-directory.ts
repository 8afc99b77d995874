/** Where a server's files lie, and how others take their place: by renames only, each of which may be repeated after a crash. */

import { lchown, lstat, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Session } from './connection.js';
import { text } from './flavour.js';
import { PROMPT_MS } from './step.js';

export interface ServerFiles {
  /** Without a slash at its end. */
  readonly dataDirectory: string;
  /** Path and beginning of the names of logs that lie elsewhere: `/var/log/mysql/binlog`. */
  readonly outside: readonly string[];
  /** Everything of the rebuild: `new`, `old`. On the data directory's own file system. */
  readonly work: string;
  readonly uid: number;
  readonly gid: number;
}

const LOCATIONS = `SELECT @@global.datadir AS datadir, IFNULL(@@global.log_bin_basename, '') AS log_bin,
  IFNULL(@@global.relay_log_basename, '') AS relay_log, IFNULL(@@global.innodb_data_home_dir, '') AS innodb_data,
  IFNULL(@@global.innodb_log_group_home_dir, '') AS innodb_log, IFNULL(@@global.innodb_undo_directory, '') AS innodb_undo`;

const WORK_NAME = 'vipd-rebuild';
/** Of a file system of its own; belongs to nobody's data. */
const LOST_AND_FOUND = 'lost+found';

/** @throws Error where files lie so that they cannot be exchanged by renames, or DatabaseError */
export const locateServerFiles = async (session: Session): Promise<ServerFiles> => {
  const [row] = await session.query(LOCATIONS, PROMPT_MS);
  const dataDirectory = resolve(text(row, 'datadir'));
  const isInside = (path: string): boolean => resolve(dataDirectory, path).startsWith(`${dataDirectory}/`);
  for (const name of ['innodb_data', 'innodb_log', 'innodb_undo']) {
    const directory = text(row, name);
    if (directory !== '' && resolve(dataDirectory, directory) !== dataDirectory && !isInside(directory))
      throw new Error(
        `InnoDB has files in ${directory}, outside of ${dataDirectory}: rebuild this node by hand (docs/operating.md)`,
      );
  }
  const logs = [text(row, 'log_bin'), text(row, 'relay_log')].filter((path) => path !== '' && !isInside(path));
  const { uid, gid, dev } = await stat(dataDirectory);
  const parent = await stat(dirname(dataDirectory));
  // A data directory that is a file system of its own is exchanged within it.
  const work = parent.dev === dev ? `${dataDirectory}.${WORK_NAME}` : join(dataDirectory, `.${WORK_NAME}`);
  return { dataDirectory, outside: logs, work, uid, gid };
};

export const newDirectory = ({ work }: ServerFiles): string => join(work, 'new');
export const oldDirectory = ({ work }: ServerFiles): string => join(work, 'old');

/** The old files go to `work/old`, and logs elsewhere into a directory beside them. The server must be stopped. */
export const moveOut = async (files: ServerFiles): Promise<void> => {
  await mkdir(oldDirectory(files), { recursive: true, mode: 0o700 });
  const kept = [basename(files.work), LOST_AND_FOUND];
  for (const name of await readdir(files.dataDirectory))
    if (!kept.includes(name)) await moveTo(oldDirectory(files), join(files.dataDirectory, name));
  for (const prefix of files.outside) {
    const aside = join(dirname(prefix), WORK_NAME);
    await mkdir(aside, { recursive: true, mode: 0o700 });
    for (const name of await readdir(dirname(prefix)))
      if (name.startsWith(`${basename(prefix)}.`)) await moveTo(aside, join(dirname(prefix), name));
  }
};

/** The new files take their place. */
export const moveIn = async (files: ServerFiles): Promise<void> => {
  for (const name of await readdir(newDirectory(files)))
    await moveTo(files.dataDirectory, join(newDirectory(files), name));
};

/** Never over something: it would be there only if the server had been started in the middle. */
const moveTo = async (directory: string, path: string): Promise<void> => {
  const target = join(directory, basename(path));
  const isThere = await lstat(target).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new Error(
      `${target} is there already, so ${path} stays: was the server started in the middle? Move away what that start made, then try again`,
    );
  await rename(path, target);
};

/** What root wrote is another's from now on, with all that is below it. */
export const giveTo = async (path: string, owner: Pick<ServerFiles, 'uid' | 'gid'>): Promise<void> => {
  await lchown(path, owner.uid, owner.gid);
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) await giveTo(below, owner);
    else await lchown(below, owner.uid, owner.gid);
  }
};
