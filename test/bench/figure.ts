/** One thing measured that is no outage: its value, and what it should be. */

export interface Figure {
  /** For programs. */
  readonly name: string;
  readonly title: string;
  /** Null: it could not be measured. */
  readonly value: number | null;
  readonly unit: string;
  readonly target?: Target;
}

export interface Target {
  readonly bound: 'at most' | 'at least';
  readonly value: number;
}

export const atMost = (value: number): Target => ({ bound: 'at most', value });
export const atLeast = (value: number): Target => ({ bound: 'at least', value });

/** Undefined: nothing is asked of it. */
export const holds = ({ value, target }: Figure): boolean | undefined => {
  if (target === undefined) return undefined;
  if (value === null) return false;
  return target.bound === 'at most' ? value <= target.value : value >= target.value;
};
