/** The newest failure of each hook, kept until an operator acknowledges it. */

import { basename } from 'node:path';
import type { Moment } from '../control/moment.js';
import type { HookFailure } from '../control/status.js';
import type { HookFacts, HookResult } from '../host/hooks.js';

export interface HookFailures {
  readonly note: (facts: Pick<HookFacts, 'phase'>, result: HookResult, at: Moment) => void;
  /** Oldest first. */
  readonly all: () => readonly HookFailure[];
  readonly acknowledge: () => void;
}

const LIMIT = 32;

export const createHookFailures = (): HookFailures => {
  let failures: readonly HookFailure[] = [];
  return {
    note: ({ phase }, result, at) => {
      const failed = result.ran.filter((ran) => ran.exit !== 0);
      const fresh = failed.map((ran) => ({ at, phase, name: basename(ran.file), detail: result.detail }));
      // None of them failed, and yet it did: the phase's own deadline, or a directory that cannot be read.
      if (!result.ok && fresh.length === 0) fresh.push({ at, phase, name: phase, detail: result.detail });
      const again = new Set(fresh.map(nameOf));
      failures = [...failures.filter((failure) => !again.has(nameOf(failure))), ...fresh].slice(-LIMIT);
    },
    all: () => failures,
    acknowledge: () => {
      failures = [];
    },
  };
};

const nameOf = ({ phase, name }: HookFailure): string => `${phase}/${name}`;
