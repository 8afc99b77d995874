/** Signals a process group, and tells whether any of it still lives. */

import { readdirSync, readFileSync } from 'node:fs';

/** Sends `signal` to every process of the group; an empty group is no error. */
export const signalGroup = (pgid: number, signal: NodeJS.Signals): void => {
  groupTakes(pgid, signal);
};

/**
 * Whether a process of the group still lives. Zombies do not count: one whose parent never reaps it (the first process of
 * a container may not) stays for ever and does nothing.
 */
export const groupIsAlive = (pgid: number): boolean => groupTakes(pgid, 0) && hasLiveMember(pgid);

/** kill(2) with a negative pid; 0 and 1 would mean our own group and every process, so they are never passed on. */
const groupTakes = (pgid: number, signal: NodeJS.Signals | 0): boolean => {
  if (pgid <= 1) return false;
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (error) {
    // ESRCH: nobody there. EPERM: somebody is, whom we may not signal.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** Reads every /proc/PID/stat (proc(5)); procfs waits for no disk, not even for a process that does. */
const hasLiveMember = (pgid: number): boolean => readdirSync('/proc').some((entry) => isLiveMember(entry, pgid));

const isLiveMember = (entry: string, pgid: number): boolean => {
  if (!/^\d+$/.test(entry)) return false;
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
    // After the command in brackets, which may hold brackets and spaces itself: state, parent, process group.
    const [state = '', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(group) === pgid && !['Z', 'X'].includes(state);
  } catch {
    // Ended while we looked.
    return false;
  }
};
