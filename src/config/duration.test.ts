import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.js';

describe('a duration', () => {
  test.each([
    ['100ms', 100],
    ['5s', 5_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  test.each([
    [100, '100 has no unit', 'write 100ms'],
    ['100', '"100" has no unit', 'write 100ms'],
    ['1.5s', '"1.5s" has a fraction', 'write 1500ms'],
    ['5 s', '"5 s" is not spelt as durations are here', 'write 5s'],
    ['5S', '"5S" is not spelt as durations are here', 'write 5s'],
    ['5min', '"5min" is not spelt as durations are here', 'write 5m'],
    ['5d', '"5d" has the unknown unit "d"', 'write a whole number with its unit: 100ms, 5s, 10m or 1h'],
    ['-5s', '"-5s" is negative', 'write a whole number with its unit: 100ms, 5s, 10m or 1h'],
    ['1m30s', '"1m30s" is not a duration', 'write a whole number with its unit: 100ms, 5s, 10m or 1h'],
    ['', '"" is not a duration', 'write a whole number with its unit: 100ms, 5s, 10m or 1h'],
    [['5s'], 'a list is not a duration', 'write a whole number with its unit: 100ms, 5s, 10m or 1h'],
    ['constructor', '"constructor" is not a duration', 'write a whole number with its unit: 100ms, 5s, 10m or 1h'],
    [
      '5constructor',
      '"5constructor" has the unknown unit "constructor"',
      'write a whole number with its unit: 100ms, 5s, 10m or 1h',
    ],
  ])('%j is refused, with what would be right', (value, message, hint) => {
    expect(parseDuration(value)).toEqual({ ok: false, message, hint });
  });

  test('what is formatted reads as the same length again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
      }),
    );
  });
});
