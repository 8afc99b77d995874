/** Remembers the newest change of who is active, with the steps that led to it and what each took; counts the others. */

import type { Moment } from '../control/moment.js';
import type { ChangeStatus, Counters, StepStatus } from '../control/status.js';
import type { JournalEntry } from '../core/effect.js';
import type { VoterName } from '../core/types.js';

export interface ChangeLog {
  readonly note: (entry: JournalEntry, at: Moment) => void;
  readonly last: () => ChangeStatus | null;
  readonly counts: () => Pick<Counters, 'roles' | 'journal'>;
}

/** Steps of one change at most; a promotion has about eight. */
const STEPS_LIMIT = 32;

export const createChangeLog = (self: VoterName, peer: VoterName): ChangeLog => {
  let steps: StepStatus[] = [];
  let last: ChangeStatus | null = null;
  const roles: { -readonly [R in keyof Counters['roles']]: Counters['roles'][R] } = {};
  const journal: { -readonly [K in keyof Counters['journal']]: Counters['journal'][K] } = {};
  const conclude = (change: Omit<ChangeStatus, 'steps'>): void => {
    last = { ...change, steps };
    steps = [];
  };
  return {
    note: (entry, at) => {
      journal[entry.kind] = (journal[entry.kind] ?? 0) + 1;
      if (entry.kind === 'step') {
        steps = [...steps, { name: entry.cause, ok: true, tookMs: entry.tookMs ?? 0, text: entry.text }].slice(
          -STEPS_LIMIT,
        );
      }
      const { from, to, cause, text } = entry;
      if (entry.kind === 'notice' && cause === 'owner')
        conclude({ at, node: peer, from: 'promoting', to: 'active', cause: 'serving', text });
      if (entry.kind !== 'transition' || from === undefined || to === undefined) return;
      roles[to] = (roles[to] ?? 0) + 1;
      const changes = to === 'active' || from === 'active' || (from === 'handing-off' && to !== 'standby');
      if (changes) conclude({ at, node: self, from, to, cause, text });
    },
    last: () => last,
    counts: () => ({ roles: { ...roles }, journal: { ...journal } }),
  };
};
