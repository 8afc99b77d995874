/** The server's process on this host: known while it answers, so that one that hangs can be ended. */

import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { CpuMs } from './at-work.js';
import type { Session } from './connection.js';
import { text } from './flavour.js';

export interface ServerProcess {
  /** Asks a server that answers which process it is. Never throws: then it is not known. */
  readonly learn: (session: Pick<Session, 'query'>, deadlineMs: number) => Promise<void>;
  /** The process that was learnt, if it has ended; null: it runs, or is not known. */
  readonly ended: () => number | null;
  /** `killed`: by us, and not gone yet. */
  readonly state: () => 'unknown' | 'runs' | 'killed' | 'ended';
  /** Of threads of the process that was learnt, by their ids in the operating system; those that have ended count nothing. */
  readonly cpuMs: CpuMs;
  /** Of the whole process that was learnt, threads that have ended among them; null: it has ended, or is not known. */
  readonly usedMs: () => number | null;
  /** SIGKILL to the process that was learnt, if it is still the same one. Answers what was done, or why nothing was. */
  readonly kill: () => { readonly killed: boolean; readonly detail: string };
}

/** Where fields of /proc/PID/stat (proc(5)) lie behind the name: their numbers there less 3. */
const STATE = 0;
const UTIME = 11;
const STIME = 12;
const START_TIME = 19;
/** sysconf(_SC_CLK_TCK) is 100 wherever Linux runs a server. */
const TICK_MS = 10;

interface Known {
  readonly pid: number;
  /** A pid that was given to another process does not have it. */
  readonly startTime: string;
}

const SERVER_NAMES: readonly string[] = ['mariadbd', 'mysqld'];

export const createServerProcess = (): ServerProcess => {
  let known: Known | null = null;
  let killed: Known | null = null;
  const hasEnded = ({ pid, startTime }: Known): boolean =>
    identify(String(pid))?.startTime !== startTime || isReapable(pid);
  return {
    learn: async (session, deadlineMs) => {
      try {
        const [row] = await session.query(
          'SELECT @@global.pid_file AS pid_file, @@global.datadir AS datadir',
          deadlineMs,
        );
        const file = text(row, 'pid_file');
        // A relative name is below the data directory (server manual, pid_file).
        known = identify(readFileSync(file.startsWith('/') ? file : `${text(row, 'datadir')}${file}`, 'utf8'));
      } catch {
        // On another host, or its files are not ours to read: it cannot be ended from here.
        known = null;
      }
    },
    ended: () => (known !== null && hasEnded(known) ? known.pid : null),
    state: () => {
      if (known === null) return 'unknown';
      if (hasEnded(known)) return 'ended';
      return killed?.startTime === known.startTime ? 'killed' : 'runs';
    },
    cpuMs: (threads) => {
      if (known === null || hasEnded(known)) return null;
      const { pid } = known;
      return threads.reduce((usedMs, thread) => usedMs + usedBy(`${pid}/task/${thread}`), 0);
    },
    usedMs: () => (known === null || hasEnded(known) ? null : usedBy(String(known.pid))),
    kill: () => {
      if (!known) return { killed: false, detail: 'its process is not known on this host' };
      const { pid } = known;
      if (hasEnded(known)) return { killed: false, detail: `process ${pid} has ended already` };
      try {
        process.kill(pid, 'SIGKILL');
        killed = known;
        return { killed: true, detail: `process ${pid} was ended (SIGKILL)` };
      } catch (error) {
        return {
          killed: false,
          detail: `process ${pid} could not be ended: ${error instanceof Error ? error.message : String(error)}`,
        };
      }
    },
  };
};

/** Null: there is no such process, or it is no server. */
const identify = (pidText: string): Known | null => {
  const pid = Number(pidText.trim());
  if (!Number.isInteger(pid) || pid <= 1) return null;
  const stat = statOf(String(pid));
  if (stat === null) return null;
  // The name stands in brackets and may itself hold brackets and spaces.
  const name = basename(stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')));
  const startTime = splitFields(stat)[START_TIME];
  return SERVER_NAMES.includes(name) && startTime !== undefined ? { pid, startTime } : null;
};

/** It has exited and waits for its parent. A leader that exited first leaves threads behind, which may still write. */
const isReapable = (pid: number): boolean => {
  if (!['Z', 'X'].includes(fieldsOf(String(pid))?.[STATE] ?? '')) return false;
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch {
    return true;
  }
};

const usedBy = (task: string): number => {
  const fields = fieldsOf(task);
  return fields === null ? 0 : (Number(fields[UTIME]) + Number(fields[STIME])) * TICK_MS;
};

const splitFields = (stat: string): readonly string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

const fieldsOf = (task: string): readonly string[] | null => {
  const stat = statOf(task);
  return stat === null ? null : splitFields(stat);
};

const statOf = (task: string): string | null => {
  try {
    return readFileSync(`/proc/${task}/stat`, 'utf8');
  } catch {
    // It has ended. A service manager that listens for it (systemd.socket(5)) makes its death look like a hang.
    return null;
  }
};
