/** Whether the server is at work where its position tells nothing: one transaction may take it minutes. */

/** Processor time that these threads of the server have used so far, in ms; null: not known. */
export type CpuMs = (threads: readonly number[]) => number | null;

export interface WorkOptions {
  /** Ids by the operating system of the threads that are to work; others may come while one looks on. */
  readonly threads: () => Promise<readonly number[]>;
  readonly cpuMs: CpuMs;
  readonly nowMs: () => number;
}

/** One that waits for a lock wakes now and then to look; MySQL's coordinator does so thrice a second, far below this. */
const WORKING_SHARE = 0.01;

/**
 * Answers a look: true where the threads have used processor time worth the name since it was true last. The first look can
 * never tell. @throws what `threads` throws
 */
export const watchWork = ({ threads, cpuMs, nowMs }: WorkOptions): (() => Promise<boolean>) => {
  let since: { readonly of: string; readonly atMs: number; readonly usedMs: number } | undefined;
  return async () => {
    const ids = await threads();
    const usedMs = cpuMs(ids);
    if (usedMs === null) {
      since = undefined;
      return false;
    }
    const now = { of: ids.join(' '), atMs: nowMs(), usedMs };
    if (since === undefined || since.of !== now.of) {
      since = now;
      return false;
    }
    const used = now.usedMs - since.usedMs;
    if (used === 0 || used < WORKING_SHARE * (now.atMs - since.atMs)) return false;
    since = now;
    return true;
  };
};
