/** The agent's side of its HTTP server: starts the thread that serves, tells it what it asks, and starts it again. */

import { Worker } from 'node:worker_threads';
import type { Endpoint } from '../config/types.js';
import type { ListenState } from '../control/http-server.js';
import { createServing } from '../control/serving.js';
import type { HttpStatus, Status } from '../control/status.js';
import type { Instant, Millis, VoterName } from '../core/types.js';
import type { Told } from './status-asker.js';

export interface HttpThreadData {
  readonly listen: { readonly address: string; readonly port: number };
  readonly group: string;
  readonly node: VoterName;
  readonly serving: SharedArrayBuffer;
}

export type FromThread = { readonly type: 'ask' } | { readonly type: 'state'; readonly state: ListenState };
export type FromAgent = Told;

export interface HttpOptions {
  readonly listen: Endpoint;
  readonly group: string;
  readonly node: VoterName;
  /** Rejects, saying why, where there is none yet. */
  readonly status: () => Promise<Status>;
  readonly log: (level: 'debug' | 'info' | 'warn', text: string) => void;
  /** The program of the thread. */
  readonly program?: URL;
  readonly restartMs?: Millis;
}

/** Nothing here fails, or waits for, what the agent is for. */
export interface Http {
  readonly open: () => void;
  /** The end of the lease under which this node serves clients; 0: it does not. */
  readonly servesUntil: (until: Instant) => void;
  readonly state: () => HttpStatus;
  readonly close: () => Promise<void>;
}

/** What the thread may take before it alone is ended (`resourceLimits` of worker_threads); it needs a few megabytes. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 } as const;
/** A thread that ended is started again after this long, then after twice as long, and so on. */
const RESTART_MS: Millis = 1_000;
const MAX_RESTART_MS: Millis = 60_000;
const MS_PER_SECOND = 1_000;

export const createHttp = (options: HttpOptions): Http => {
  const { listen, log, program = new URL('./http-thread.js', import.meta.url), restartMs = RESTART_MS } = options;
  const where = listen.family === 6 ? `[${listen.address}]:${listen.port}` : `${listen.address}:${listen.port}`;
  const serving = createServing();
  let thread: Worker | null = null;
  let restart: NodeJS.Timeout | undefined;
  let waitMs = restartMs;
  let listening = false;
  let error = 'it has not started yet';
  let closed = false;

  const failed = (why: string, retryInMs: Millis): void => {
    // Told once, and again only where the reason is another: it is tried for as long as it takes.
    const level = why === error ? 'debug' : 'warn';
    log(level, `the HTTP server does not listen on ${where}: ${why}; tried again in ${retryInMs / MS_PER_SECOND} s`);
    listening = false;
    error = why;
  };

  const onState = (state: ListenState): void => {
    if (!state.listening) return failed(state.error, state.retryInMs);
    log('info', `health and metrics are at http://${where}`);
    listening = true;
    error = '';
    waitMs = restartMs;
  };

  const answer = async (asker: Worker): Promise<void> => {
    const told: FromAgent = await options.status().then(
      (status) => ({ type: 'status', status }) as const,
      (cause: unknown) => ({ type: 'failed', why: messageOf(cause) }) as const,
    );
    asker.postMessage(told);
  };

  const startAgain = (why: string): void => {
    if (closed) return;
    failed(why, waitMs);
    restart = setTimeout(start, waitMs);
    waitMs = Math.min(2 * waitMs, MAX_RESTART_MS);
  };

  const start = (): void => {
    const { group, node } = options;
    const workerData: HttpThreadData = { listen, group, node, serving: serving.memory };
    let started: Worker;
    try {
      started = new Worker(program, { workerData, env: {}, name: 'http', resourceLimits: HEAP_LIMITS });
    } catch (cause) {
      // No thread left to be had (pthread_create(3), EAGAIN), say: what that ends must not be the agent.
      return startAgain(messageOf(cause));
    }
    let why = 'its thread ended';
    started.on('message', (message: FromThread) => {
      if (message.type === 'ask') void answer(started);
      else onState(message.state);
    });
    started.on('error', (cause) => {
      why = messageOf(cause);
    });
    started.on('exit', () => startAgain(why));
    thread = started;
  };

  return {
    open: start,
    servesUntil: serving.set,
    state: () => ({ listen: where, listening, error }),
    close: async () => {
      closed = true;
      clearTimeout(restart);
      await thread?.terminate();
    },
  };
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
