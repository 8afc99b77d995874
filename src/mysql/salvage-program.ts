/** Starts the server's own programs (say mariadb-binlog and mariadb) for a salvage, without holding the agent up. */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** The only path searched, and all of the environment with LANG: nothing of the agent's reaches them. */
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The name under which the shell reports that it could not run the program. */
const TRAMPOLINE_NAME = 'vipd-exec';
/** POSIX, "Exit Status for Commands": not found. */
const NOT_FOUND = 127;
/** What is kept of a program's complaints: the end, since the client first repeats the statement that failed. */
const COMPLAINTS_MAX_CHARS = 4_000;
/** How many of them an outcome names. */
const ERRORS_MAX = 3;

export interface Program {
  readonly child: ChildProcess;
  /** The end of what it wrote to its standard error. */
  complaints(): string;
  /** Resolves when it has ended and all its output was read; the text says how, empty: exit 0. Never rejects. */
  readonly ended: Promise<string>;
  kill(): void;
}

/**
 * By way of a shell, since spawn(3) as libuv does it holds the event loop until execve(2) has succeeded, and on a frozen disk
 * that is never. `inherited` becomes the child's descriptor 3.
 */
export const startProgram = (name: string, args: readonly string[], inherited?: number): Program => {
  const child = spawn('/bin/sh', ['-c', 'exec "$@"', TRAMPOLINE_NAME, name, ...args], {
    cwd: '/',
    env: { PATH: SEARCH_PATH, LANG: 'C' },
    stdio: ['pipe', 'pipe', 'pipe', ...(inherited === undefined ? [] : [inherited])],
  });
  let said = '';
  const errors: Readable | null = child.stderr;
  errors?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-COMPLAINTS_MAX_CHARS);
  });
  // A program that ended early leaves a pipe that nobody reads; its exit says why.
  child.stdin?.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`cannot run ${name}: ${error.message}`));
    child.once('close', (code, signal) => {
      if (code === 0) resolve('');
      else if (code === NOT_FOUND)
        resolve(`${name} is not found in ${SEARCH_PATH}; install the server's client programs`);
      else resolve(`${name} ended with ${signal ?? `exit ${code}`}${said === '' ? '' : `: ${errorsOf(said)}`}`);
    });
  });
  return { child, complaints: () => said, ended, kill: () => void child.kill('SIGKILL') };
};

/** The errors alone: the statement that the client repeats before them holds rows, which belong in no log. */
const errorsOf = (text: string): string => {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => line.startsWith('ERROR'));
  return (errors.length > 0 ? errors.slice(0, ERRORS_MAX) : lines.slice(-1)).join('; ');
};
