import { expect, it } from 'vitest';
import type { JournalEntry } from '../core/effect.js';
import { createAlarmLimit, createLineLimit } from './tellings.js';

const DAY_MS = 24 * 3_600_000;

it('keeps a VIP that is taken off each second for a week from filling the journal, and every change of role in it', () => {
  let nowMs = 0;
  const limit = createAlarmLimit(() => nowMs);
  const told: JournalEntry[] = [];
  const tell = (entry: JournalEntry): void => {
    const admitted = limit(entry);
    if (admitted !== null) told.push(admitted);
  };
  let changes = 0;
  for (; nowMs < 7 * DAY_MS; nowMs += 1_000) {
    tell({ kind: 'alarm', term: 4, cause: 'vip-lost', text: 'somebody took 10.99.0.100 off' });
    if (nowMs % 3_600_000 !== 0) continue;
    changes += 1;
    tell({ kind: 'transition', term: 4, from: 'active', to: 'fencing', cause: 'failed', text: '' });
  }
  expect(told.filter(({ kind }) => kind === 'transition').length).toBe(changes);
  // One of the two files of the journal takes some 20,000.
  expect(told.length).toBeLessThan(20_000);
  expect(told.at(-1)?.text).toMatch(/^somebody took 10\.99\.0\.100 off/);
  expect(told.some(({ text }) => text === 'somebody took 10.99.0.100 off (590 more were not told)')).toBe(true);
});

it('holds back lines by name', () => {
  let nowMs = 0;
  const limit = createLineLimit(() => nowMs);
  const lines = (name: string) => Array.from({ length: 100 }, () => limit(name, name)).filter((line) => line !== null);
  expect(lines('a').length).toBe(5);
  expect(lines('b').length).toBe(5);
  nowMs = 60_000;
  expect(lines('a')[0]).toBe('a (95 more were not told)');
});
