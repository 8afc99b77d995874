/** Whether the server is at work where its position tells nothing: one transaction may take it minutes. */

/** Processor time that these threads of the server have used so far, in ms; null: not known. */
export type CpuMs = (threads: readonly number[]) => number | null;

export interface WorkOptions {
  /** Ids by the operating system of the threads that are to work; others may come while one looks on. */
  readonly threads: () => Promise<readonly number[]>;
  readonly cpuMs: CpuMs;
  readonly nowMs: () => number;
}

/** Waiting for a slow disk takes most of a thread's time; MySQL's coordinator, which only wakes to look, uses a tenth of this. */
const WORKING_SHARE = 0.003;
/** Ticks of 10 ms are what the kernel counts in: one may be a wake-up's. */
const WORKING_MS = 20;
/** What was before that does not weigh on what is now. */
const WINDOW_MS = 10_000;

/**
 * Answers a look: true where the threads have used processor time worth the name since it was true last. The first look can
 * never tell, nor one that fails.
 */
export const watchWork = ({ threads, cpuMs, nowMs }: WorkOptions): (() => Promise<boolean>) => {
  let since: { readonly of: string; readonly atMs: number; readonly usedMs: number } | undefined;
  return async () => {
    const ids = await threads().catch(() => null);
    const usedMs = ids === null ? null : cpuMs(ids);
    if (ids === null || usedMs === null) {
      since = undefined;
      return false;
    }
    const now = { of: ids.join(' '), atMs: nowMs(), usedMs };
    // One of them may have ended, and taken its time with it.
    if (since === undefined || since.of !== now.of || now.usedMs < since.usedMs) {
      since = now;
      return false;
    }
    const passedMs = now.atMs - since.atMs;
    const works = now.usedMs - since.usedMs >= Math.max(WORKING_MS, WORKING_SHARE * passedMs);
    if (works || passedMs >= WINDOW_MS) since = now;
    return works;
  };
};
