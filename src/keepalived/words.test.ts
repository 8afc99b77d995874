import { describe, expect, test } from 'vitest';
import { splitWords, withoutComment } from './words.js';

const words = (line: string): readonly string[] | string => {
  const split = splitWords(line);
  return split.ok ? split.words.map(({ text }) => text) : `open ${split.quote}`;
};

describe('splitWords, by the examples of keepalived.conf(5)', () => {
  test.each([
    ['abcd" efg h jkl "mnop', ['abcd efg h jkl mnop']],
    ['abcd "efg h jkl" mnop', ['abcd', 'efg h jkl', 'mnop']],
    [`script "a 'b c'"`, ['script', "a 'b c'"]],
    ['a\\"b \\\\ c\\ d', ['a"b', '\\', 'c d']],
    ['""', ['']],
    ['  ', []],
    [`"open`, 'open "'],
    [`it's`, "open '"],
  ])('%j', (line, expected) => {
    expect(words(line)).toEqual(expected);
  });
});

describe('withoutComment', () => {
  test.each([
    ['a 1 # b', 'a 1 '],
    ['! all', ''],
    ['a "x # y" ! z', 'a "x # y" '],
    ['a \\# b', 'a \\# b'],
  ])('%j', (line, expected) => {
    expect(withoutComment(line)).toBe(expected);
  });
});
