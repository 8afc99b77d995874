/** One long-running program of a lab host: started on it, logged to a file, signalled by pid, and watched for its end. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type HostName, on } from './topology.js';

const STOP_DEADLINE_MS = 20_000;
const LOG_TAIL_CHARS = 2_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Daemon {
  readonly name: string;
  readonly argv: readonly string[];
  readonly logFile: string;
  /** 0 while it does not run. */
  readonly pid: number;
  readonly running: boolean;
  /** Ends so far, oldest first. */
  readonly exits: readonly Exit[];
  start(): void;
  signal(signal: NodeJS.Signals): void;
  /** Signal it (default SIGTERM) and wait for its end; killed when it does not end. Nothing to do when it does not run. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** The end of its log. */
  tail(): string;
}

export interface DaemonOptions {
  readonly name: string;
  readonly host: HostName;
  readonly argv: readonly string[];
  readonly logFile: string;
}

const started = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

export const createDaemon = (options: DaemonOptions): Daemon => {
  const exits: Exit[] = [];
  let child: ChildProcess | undefined;

  const start = (): void => {
    if (child !== undefined) throw new Error(`${options.name} runs already, with pid ${child.pid}`);
    const [command = '', ...args] = [...on(options.host), ...options.argv];
    const log = openSync(options.logFile, 'a');
    const fresh = spawn(command, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    child = fresh;
    started.add(fresh);
    const ended = (exit: Exit): void => {
      started.delete(fresh);
      exits.push(exit);
      child = undefined;
    };
    fresh.once('exit', (code, signal) => ended({ code, signal }));
    fresh.once('error', () => ended({ code: null, signal: null }));
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const stopping = child;
    if (stopping === undefined) return;
    const end = once(stopping, 'exit');
    stopping.kill(signal);
    const timer = setTimeout(() => stopping.kill('SIGKILL'), STOP_DEADLINE_MS);
    await end;
    clearTimeout(timer);
  };

  return {
    name: options.name,
    argv: options.argv,
    logFile: options.logFile,
    get pid() {
      return child?.pid ?? 0;
    },
    get running() {
      return child !== undefined;
    },
    exits,
    start,
    signal: (signal) => {
      child?.kill(signal);
    },
    stop,
    tail: () => {
      try {
        return readFileSync(options.logFile, 'utf8').slice(-LOG_TAIL_CHARS);
      } catch {
        return '';
      }
    },
  };
};
