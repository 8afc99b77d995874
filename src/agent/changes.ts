/** Remembers the newest change of who is active, with the steps that led to it and what each took. */

import type { Moment } from '../control/moment.js';
import type { ChangeStatus, StepStatus } from '../control/status.js';
import type { JournalEntry } from '../core/effect.js';
import type { VoterName } from '../core/types.js';

export interface ChangeLog {
  readonly note: (entry: JournalEntry, at: Moment) => void;
  readonly last: () => ChangeStatus | null;
}

/** Steps of one change at most; a promotion has about eight. */
const STEPS_LIMIT = 32;

export const createChangeLog = (self: VoterName, peer: VoterName): ChangeLog => {
  let steps: StepStatus[] = [];
  let last: ChangeStatus | null = null;
  const conclude = (change: Omit<ChangeStatus, 'steps'>): void => {
    last = { ...change, steps };
    steps = [];
  };
  return {
    note: (entry, at) => {
      if (entry.kind === 'step') {
        steps = [...steps, { name: entry.cause, ok: true, tookMs: entry.tookMs ?? 0, text: entry.text }].slice(
          -STEPS_LIMIT,
        );
      }
      const { from, to, cause, text } = entry;
      if (entry.kind === 'notice' && cause === 'owner')
        conclude({ at, node: peer, from: 'promoting', to: 'active', cause: 'serving', text });
      if (entry.kind !== 'transition' || from === undefined || to === undefined) return;
      const changes = to === 'active' || from === 'active' || (from === 'handing-off' && to !== 'standby');
      if (changes) conclude({ at, node: self, from, to, cause, text });
    },
    last: () => last,
  };
};
