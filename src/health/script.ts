/** Runs one health script again and again, and tells each result at its deadline at the latest. */

import { setTimeout as sleep } from 'node:timers/promises';
// The shared runner of operators' programs lives in host/; health may import it, the one sideways import allowed here.
import { describeEnd, type ProcessResult, type RunningProcess, startProcess } from '../host/process.js';

/** What of a script's output is kept for `status`. */
export const SCRIPT_OUTPUT_LIMIT_BYTES = 4096;

export interface ScriptResult {
  readonly name: string;
  /** Exit status 0 within the deadline. A timeout or a failure to start is not. */
  readonly ok: boolean;
  /** One line for people: what came back. */
  readonly detail: string;
  readonly output: string;
  readonly tookMs: number;
}

export interface ScriptCheckOptions {
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** From the start of one run to the start of the next. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Account to run as; absent: the agent's own. */
  readonly user?: string;
  /** A clock that no wall-clock step moves, in milliseconds. */
  readonly nowMs: () => number;
  /** Told every result, good or bad; counting `fall` and `rise` is the core's. */
  readonly onResult: (result: ScriptResult) => void;
}

export interface ScriptCheck {
  /** No result comes after this; a running script is killed. Resolves when it is gone, or cannot be killed. */
  stop(): Promise<void>;
}

/**
 * Starts the first run at once. Runs never overlap: one whose processes outlive SIGKILL (they wait for a frozen disk)
 * makes each later turn a failure, without a second child beside it.
 */
export const createScriptCheck = (options: ScriptCheckOptions): ScriptCheck => {
  const stop = new AbortController();
  const tell = (result: Omit<ScriptResult, 'name'>): void => {
    if (!stop.signal.aborted) options.onResult({ name: options.name, ...result });
  };
  const ended = repeat(options, tell, stop.signal);
  return {
    stop() {
      stop.abort();
      return ended;
    },
  };
};

const repeat = async (
  options: ScriptCheckOptions,
  tell: (result: Omit<ScriptResult, 'name'>) => void,
  stop: AbortSignal,
): Promise<void> => {
  while (!stop.aborted) {
    const startedMs = options.nowMs();
    const run = start(options);
    stop.addEventListener('abort', run.giveUp);
    tell(judge(await run.ended, options.timeoutMs));
    // Within the time that killing takes a run is not called stuck: one hang would count twice against `fall`.
    await run.leave();
    await pause(startedMs + options.intervalMs - options.nowMs(), stop);
    while (!stop.aborted && !run.isGone()) {
      tell(stillRunning(run, options.nowMs() - startedMs));
      await pause(options.intervalMs, stop);
    }
    stop.removeEventListener('abort', run.giveUp);
  }
};

/** Ends early, and without complaint, once told to stop. */
const pause = (forMs: number, stop: AbortSignal): Promise<void> =>
  sleep(Math.max(0, forMs), undefined, { signal: stop }).catch(() => undefined);

const judge = (result: ProcessResult, timeoutMs: number): Omit<ScriptResult, 'name'> => ({
  ok: result.end.kind === 'exited' && result.end.code === 0,
  detail: describeEnd(result, timeoutMs),
  output: result.output,
  tookMs: result.tookMs,
});

const start = (options: ScriptCheckOptions): RunningProcess =>
  startProcess({
    command: options.command,
    env: { VIPD_CHECK: options.name },
    ...(options.user === undefined ? {} : { user: options.user }),
    timeoutMs: options.timeoutMs,
    outputLimitBytes: SCRIPT_OUTPUT_LIMIT_BYTES,
    nowMs: options.nowMs,
  });

const stillRunning = (run: RunningProcess, tookMs: number): Omit<ScriptResult, 'name'> => {
  const since = `${Math.round(tookMs / 1000)} s ago`;
  const detail = `still running: the run begun ${since} (process group ${run.pid}) cannot be killed; is a disk frozen?`;
  return { ok: false, detail, output: '', tookMs };
};
