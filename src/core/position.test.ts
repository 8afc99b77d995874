import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  containsPosition,
  countMissing,
  describeDifference,
  describePosition,
  differencePosition,
  mergePositions,
  POSITION_MAX_CHARS,
} from './position.js';

describe('positions of MariaDB', () => {
  it('compare every domain and server, not one point', () => {
    expect(containsPosition('mariadb:0-1-100,0-2-50', 'mariadb:0-1-100')).toBe(true);
    expect(containsPosition('mariadb:0-1-100', 'mariadb:0-1-100,0-2-101')).toBe(false);
    expect(containsPosition('mariadb:0-1-99,0-2-120', 'mariadb:0-1-100')).toBe(false);
  });

  it('name what the other has not', () => {
    expect(differencePosition('mariadb:0-1-105,0-2-50', 'mariadb:0-1-100,0-2-50')).toBe('0-1-105');
    expect(countMissing('mariadb:0-1-105,0-2-50', 'mariadb:0-1-100,0-2-50')).toBe(5);
  });

  it('merge what was applied with what was received', () => {
    expect(mergePositions('mariadb:0-1-100,0-2-7', 'mariadb:0-1-103')).toBe('mariadb:0-1-103,0-2-7');
  });
});

describe('positions of MySQL', () => {
  const a = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
  const b = '4e11fa47-71ca-11e1-9e33-c80aa9429562';

  it('are sets with gaps', () => {
    expect(containsPosition(`mysql:${a}:1-10`, `mysql:${a}:1-3:5`)).toBe(true);
    expect(containsPosition(`mysql:${a}:1-3:5-10`, `mysql:${a}:4`)).toBe(false);
    expect(differencePosition(`mysql:${a}:1-10,${b}:1`, `mysql:${a}:3-4:8`)).toBe(`${a}:1-2:5-7:9-10,${b}:1`);
  });

  it('may bear tags', () => {
    expect(containsPosition(`mysql:${a}:1-10:blue:1-3`, `mysql:${a}:blue:2`)).toBe(true);
    expect(containsPosition(`mysql:${a}:1-10`, `mysql:${a}:blue:2`)).toBe(false);
    expect(mergePositions(`mysql:${a}:1-3`, `mysql:${a}:4-6:blue:1`)).toBe(`mysql:${a}:1-6,${a}:blue:1`);
  });

  it('are subtracted as sets are', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 25 });
    const position = (set: readonly number[]) => `mysql:${[b, ...set].join(':')}`;
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        const rest = one.filter((number) => !other.includes(number)).sort((x, y) => x - y);
        const seen = differencePosition(position([50, ...one]), position([51, ...other]));
        expect(containsPosition(position([50, ...rest]), `mysql:${seen}`)).toBe(true);
        expect(countMissing(position([50, ...one]), position([51, ...other]))).toBe(rest.length + 1);
        expect(containsPosition(position([51, ...other]), position([51, ...one]))).toBe(rest.length === 0);
      }),
    );
  });

  it('with many gaps cost no more than their length', () => {
    const gaps = (count: number) => `mysql:${a}:${Array.from({ length: count }, (_, i) => 2 * i + 1).join(':')}`;
    const timeOf = (count: number, times: number): number => {
      const [one, other] = [gaps(count), gaps(count + 1)];
      // Of the processor, since others want it too.
      const begin = process.cpuUsage();
      for (let i = 0; i < times; i += 1) {
        expect(containsPosition(one, other)).toBe(false);
        expect(countMissing(other, one)).toBe(1);
      }
      return process.cpuUsage(begin).user;
    };
    // As many gaps in all, long enough for a clock that counts in ticks. At the quadratic price the long ones would take 32
    // times as long.
    const short = timeOf(2_000, 32 * 7);
    expect(timeOf(64_000, 7)).toBeLessThan(12 * short);
  });

  it('longer than can be looked through are not known', () => {
    const long = `mysql:${a}:${Array.from({ length: POSITION_MAX_CHARS / 6 }, (_, i) => 100_000 + 2 * i).join(':')}`;
    expect(containsPosition(long, `mysql:${a}:100000`)).toBe(false);
    expect(differencePosition(long, `mysql:${a}:1-900000`)).toBe(long.slice('mysql:'.length));
    expect(containsPosition(long, long)).toBe(true);
  });
});

describe('for people', () => {
  it('what is missing is named from its beginning to its end', () => {
    expect(describeDifference('mariadb:0-1-105,0-2-50,0-3-7', 'mariadb:0-1-100,0-2-49')).toBe(
      '0-1-101 to 0-1-105, 0-2-50, 0-3-1 to 0-3-7',
    );
    expect(describeDifference('mysql:x:1-9,y:blue:1-3', 'mysql:x:1-4:6')).toBe('x:5, x:7-9, y:blue:1-3');
    expect(describeDifference('mariadb:0-1-5', 'mariadb:0-1-5')).toBe('');
    expect(describeDifference('mariadb:0-1-5', 'mysql:x:1')).toBe('');
  });

  it('what has no end is cut', () => {
    const gaps = `mysql:x:${Array.from({ length: 1_000 }, (_, i) => 2 * i + 1).join(':')}`;
    expect(describeDifference(gaps, 'mysql:x:1')).toMatch(/^x:3, x:5, .*x:21 and 989 ranges more$/);
    expect(describePosition(gaps)).toHaveLength(201);
    expect(describePosition('mariadb:0-1-5')).toBe('0-1-5');
  });
});

describe('an unknown position', () => {
  it('contains nothing and is contained in nothing', () => {
    expect(containsPosition('', 'mariadb:0-1-1')).toBe(false);
    expect(containsPosition('mariadb:0-1-1', '')).toBe(false);
    expect(containsPosition('', '')).toBe(false);
    expect(containsPosition('mariadb:0-1-1', 'mysql:x:1')).toBe(false);
  });
});
