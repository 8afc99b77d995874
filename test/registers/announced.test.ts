import { expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/control/status.js';
import { announcedLossMs } from './announced.js';

const entry = (kind: HistoryEntry['kind'], cause: string, text: string): HistoryEntry => ({
  at: '2026-11-27T01:44:23.820Z',
  kind,
  term: 2,
  cause,
  text,
});

it('reads the limit that the agent names before it takes over', () => {
  const bounded =
    'up to the last 801 ms of the commits of db1 may not be here; at most 9 transactions are known not to be';
  const unknown = 'an unknown part of the commits of db1 may not be here';
  expect(announcedLossMs([entry('alarm', 'loss', `${bounded}; accepted (promotion.max_loss)`)])).toBe(801);
  expect(announcedLossMs([entry('alarm', 'loss', `${unknown}; accepted by the operator`)])).toBe(
    Number.POSITIVE_INFINITY,
  );
});

it('finds no loss where the agent says that there is none, or says nothing', () => {
  expect(announcedLossMs([entry('step', 'loss', 'the final position of the last active is applied')])).toBe(0);
  expect(announcedLossMs([entry('alarm', 'database', 'up to the last 5 ms of something else')])).toBe(0);
});
