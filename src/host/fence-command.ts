/** Runs the operator's `fence` command, which cuts off the peer for certain: beside the hooks, and never twice at once. */

import type { Term } from '../core/types.js';
import { type HookFacts, hookEnvironment } from './hooks.js';
import { describeEnd, type RunningProcess, startProcess } from './process.js';

/** What of its output is read; its first line is told. */
const FENCE_OUTPUT_LIMIT_BYTES = 4096;

export interface FenceRequest {
  readonly term: Term;
  readonly reason: string;
  /** It is killed, and has failed, after this. */
  readonly timeoutMs: number;
}

export interface FenceResult {
  /** Exit status 0 within the deadline: the peer is off. */
  readonly ok: boolean;
  /** One line for people: `exit 1: no such outlet`, `no end within 20000 ms`, `cannot run …`. */
  readonly detail: string;
}

export interface FenceCommand {
  /** Never rejects. `signal` gives up: the command is killed. */
  run(request: FenceRequest, signal: AbortSignal): Promise<FenceResult>;
}

export interface FenceCommandOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** What it is told in its environment besides, as hooks are. */
  readonly facts: () => Pick<HookFacts, 'group' | 'node' | 'peer' | 'vips'>;
  /** A clock that no wall-clock step moves, in milliseconds. */
  readonly nowMs: () => number;
}

export const createFenceCommand = ({ command, facts, nowMs }: FenceCommandOptions): FenceCommand => {
  let last: RunningProcess | null = null;
  return {
    run: async ({ term, reason, timeoutMs }, signal) => {
      // Two power commands at once could leave the host on; one that was killed may take a moment to be gone.
      if (last && !(await last.leave()))
        return { ok: false, detail: `not run: the one before (process group ${last.pid}) cannot be killed` };
      if (signal.aborted) return { ok: false, detail: 'given up before it was run' };
      const process = startProcess({
        command,
        env: hookEnvironment({ ...facts(), phase: 'pre-takeover', term, reason }),
        timeoutMs,
        outputLimitBytes: FENCE_OUTPUT_LIMIT_BYTES,
        nowMs,
      });
      last = process;
      signal.addEventListener('abort', process.giveUp, { once: true });
      const result = await process.ended;
      signal.removeEventListener('abort', process.giveUp);
      return { ok: result.end.kind === 'exited' && result.end.code === 0, detail: describeEnd(result, timeoutMs) };
    },
  };
};
