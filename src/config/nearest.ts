/** Finds the known name that a misspelt one was meant to be. */

/** A name further away than a third of its length was meant to be something else. */
const MAX_DISTANCE_SHARE = 1 / 3;

/** Longer names are no misspellings, and their comparison would take long. */
const MAX_NAME_LENGTH = 64;

/** The nearest of `known` by edit distance, capitals, `-` and `_` apart; null where none is near. */
export const nearest = (name: string, known: readonly string[]): string | null => {
  if (name.length > MAX_NAME_LENGTH) return null;
  const wanted = fold(name);
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, fold(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length * MAX_DISTANCE_SHARE)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate ?? null;
};

const fold = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '');

/** Levenshtein's distance, one row at a time. */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};
