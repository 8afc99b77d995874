/** Answers new connections with a reset while a planned move asks for it, and tries again what the kernel does not take. */

import type { Millis } from '../core/types.js';

export interface RefusalOptions {
  /** Throws where the kernel does not take it. */
  readonly refuse: (on: boolean) => void;
  readonly log: (level: 'info' | 'warn', text: string) => void;
}

export interface Refusal {
  /** Does not throw: what fails is tried again until it succeeds, or something else is asked for. */
  readonly set: (on: boolean) => void;
  /** Why new connections may be refused still although nobody wants that any more; empty: they are not. */
  readonly problem: () => string;
  readonly close: () => void;
}

/** A socket without room (ENOBUFS) has some again at once; what lasts longer is not asked for all the time. */
const FIRST_RETRY_MS: Millis = 50;
const LONGEST_RETRY_MS: Millis = 1_000;

export const createRefusal = ({ refuse, log }: RefusalOptions): Refusal => {
  let retry: NodeJS.Timeout | null = null;
  let problem = '';

  const attempt = (on: boolean, waitMs: Millis, again: boolean): void => {
    retry = null;
    const what = on ? 'refusing new connections' : 'admitting new connections again';
    try {
      refuse(on);
      if (again) log('info', `${what}: done now`);
      problem = '';
    } catch (cause) {
      const why = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
      log('warn', `${why}; tried again`);
      // Who was to be refused and is not is a nuisance for a moment; who is refused for good has no service.
      problem = on ? '' : why;
      const nextMs = Math.min(2 * waitMs, LONGEST_RETRY_MS);
      retry = setTimeout(() => attempt(on, nextMs, true), waitMs);
    }
  };

  const stop = (): void => {
    if (retry) clearTimeout(retry);
    retry = null;
  };

  return {
    set: (on) => {
      stop();
      attempt(on, FIRST_RETRY_MS, false);
    },
    problem: () => problem,
    close: stop,
  };
};
