/** A BEAT of an active that has nothing to say, for tests that care for a part of it only. */

import type { Beat } from './message.js';

export const beatOf = (changes: Partial<Beat>): Beat => ({
  kind: 'beat',
  beat: 1,
  role: 'active',
  term: 1,
  owner: true,
  leaseMs: 300,
  dataTerm: 1,
  servedTerm: 1,
  sync: false,
  priority: 100,
  health: 'ok',
  cause: '',
  unfit: '',
  holds: [],
  position: '',
  readOnly: false,
  replicating: true,
  lagMs: 0,
  progress: '',
  pause: { version: 0, on: false, leftMs: -1 },
  finalPosition: '',
  applied: '',
  sinceMs: 0,
  because: 'none',
  wish: { id: 0, dryRun: false, force: false, timeoutMs: 0 },
  wishAnswer: { id: 0, outcome: 'none', text: '' },
  standbyVip: false,
  ...changes,
});
