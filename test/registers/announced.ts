/** The loss that vipd announced before it took over, as its journal has it. */

import type { HistoryEntry } from '../../src/control/status.js';

/** Zero: it said that nothing acknowledged can be missing, or nothing at all. Infinity: it could not say how much. */
export const announcedLossMs = (journal: readonly HistoryEntry[]): number =>
  Math.max(
    0,
    ...journal.filter(({ kind, cause }) => kind === 'alarm' && cause === 'loss').map(({ text }) => lossIn(text)),
  );

/** Its words are those of core/loss.ts. */
const lossIn = (text: string): number => {
  const limit = /^up to the last (\d+) ms /.exec(text)?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
};
