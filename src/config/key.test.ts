import { describe, expect, test } from 'vitest';
import { MAX_KEY_BYTES, parseKey } from './key.js';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index));

describe('a key file', () => {
  test.each([
    ['base64', KEY.toString('base64')],
    ['base64 with a newline', `${KEY.toString('base64')}\n`],
    ['base64 without padding', KEY.toString('base64').replace(/=+$/, '')],
    ['hexadecimal', KEY.toString('hex')],
    ['hexadecimal in capitals, from another system', `${KEY.toString('hex').toUpperCase()}\r\n`],
  ])('in %s gives the key', (_, text) => {
    expect(parseKey(text)).toEqual({ ok: true, value: KEY });
  });

  test.each([
    ['nothing', '\n', 'the key file is empty'],
    ['two lines', `${KEY.toString('hex')}\n# mine\n`, 'the key file has 2 lines'],
    ['a passphrase', 'correct horse battery staple', 'the key file holds neither base64 nor hexadecimal'],
    ['a cut line of base64', KEY.toString('base64').slice(0, 41), 'the key file holds neither base64 nor hexadecimal'],
    ['a cut line of hexadecimal', KEY.toString('hex').slice(1), 'the key file holds neither base64 nor hexadecimal'],
    ['a short key', KEY.subarray(1).toString('base64'), 'the key has 31 bytes, of which at least 32 are needed'],
    ['a long key', Buffer.alloc(MAX_KEY_BYTES + 1, 'ab').toString('base64'), 'the key has 1025 bytes, more than 1024'],
    ['zeros', Buffer.alloc(32).toString('base64'), 'the key is the same byte again and again'],
  ])('with %s is refused', (_, text, message) => {
    expect(parseKey(text)).toMatchObject({ ok: false, message });
  });

  test('is never quoted in a refusal', () => {
    const secret = 'hunter2-hunter2-hunter2-hunter2!';
    expect(JSON.stringify(parseKey(secret))).not.toContain('hunter2');
  });
});
