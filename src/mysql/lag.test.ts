import { describe, expect, it } from 'vitest';
import { createLagMeter } from './lag.js';

const at = (sequence: number): string => `mariadb:0-1-${sequence}`;

describe('the lag of a replica', () => {
  it('is none where all that was received is applied, and where nothing was received', () => {
    const meter = createLagMeter();
    expect(meter.read('', at(5), 0)).toBe(0);
    expect(meter.read(at(5), at(5), 100)).toBe(0);
    expect(meter.read(at(5), 'mariadb:0-1-9,0-2-3', 5_000)).toBe(0);
  });

  it('is the age of the oldest that is not applied, and shrinks as that is applied', () => {
    const meter = createLagMeter();
    meter.read(at(5), at(5), 0);
    expect(meter.read(at(6), at(5), 100)).toBe(0);
    expect(meter.read(at(7), at(5), 200)).toBe(100);
    expect(meter.read(at(8), at(6), 300)).toBe(100);
    expect(meter.read(at(8), at(7), 400)).toBe(100);
    expect(meter.read(at(8), at(8), 500)).toBe(0);
  });

  it('begins anew with what comes after all was applied', () => {
    const meter = createLagMeter();
    meter.read(at(5), at(5), 0);
    expect(meter.read(at(5), at(5), 60_000)).toBe(0);
    meter.read(at(6), at(5), 60_100);
    expect(meter.read(at(6), at(5), 60_400)).toBe(300);
  });

  it('forgets what the server had received before it was rebuilt, or before it lost its relay logs', () => {
    const meter = createLagMeter();
    meter.read('mariadb:0-1-431', 'mariadb:0-1-431', 0);
    const rebuilt = (sequence: number): string => `mariadb:0-1-423,0-2-${sequence}`;
    expect(meter.read(rebuilt(500), rebuilt(490), 60_000)).toBe(0);
    expect(meter.read(rebuilt(510), rebuilt(499), 60_100)).toBe(100);
    expect(meter.read(rebuilt(510), rebuilt(510), 60_200)).toBe(0);
  });

  it('stays right, and bounded, however long nothing is applied', () => {
    const meter = createLagMeter();
    let lag = 0;
    for (let n = 1; n <= 10_000; n += 1) lag = meter.read(at(n), at(0), n * 100);
    expect(lag).toBe(9_999 * 100);
    // What was forgotten between makes it coarser by a few seconds in a thousand, and never less than it is.
    const half = meter.read(at(10_000), at(5_000), 10_000 * 100);
    expect(half).toBeGreaterThan(4_900 * 100);
    expect(half).toBeLessThan(5_000 * 100);
  });
});
