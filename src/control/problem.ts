/** One thing that is wrong, as `status` tells it. */

/** critical: clients cannot write, or two writers are possible; warning: the next fault would hurt; note: as configured. */
export type Severity = 'critical' | 'warning' | 'note';

export interface Problem {
  readonly severity: Severity;
  /** Two or three words for a headline. */
  readonly brief: string;
  /** A sentence. */
  readonly text: string;
  /** What to type or do; empty: nothing but wait. */
  readonly next: string;
}
