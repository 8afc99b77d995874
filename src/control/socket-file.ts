/** The control socket's file: its place made ready, left-overs removed, its mode and group set. */

import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, type Stats, unlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';

/** unix(7), sun_path: 108 bytes with the terminating zero. */
const MAX_PATH_BYTES = 107;

/** Connecting to a socket of this host either works at once or the listener hangs. */
const PROBE_TIMEOUT_MS = 1_000;

const SOCKET_MODE = 0o660;

/** Nobody but the owner while the file is being made; `shareWithGroup` opens it. */
const PRIVATE_UMASK = 0o177;

/** Removes what a dead agent left at `path`. Throws where something alive, or something else, is in the way. */
export const prepareSocketPath = async (path: string): Promise<void> => {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Error(
      `cannot listen on ${path}: a unix socket's path has at most ${MAX_PATH_BYTES} bytes; choose a shorter control.socket`,
    );
  }
  makeDirectory(dirname(path));
  const found = statOf(path);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new Error(
      `cannot listen on ${path}: a file that is no socket is there; move it away, or change control.socket`,
    );
  }
  if (await somebodyListens(path)) {
    throw new Error(
      `cannot listen on ${path}: another agent answers there; stop it, or give this one its own control.socket`,
    );
  }
  unlinkSync(path);
};

/** Runs `listen`, which must bind before it returns, so that the file is never open to more than its owner. */
export const bindPrivately = (listen: () => void): void => {
  const before = process.umask(PRIVATE_UMASK);
  try {
    listen();
  } finally {
    process.umask(before);
  }
};

/** Sets mode 0660 and the group. Returns a warning where the group cannot be given, else null. */
export const shareWithGroup = (path: string, group: string): string | null => {
  const warning = giveToGroup(path, group);
  chmodSync(path, SOCKET_MODE);
  return warning === null ? null : `control socket ${path}: ${warning}; until then only root can use vipctl`;
};

const giveToGroup = (path: string, group: string): string | null => {
  const gid = groupId(group);
  if (gid === null) {
    return `there is no group ${group} on this host: run "groupadd --system ${group}" and restart the agent, or set control.group`;
  }
  try {
    chownSync(path, -1, gid);
    return null;
  } catch (error) {
    return `cannot give it to the group ${group}: ${reasonOf(error)}; run the agent as root, or as a member of that group`;
  }
};

const makeDirectory = (directory: string): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new Error(`cannot make the directory ${directory} for the control socket: ${reasonOf(error)}`, {
      cause: error,
    });
  }
};

const statOf = (path: string): Stats | undefined => {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new Error(`cannot look at the control socket ${path}: ${reasonOf(error)}`, { cause: error });
  }
};

const somebodyListens = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createConnection(path);
    const end = (alive: boolean) => {
      probe.destroy();
      resolve(alive);
    };
    probe.setTimeout(PROBE_TIMEOUT_MS, () => end(true));
    probe.once('connect', () => end(true));
    probe.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });

/** From /etc/group alone: a group for a system service is a local one, and a directory service may hang (nsswitch.conf(5)). */
const groupId = (name: string): number | null => {
  try {
    for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
      const [group, , gid] = line.split(':');
      if (group === name && gid !== undefined && /^\d+$/.test(gid)) return Number(gid);
    }
  } catch {
    // A host without /etc/group has no such group either.
  }
  return null;
};

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
