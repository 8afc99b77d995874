/** Scheduling: the agent before all others on its host, and what it starts like anybody else. */

import { readdirSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { runInRealTime } from './libc.js';

/** The lowest of the real-time priorities goes before everything ordinary, and behind the kernel's own threads. */
const REAL_TIME_PRIORITY = 1;

/**
 * A lease must be renewed also where a host is busy, so real-time if that is allowed. Niceness, the second best, only
 * counts among the processes of one control group or session: other services get their share before it is looked at
 * (sched(7), The autogroup feature; systemd.resource-control(5), CPUWeight). Answers, for the log, why it is no more
 * than that; null: it is real-time. Threads that are made later begin as ordinary ones.
 */
export const goFirst = async (): Promise<string | null> => {
  // The first asynchronous call on a file makes the threads that write to disk, for which the main thread waits.
  await access('/');
  const why = tryAll((thread) => runInRealTime(thread, REAL_TIME_PRIORITY, 'asking for real-time scheduling'));
  if (why === null) return null;
  const second = tryAll((thread) => setPriority(thread, constants.priority.PRIORITY_HIGHEST));
  const instead = second === null ? 'it goes before others of its own control group only' : `nor be raised: ${second}`;
  return `this process cannot run in real time, and a busy host may cost it the lease: ${why}; ${instead}. LimitRTPRIO=1 in its unit allows it`;
};

/**
 * On Linux each thread has a priority of its own (setpriority(2), Bugs; sched_setscheduler(2)), and the main thread
 * waits for the others: for the garbage collector's, and for those that write to disk. Answers why not; null: done.
 */
const tryAll = (raise: (thread: number) => void): string | null => {
  try {
    for (const thread of readdirSync('/proc/self/task')) raise(Number(thread));
    return null;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
};

/** Children inherit niceness (fork(2)); a health script must not compete with what it judges. */
export const goLast = (pid: number): void => {
  try {
    setPriority(pid, constants.priority.PRIORITY_NORMAL);
  } catch {
    // It has ended already, or this process never had more to give.
  }
};
