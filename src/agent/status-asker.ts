/** Asks the agent for its status on behalf of many: one question at a time, and not more often than a person could read. */

import type { Status } from '../control/status.js';
import type { Instant, Millis } from '../core/types.js';

/** Younger than this, the last answer is given again: a flood of scrapes asks the agent four times a second. */
export const FRESH_MS: Millis = 250;
/** An agent whose loop takes longer than this is not well, and a load balancer would not wait longer either. */
export const PATIENCE_MS: Millis = 1_000;

export type Told =
  | { readonly type: 'status'; readonly status: Status }
  | { readonly type: 'failed'; readonly why: string };

export interface StatusAsker {
  /** Rejects, saying why, where the agent does not answer in time. */
  readonly status: () => Promise<Status>;
  /** The answer to `ask`. */
  readonly told: (told: Told) => void;
}

export interface StatusAskerOptions {
  readonly ask: () => void;
  readonly now: () => Instant;
  readonly patienceMs?: Millis;
}

export const createStatusAsker = ({ ask, now, patienceMs = PATIENCE_MS }: StatusAskerOptions): StatusAsker => {
  let newest: { readonly told: Told; readonly at: Instant } | null = null;
  let asked = false;
  let waiting: ((told: Told) => void)[] = [];

  const settle = (told: Told): void => {
    const served = waiting;
    waiting = [];
    for (const resolve of served) resolve(told);
  };

  const next = (): Promise<Told> =>
    new Promise((resolve) => {
      // Connections are bounded, and so is what waits here.
      const first = waiting.push(resolve) === 1;
      if (!asked) ask();
      asked = true;
      if (!first) return;
      const silent = `the agent has not answered within ${patienceMs / 1_000} s: it hangs, or its host is overloaded`;
      const deadline = setTimeout(() => {
        asked = false;
        settle({ type: 'failed', why: silent });
      }, patienceMs);
      waiting.push(() => clearTimeout(deadline));
    });

  return {
    status: async () => {
      const fresh = newest !== null && now() - newest.at < FRESH_MS ? newest.told : await next();
      if (fresh.type === 'failed') throw new Error(fresh.why);
      return fresh.status;
    },
    told: (told) => {
      asked = false;
      newest = { told, at: now() };
      settle(told);
    },
  };
};
