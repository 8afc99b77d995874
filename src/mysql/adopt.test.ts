/** What a node and its active share, and GTID sets written out. */

import { describe, expect, test } from 'vitest';
import { ADOPT_MAX, commonGtids, expandGtids } from './adopt.js';

describe('what both have', () => {
  test('goes as far as the one that has less, for each server of each domain', () => {
    expect(commonGtids('mariadb:0-1-53,0-2-20,1-1-4', 'mariadb:0-1-50,0-2-100,2-2-1')).toBe('0-1-50,0-2-20');
  });

  test('is empty where no server is common', () => {
    expect(commonGtids('mariadb:0-1-5', 'mariadb:0-2-5')).toBe('');
  });
});

describe('a GTID set written out', () => {
  test('has each transaction once, tagged ones with their tag', () => {
    expect(expandGtids('u1:1-3:7,u2:5:tag:8-9')).toEqual([
      'u1:1',
      'u1:2',
      'u1:3',
      'u1:7',
      'u2:5',
      'u2:tag:8',
      'u2:tag:9',
    ]);
  });

  test('is refused before it fills the memory', () => {
    expect(expandGtids(`u:1-${ADOPT_MAX}`)).toHaveLength(ADOPT_MAX);
    expect(() => expandGtids(`u:1-${ADOPT_MAX + 1}`)).toThrow('rebuild the node instead');
  });
});
