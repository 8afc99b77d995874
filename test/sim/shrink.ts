/** Delta debugging (Zeller and Hildebrandt, 2002): the smallest list of faults that still fails. */

/** `fails` is asked at most `attemptsLimit` times; the answer fails, if `list` does. */
export const shrink = <T>(
  list: readonly T[],
  fails: (kept: readonly T[]) => boolean,
  attemptsLimit: number,
): readonly T[] => {
  let kept = list;
  let chunks = 2;
  let attempts = 0;
  const stillFails = (candidate: readonly T[]): boolean => {
    attempts += 1;
    return attempts <= attemptsLimit && fails(candidate);
  };
  while (kept.length > 0 && attempts < attemptsLimit) {
    const size = Math.ceil(kept.length / chunks);
    const smaller = findSmaller(kept, size, stillFails);
    if (smaller) {
      kept = smaller;
      chunks = Math.max(2, chunks - 1);
    } else if (size <= 1) break;
    else chunks = Math.min(kept.length, chunks * 2);
  }
  return kept;
};

const findSmaller = <T>(
  list: readonly T[],
  size: number,
  fails: (kept: readonly T[]) => boolean,
): readonly T[] | null => {
  for (let from = 0; from < list.length; from += size) {
    const candidate = [...list.slice(0, from), ...list.slice(from + size)];
    if (fails(candidate)) return candidate;
  }
  return null;
};
