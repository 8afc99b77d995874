import { expect, test } from 'vitest';
import { millis } from '../config/duration.js';
import { databaseStallMs, salvageStallMs } from './stall.js';

test.each([1_000, 30_000, 3_600_000])(
  'around a deadline of %i ms: a salvage ends before it, other steps after it',
  (ms) => {
    const config = { promotion: { catchUpTimeoutMs: millis(ms), salvage: true, maxLossMs: millis(5_000) } };
    expect(salvageStallMs(config)).toBeLessThan(ms);
    expect(salvageStallMs(config)).toBeGreaterThanOrEqual(ms / 2);
    expect(databaseStallMs(config)).toBeGreaterThan(ms);
  },
);
