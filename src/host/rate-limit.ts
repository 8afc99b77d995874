/** Holds back lines that repeat: a few of each name in a window, then one that tells how many were held back. */

/** Names told apart at once; past it the name that has been quiet longest is forgotten. */
export const MAX_LIMITED_NAMES = 256;

export interface RateLimit {
  /** Whether a line of this name may be written now, and how many of it were held back since the last that was. */
  admit(name: string): { readonly admitted: true; readonly heldBack: number } | { readonly admitted: false };
}

export interface RateLimitOptions {
  /** Lines of one name in each window. */
  readonly perWindow: number;
  readonly windowMs: number;
  readonly nowMs: () => number;
}

interface Window {
  sinceMs: number;
  admitted: number;
  heldBack: number;
}

export const createRateLimit = ({ perWindow, windowMs, nowMs }: RateLimitOptions): RateLimit => {
  // A Map keeps the order of insertion: the first is the one quiet longest, since each use moves its name to the end.
  const windows = new Map<string, Window>();
  const take = (name: string): Window => {
    const window = windows.get(name) ?? { sinceMs: nowMs(), admitted: 0, heldBack: 0 };
    windows.delete(name);
    windows.set(name, window);
    const [oldest] = windows.keys();
    if (windows.size > MAX_LIMITED_NAMES && oldest !== undefined) windows.delete(oldest);
    return window;
  };
  return {
    admit(name) {
      const window = take(name);
      if (nowMs() - window.sinceMs >= windowMs) {
        window.sinceMs = nowMs();
        window.admitted = 0;
      }
      if (window.admitted >= perWindow) {
        window.heldBack += 1;
        return { admitted: false };
      }
      const { heldBack } = window;
      window.admitted += 1;
      window.heldBack = 0;
      return { admitted: true, heldBack };
    },
  };
};
