import { describe, expect, test } from 'vitest';
import { createRateMeter, type Rates } from './apply-rate.js';

/** One sample a second: what was received, and what of it is applied. */
const ratesOf = (...samples: readonly (readonly [received: number, applied: number])[]): Rates | undefined => {
  const meter = createRateMeter();
  samples.forEach(([received, applied], second) => {
    meter.note(`mariadb:0-1-${received}`, `mariadb:0-1-${applied}`, 5_000 + second * 1_000);
  });
  return meter.read();
};

describe('rates', () => {
  test('nothing is known before the first look, and no rate after it', () => {
    expect(createRateMeter().read()).toBeUndefined();
    expect(ratesOf([10, 10])).toMatchObject({ writesPerSecond: null, backlog: 0, applyMs: 0, catchUpMs: 0 });
  });

  test('a replica that keeps up tells what comes in', () => {
    expect(ratesOf([0, 0], [100, 100], [200, 200])).toEqual({
      writesPerSecond: 100,
      appliesPerSecond: null,
      backlog: 0,
      applyMs: 0,
      catchUpMs: 0,
    });
  });

  test('one that is behind and quicker than what comes in: how long either takes', () => {
    expect(ratesOf([1_000, 0], [1_100, 300], [1_200, 600])).toEqual({
      writesPerSecond: 100,
      appliesPerSecond: 300,
      backlog: 600,
      applyMs: 2_000,
      catchUpMs: 3_000,
    });
  });

  test('one that is slower never comes level, and yet applies the rest in time', () => {
    expect(ratesOf([1_000, 0], [1_400, 100])).toMatchObject({ backlog: 1_300, applyMs: 13_000, catchUpMs: null });
  });

  test('one that stands still has no end', () => {
    expect(ratesOf([1_000, 500], [1_100, 500])).toMatchObject({ appliesPerSecond: 0, applyMs: null, catchUpMs: null });
  });

  test('an idle time says nothing of how quickly it could apply', () => {
    const idle = Array.from({ length: 5 }, () => [10, 10] as const);
    expect(ratesOf(...idle, [510, 110], [510, 210])).toMatchObject({ appliesPerSecond: 100, applyMs: 3_000 });
  });

  test('what lies longer back than the window does not count', () => {
    const meter = createRateMeter();
    meter.note('mariadb:0-1-0', 'mariadb:0-1-0', 0);
    meter.note('mariadb:0-1-90000', 'mariadb:0-1-90000', 20_000);
    meter.note('mariadb:0-1-90010', 'mariadb:0-1-90010', 21_000);
    expect(meter.read()).toMatchObject({ writesPerSecond: 10 });
  });

  test("a server that begins to commit does not count its predecessor's transactions", () => {
    const meter = createRateMeter();
    meter.note('mariadb:0-1-5000', 'mariadb:0-1-5000', 0);
    meter.note('mariadb:0-1-5000,0-2-5004', 'mariadb:0-1-5000', 1_000);
    expect(meter.read()).toMatchObject({ writesPerSecond: 4, backlog: 4 });
  });

  test('sets of MySQL', () => {
    const meter = createRateMeter();
    meter.note('mysql:a:1-100', 'mysql:a:1-50', 0);
    meter.note('mysql:a:1-120,b:1-2', 'mysql:a:1-70', 2_000);
    expect(meter.read()).toMatchObject({ writesPerSecond: 11, appliesPerSecond: 10, backlog: 52, applyMs: 5_200 });
  });
});
