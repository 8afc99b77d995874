import { describe, expect, it } from 'vitest';
import { createProgress, describeProgress } from './progress.js';

describe('progress', () => {
  it('tells rate, runs done and the time left, by runs or by time, whichever ends first', () => {
    const session = { beganAt: 0, runs: 1_000, until: Number.POSITIVE_INFINITY };
    expect(describeProgress(session, 200, 1, 1_000)).toBe('200 of 1000 runs, 1 failed, 200 runs/s, about 4 s left');
    expect(describeProgress({ ...session, until: 3_000 }, 200, 0, 1_000)).toContain('about 2 s left');
    const endless = { beganAt: 0, runs: Number.POSITIVE_INFINITY, until: Number.POSITIVE_INFINITY };
    expect(describeProgress(endless, 200, 0, 1_000)).toBe('200 runs, 0 failed, 200 runs/s');
  });

  it('writes one line a minute into a file, and overwrites one a second on a terminal', () => {
    const written = (isTTY: boolean): readonly string[] => {
      const lines: string[] = [];
      let now = 0;
      const session = { beganAt: 0, runs: 1_000_000, until: Number.POSITIVE_INFINITY };
      const progress = createProgress(session, { isTTY, write: (text) => lines.push(text) }, () => now);
      for (now = 0; now <= 120_000; now += 500) progress.tell(now, 0);
      return lines;
    };
    expect(written(false)).toHaveLength(2);
    expect(written(true)).toHaveLength(120);
    expect(written(true).every((line) => line.startsWith('\r'))).toBe(true);
  });
});
