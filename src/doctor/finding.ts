/** What a check of `vipctl doctor` tells: what was tried, what came back, what to do. */

/** fault: vipd cannot do its work, or not safely; warning: it can, and an operator should know; skipped: not to be told. */
export type Verdict = 'ok' | 'warning' | 'fault' | 'skipped';

export interface Finding {
  /** Names the cause, for programs: `interface`, `one-way`, `key`. */
  readonly check: string;
  readonly verdict: Verdict;
  /** What was tried, on what. */
  readonly tried: string;
  /** What came back. */
  readonly found: string;
  /** What the operator can do; empty where nothing need be done. */
  readonly remedy: string;
}

export const ok = (check: string, tried: string, found: string): Finding => ({
  check,
  verdict: 'ok',
  tried,
  found,
  remedy: '',
});

export const fault = (check: string, tried: string, found: string, remedy: string): Finding => ({
  check,
  verdict: 'fault',
  tried,
  found,
  remedy,
});

export const warning = (check: string, tried: string, found: string, remedy: string): Finding => ({
  check,
  verdict: 'warning',
  tried,
  found,
  remedy,
});

/** `why` tells what stands in the way of telling. */
export const skipped = (check: string, tried: string, why: string): Finding => ({
  check,
  verdict: 'skipped',
  tried,
  found: why,
  remedy: '',
});

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
