/** A host's CLOCK_BOOTTIME beside the world's true time: a little fast or slow, and standing still where its machine is frozen. */

export interface Clock {
  /** This clock at the true time `now`. */
  readonly local: (now: number) => number;
  /** The true time at which this clock will show `local`; never, while it stands still. */
  readonly when: (local: number) => number;
  /** Its machine is frozen by a hypervisor, or goes on. */
  readonly stand: (now: number) => void;
  readonly go: (now: number) => void;
  readonly stands: () => boolean;
  /** Booted anew: CLOCK_BOOTTIME begins again (clock_gettime(2)). */
  readonly restart: (now: number) => void;
}

/** Below the smallest uptime a restart begins with; the core must not depend on it. */
const BOOT_LOCAL_MS = 1_000;

export const createClock = (offsetMs: number, rate: number): Clock => {
  let baseTrue = 0;
  let baseLocal = offsetMs;
  let standing = false;
  const local = (now: number): number => (standing ? baseLocal : baseLocal + (now - baseTrue) * rate);
  return {
    local,
    when: (at) => (standing ? Number.POSITIVE_INFINITY : baseTrue + (at - baseLocal) / rate),
    stand: (now) => {
      baseLocal = local(now);
      standing = true;
    },
    go: (now) => {
      baseTrue = now;
      standing = false;
    },
    stands: () => standing,
    restart: (now) => {
      baseTrue = now;
      baseLocal = BOOT_LOCAL_MS;
      standing = false;
    },
  };
};
