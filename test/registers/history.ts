/** What clients did with the registers and what they were told, as the judge reads it. */

/**
 * `acknowledged`: the server said that it is committed. `failed`: it never was and never will be, since it was refused
 * or not even sent. `indeterminate`: it may be committed, now or later, or not.
 */
export type AppendOutcome = 'acknowledged' | 'failed' | 'indeterminate';

interface Timed {
  readonly register: number;
  /** Milliseconds of CLOCK_MONOTONIC, which all processes of a machine share: when it was asked, when it was answered. */
  readonly begin: number;
  readonly end: number;
}

export interface Append extends Timed {
  readonly kind: 'append';
  /** Used once in all of a run. */
  readonly value: string;
  readonly outcome: AppendOutcome;
  /** What the client was told where it is not acknowledged, else empty. */
  readonly error: string;
}

/** Only those that were answered: the others tell nothing. */
export interface Read extends Timed {
  readonly kind: 'read';
  readonly seen: readonly string[];
}

export type Operation = Append | Read;

/** What registers hold, oldest value first. */
export type Lists = ReadonlyMap<number, readonly string[]>;

/** Each value is followed by it, so that a value is appended with one CONCAT, whatever was there before. */
export const VALUE_END = ',';

export const valuesOf = (text: string): readonly string[] => text.split(VALUE_END).slice(0, -1);
