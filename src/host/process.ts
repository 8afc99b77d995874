/** Runs one program of the operator's (a health script or a hook) in a process group of its own, under a deadline. */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, rememberedAccountOf } from './account.js';
import { mayChangeUser } from './capabilities.js';
import { captureOutput } from './output.js';
import { goLast } from './priority.js';
import { groupIsAlive, signalGroup } from './process-group.js';

/** Between SIGTERM at the deadline and SIGKILL: time to tidy up, short enough to leave the schedule alone. */
export const TERM_GRACE_MS = 500;
/** After the end of the program, for output that is still in the pipe. A daemon it left behind may hold the pipe for ever. */
const OUTPUT_GRACE_MS = 100;
/** The only path searched: that of a system service, not of whoever started the agent. */
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** After SIGKILL, for the kernel to take the group down. */
const REAP_GRACE_MS = 200;
/** How often a group that was killed is looked at meanwhile. */
const REAP_POLL_MS = 10;
/** POSIX, "Exit Status for Commands": 126 found but not executable, 127 not found. */
const CANNOT_RUN_CODES: readonly number[] = [126, 127];
const SHELL = '/bin/sh';
const SETPRIV = '/usr/bin/setpriv';
/** Ambient ones go with the inheritable (capabilities(7)). */
const WITHOUT_CAPABILITIES = ['--inh-caps=-all'] as const;
/** The name under which that shell reports that it could not run the program. */
const TRAMPOLINE_NAME = 'vipd-exec';

export interface ProcessRequest {
  /** The program and its arguments; nothing is read by a shell. */
  readonly command: readonly string[];
  /** All of its environment besides PATH and LANG; ours is not passed on. */
  readonly env: Readonly<Record<string, string>>;
  /** The account to run as, by its name in /etc/passwd; absent: ours. */
  readonly user?: string;
  readonly timeoutMs: number;
  /** How much of its output is kept; the rest is read and dropped. */
  readonly outputLimitBytes: number;
  /** A clock that no wall-clock step moves, in milliseconds. */
  readonly nowMs: () => number;
}

export type ProcessEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  /** Not over at the deadline. */
  | { readonly kind: 'timed-out' }
  /** Killed because we were asked to. */
  | { readonly kind: 'given-up' }
  | { readonly kind: 'cannot-run'; readonly why: string };

export interface ProcessResult {
  readonly end: ProcessEnd;
  /** Standard output and error in order of arrival, made safe to print. */
  readonly output: string;
  readonly tookMs: number;
}

export interface RunningProcess {
  /** 0 where nothing was started. */
  readonly pid: number;
  /** Settles at the end or at the deadline, whichever comes first, reaped or not. Never rejects. */
  readonly ended: Promise<ProcessResult>;
  /** Nothing of its process group is left: false while a member outlives even SIGKILL, as one waiting for a frozen disk does. */
  isGone(): boolean;
  /** Once `ended`: waits until it is gone, at most as long as killing it takes. Tells whether it is. */
  leave(): Promise<boolean>;
  /** SIGTERM now, SIGKILL after TERM_GRACE_MS. */
  giveUp(): void;
}

/** The deadline has passed or we were told to give up: the program's own exit is no news any more. */
type EarlyEnd = 'timed-out' | 'given-up';

/**
 * Starts `request.command`. What it leaves running in its process group when it ends is killed: a leftover would run
 * beside the next hook, out of order. Something meant to stay uses setsid(1) or systemd-run(1).
 */
export const startProcess = (request: ProcessRequest): RunningProcess => {
  const startedMs = request.nowMs();
  const launch = trampoline(request);
  if (launch.kind === 'impossible') return notStarted(launch.why);
  let child: ChildProcess;
  try {
    child = spawn(launch.file, launch.args, {
      cwd: '/',
      env: { PATH: SEARCH_PATH, LANG: 'C', ...request.env },
      // A session and a process group of its own, so that its children can be killed with it (setsid(2)).
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    return notStarted(`cannot run ${request.command[0]}: ${messageOf(error)}`);
  }
  if (child.pid !== undefined) goLast(child.pid);
  return supervise(child, request, startedMs);
};

/** What came of a program, in one line for people. */
export const describeEnd = (result: ProcessResult, timeoutMs: number): string => {
  const said = result.output.split('\n').find((line) => line.trim() !== '');
  const suffix = said === undefined ? '' : `: ${said.trim()}`;
  const { end } = result;
  switch (end.kind) {
    case 'exited':
      return `exit ${end.code}${suffix}`;
    case 'signalled':
      return `killed by ${end.signal}${suffix}`;
    case 'timed-out':
      return `no end within ${timeoutMs} ms${suffix}`;
    case 'given-up':
      return `given up after ${Math.round(result.tookMs)} ms`;
    case 'cannot-run':
      return end.why;
    default:
      return end satisfies never;
  }
};

const supervise = (child: ChildProcess, request: ProcessRequest, startedMs: number): RunningProcess => {
  const pid = child.pid ?? 0;
  const capture = captureOutput(request.outputLimitBytes);
  const pipes = [child.stdout, child.stderr].filter((pipe): pipe is Readable => pipe !== null);
  for (const pipe of pipes) capture.follow(pipe);
  let leaderGone = pid === 0;
  let early: EarlyEnd | null = null;
  let settle: (end: ProcessEnd) => void = () => undefined;

  const ended = new Promise<ProcessResult>((resolve) => {
    settle = (end) => {
      clearTimeout(deadline);
      resolve({ end, output: capture.text(), tookMs: request.nowMs() - startedMs });
    };
  });
  const endEarly = (why: EarlyEnd): void => {
    if (early !== null || leaderGone) return;
    early = why;
    signalGroup(pid, 'SIGTERM');
    settle({ kind: why });
    // Its output is read on for that long: a closed pipe would end its tidying up by SIGPIPE.
    setTimeout(() => {
      signalGroup(pid, 'SIGKILL');
      dropPipes(pipes);
    }, TERM_GRACE_MS);
  };
  // After a stall of ours the timer comes first, though the program may have ended in time: let its exit be heard before.
  const deadline = setTimeout(() => setImmediate(endEarly, 'timed-out'), request.timeoutMs);

  child.once('error', (error) => {
    leaderGone = true;
    settle({ kind: 'cannot-run', why: `cannot run ${request.command[0]}: ${error.message}` });
  });
  child.once('exit', (code, signal) => {
    leaderGone = true;
    clearTimeout(deadline);
    // Given up early, the rest of the group has its grace; else nothing may outlive its leader.
    if (early !== null) return;
    signalGroup(pid, 'SIGKILL');
    const atEnd = (): void => {
      clearTimeout(grace);
      settle(endOf(code, signal, request, capture.text()));
      dropPipes(pipes);
    };
    const grace = setTimeout(atEnd, OUTPUT_GRACE_MS);
    child.once('close', atEnd);
  });
  const isGone = (): boolean => leaderGone && !groupIsAlive(pid);
  return {
    pid,
    ended,
    isGone,
    leave: () => waitUntil(isGone, TERM_GRACE_MS + REAP_GRACE_MS),
    giveUp: () => endEarly('given-up'),
  };
};

const waitUntil = async (holds: () => boolean, boundMs: number): Promise<boolean> => {
  for (let waitedMs = 0; waitedMs < boundMs && !holds(); waitedMs += REAP_POLL_MS) await sleep(REAP_POLL_MS);
  return holds();
};

const dropPipes = (pipes: readonly Readable[]): void => {
  for (const pipe of pipes) pipe.destroy();
};

const endOf = (code: number | null, signal: string | null, request: ProcessRequest, output: string): ProcessEnd => {
  if (code === null) return { kind: 'signalled', signal: signal ?? 'an unknown signal' };
  const complaint = new RegExp(`^(?:${TRAMPOLINE_NAME}|setpriv): .*: ([^:\n]+)`).exec(output);
  if (!CANNOT_RUN_CODES.includes(code) || complaint === null) return { kind: 'exited', code };
  const as = request.user === undefined ? '' : ` as ${request.user}`;
  return { kind: 'cannot-run', why: `cannot run ${request.command[0]}${as}: ${complaint[1]}` };
};

type Launch =
  | { readonly kind: 'possible'; readonly file: string; readonly args: readonly string[] }
  | { readonly kind: 'impossible'; readonly why: string };

/**
 * Never the program itself: spawn(3) as libuv does it holds the event loop until execve(2) has succeeded in the child, and
 * on a frozen disk that is never. The shell and setpriv(1) are in the page cache; what they then execute may hang alone.
 */
const trampoline = (request: ProcessRequest): Launch => {
  const [program] = request.command;
  if (program === undefined || program === '') return { kind: 'impossible', why: 'cannot run: the command is empty' };
  if (request.user === undefined) return ourselves(request.command);
  const account = rememberedAccountOf(request.user);
  if (account.kind === 'unknown') return { kind: 'impossible', why: `cannot run ${program}: ${account.why}` };
  if (account.uid === process.geteuid?.()) return ourselves(request.command);
  if (!mayChangeUser()) {
    const why = `cannot run ${program} as ${request.user}: only root, or a process with CAP_SETUID and CAP_SETGID, can change user`;
    return { kind: 'impossible', why: `${why}, and this is user id ${process.geteuid?.()}` };
  }
  return asUser(account, request.command);
};

/**
 * Root runs a program with what root has here. Under a user of its own the agent has capabilities that a program of the
 * operator's does not need: ambient ones would be handed on (capabilities(7)), so setpriv(1) takes them off.
 */
const ourselves = (command: readonly string[]): Launch => {
  const exec = [SHELL, '-c', 'exec "$@"', TRAMPOLINE_NAME, ...command];
  const [file, ...args] = process.geteuid?.() === 0 ? exec : [SETPRIV, ...WITHOUT_CAPABILITIES, '--', ...exec];
  return { kind: 'possible', file: file ?? SHELL, args };
};

/**
 * setpriv(1) and not spawn's uid and gid, which leave the account without its supplementary groups (initgroups(3)). It
 * keeps capabilities until it executes something; the shell between them makes that the account's own look-up.
 */
const asUser = (account: Account, command: readonly string[]): Launch => {
  const change = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', ...WITHOUT_CAPABILITIES];
  return {
    kind: 'possible',
    file: SETPRIV,
    args: [...change, '--', SHELL, '-c', 'exec "$@"', TRAMPOLINE_NAME, ...command],
  };
};

const notStarted = (why: string): RunningProcess => ({
  pid: 0,
  ended: Promise.resolve({ end: { kind: 'cannot-run', why }, output: '', tookMs: 0 }),
  isGone: () => true,
  leave: () => Promise.resolve(true),
  giveUp: () => undefined,
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
