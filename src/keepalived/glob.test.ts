import { describe, expect, test } from 'vitest';
import { expandGlob, MAX_ALTERNATIVES } from './glob.js';

const TREE: Readonly<Record<string, readonly string[]>> = {
  '/k': ['a.conf', 'b.conf', '.hidden.conf', 'a.txt', 'd1', 'd2', 'x+y.conf'],
  '/k/d1': ['z.conf', 'y.conf'],
  '/k/d2': ['z.conf'],
};

const list = (directory: string): readonly string[] => {
  const names = TREE[directory];
  if (names === undefined) throw new Error('ENOENT');
  return names;
};

describe('expandGlob', () => {
  test.each([
    ['/k/*.conf', ['/k/a.conf', '/k/b.conf', '/k/x+y.conf']],
    ['/k/?.conf', ['/k/a.conf', '/k/b.conf']],
    ['/k/[!a].conf', ['/k/b.conf']],
    ['/k/.*.conf', ['/k/.hidden.conf']],
    ['/k/d*/*.conf', ['/k/d1/y.conf', '/k/d1/z.conf', '/k/d2/z.conf']],
    ['/k/{b,a}.*', ['/k/b.conf', '/k/a.conf', '/k/a.txt']],
    ['/k/{a.{conf,txt},d1}', ['/k/a.conf', '/k/d1', '/k/a.txt']],
    ['/k/x+*', ['/k/x+y.conf']],
    ['/none/*', []],
  ])('%s', (pattern, paths) => {
    expect(expandGlob(pattern, list)).toEqual(paths);
  });

  test('gives up on a pattern with too many alternatives', () => {
    expect(MAX_ALTERNATIVES).toBeLessThan(2 ** 10);
    expect(expandGlob('/k/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}', list)).toEqual([]);
  });
});
