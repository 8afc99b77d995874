/** Scheduling priority: the agent before others on its host, and what it starts like anybody else. */

import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/**
 * A lease must be renewed also where a host is busy. Real-time priority, where the unit gives it, goes before this.
 * Answers why it could not be done; null: done.
 */
export const goFirst = (): string | null => {
  try {
    // On Linux each thread has a priority of its own (setpriority(2), Bugs), and the main thread waits for the others: for
    // the garbage collector's, and for those that write to disk.
    for (const thread of readdirSync('/proc/self/task'))
      setPriority(Number(thread), constants.priority.PRIORITY_HIGHEST);
    return null;
  } catch (cause) {
    return `the priority of this process could not be raised: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
};

/** Children inherit the priority (fork(2)); a health script must not compete with what it judges. */
export const goLast = (pid: number): void => {
  try {
    setPriority(pid, constants.priority.PRIORITY_NORMAL);
  } catch {
    // It has ended already, or this process never had more to give.
  }
};
