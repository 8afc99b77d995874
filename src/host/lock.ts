/** The agent's lock file: one agent to a state directory, and `vipd cleanup` only where there is none. */

import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryLock } from './libc.js';

/** Of a process id in decimal. */
const MAX_PID_CHARS = 20;

export type LockResult =
  | {
      readonly kind: 'acquired';
      /** Gives it back. The file stays: removing it could take a lock that somebody has just got. */
      release(): void;
    }
  /** `heldBy` is the process id written in it; null where the holder has not written it yet. */
  | { readonly kind: 'held'; readonly heldBy: number | null };

/**
 * Takes the lock on `path` without waiting (flock(2)), and writes our process id into it for people. The kernel gives
 * it back when this process dies, however it dies; our children do not inherit it (O_CLOEXEC). Throws the system's error
 * where the file cannot be opened.
 */
export const acquireLock = (path: string, pid: number = process.pid): LockResult => {
  const fd = openLockFile(path);
  try {
    if (!tryLock(fd, 'exclusive', `locking ${path}`)) {
      const heldBy = readPid(fd);
      closeSync(fd);
      return { kind: 'held', heldBy };
    }
    ftruncateSync(fd);
    writeSync(fd, `${pid}\n`, 0);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  let held = true;
  return {
    kind: 'acquired',
    release() {
      if (held) closeSync(fd);
      held = false;
    },
  };
};

/** The service manager makes the directory; an agent run by hand makes its own. */
const openLockFile = (path: string): number => {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, 0o644);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    mkdirSync(dirname(path), { mode: 0o755 });
    return openSync(path, flags, 0o644);
  }
};

const readPid = (fd: number): number | null => {
  const buffer = Buffer.alloc(MAX_PID_CHARS);
  const pid = Number.parseInt(buffer.toString('latin1', 0, readSync(fd, buffer, 0, MAX_PID_CHARS, 0)), 10);
  return Number.isNaN(pid) ? null : pid;
};
