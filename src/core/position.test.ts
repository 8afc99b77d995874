import { describe, expect, it } from 'vitest';
import { containsPosition, countMissing, differencePosition, mergePositions } from './position.js';

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
});

describe('an unknown position', () => {
  it('contains nothing and is contained in nothing', () => {
    expect(containsPosition('', 'mariadb:0-1-1')).toBe(false);
    expect(containsPosition('mariadb:0-1-1', '')).toBe(false);
    expect(containsPosition('', '')).toBe(false);
    expect(containsPosition('mariadb:0-1-1', 'mysql:x:1')).toBe(false);
  });
});
