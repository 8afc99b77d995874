import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createRefusal, type Refusal } from './refusal.js';

let refusal: Refusal;
let fails: boolean;
/** What the kernel was asked for, and what was logged. */
let asked: boolean[];
let told: string[];

beforeEach(() => {
  vi.useFakeTimers();
  fails = false;
  asked = [];
  told = [];
  refusal = createRefusal({
    refuse: (on) => {
      asked.push(on);
      if (fails) throw new Error('ENOBUFS');
    },
    log: (level, text) => told.push(`${level}: ${text}`),
  });
});
afterEach(() => {
  refusal.close();
  vi.useRealTimers();
});

it('asks once for what succeeds, and says nothing', () => {
  refusal.set(true);
  refusal.set(false);
  vi.advanceTimersByTime(60_000);
  expect(asked).toEqual([true, false]);
  expect(told).toEqual([]);
});

it('tries until clients are let in again, and says all the while that they are not', () => {
  refusal.set(true);
  fails = true;
  refusal.set(false);
  expect(refusal.problem()).toBe('admitting new connections again: ENOBUFS');
  expect(told).toEqual(['warn: admitting new connections again: ENOBUFS; tried again']);
  vi.advanceTimersByTime(60_000);
  expect(refusal.problem()).not.toBe('');
  fails = false;
  vi.advanceTimersByTime(1_000);
  expect(refusal.problem()).toBe('');
  expect(told.at(-1)).toBe('info: admitting new connections again: done now');
  const before = asked.length;
  vi.advanceTimersByTime(60_000);
  expect(asked.slice(1)).toEqual(asked.slice(1).fill(false));
  expect(asked).toHaveLength(before);
});

it('tries soon at first, and less often the longer it fails, but for ever', () => {
  fails = true;
  refusal.set(false);
  vi.advanceTimersByTime(1_000);
  const first = asked.length;
  vi.advanceTimersByTime(59_000);
  const early = asked.length;
  expect(first).toBeGreaterThan(3);
  expect(early).toBeLessThan(60 * first);
  vi.advanceTimersByTime(60_000);
  expect(asked.length - early).toBeGreaterThan(30);
  expect(asked.length - early).toBeLessThanOrEqual(60);
});

it('refuses late rather than not at all, which is no problem to tell of', () => {
  fails = true;
  refusal.set(true);
  expect(refusal.problem()).toBe('');
  fails = false;
  vi.advanceTimersByTime(1_000);
  expect(asked).toEqual([true, true]);
});

it('never refuses after clients were to be let in again, nor does anything once closed', () => {
  fails = true;
  refusal.set(true);
  fails = false;
  refusal.set(false);
  vi.advanceTimersByTime(60_000);
  expect(asked).toEqual([true, false]);
  fails = true;
  refusal.set(false);
  refusal.close();
  vi.advanceTimersByTime(60_000);
  expect(asked).toEqual([true, false, false]);
});
