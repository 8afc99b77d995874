/** Keys as people write them into files, and the MAC against published vectors. */

import { describe, expect, it } from 'vitest';
import { createKeyRing, KEY_MAX_BYTES, KEYS_MAX, parseKey } from './authenticate.js';

const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
const OTHER = Buffer.from(KEY).reverse();

describe('a key file', () => {
  it.each([
    ['base64', KEY.toString('base64')],
    ['base64 without padding', KEY.toString('base64').replace(/=+$/, '')],
    ['hex', KEY.toString('hex')],
    ['hex in capitals', KEY.toString('hex').toUpperCase()],
  ])('holds one line of %s, with or without its end', (_form, line) => {
    for (const end of ['', '\n', '\r\n']) expect(parseKey(line + end, 'key')).toEqual(KEY);
  });

  it.each([
    ['nothing', '', 'the file is empty'],
    ['only space', ' \n\n', 'the file is empty'],
    ['two lines', `${KEY.toString('hex')}\n${KEY.toString('hex')}\n`, 'more than one line'],
    ['a sentence', 'correct horse battery staple', 'neither base64 nor hex'],
    ['base64 that was cut', KEY.toString('base64').slice(0, 41), 'neither base64 nor hex'],
    ['hex that was cut', KEY.toString('hex').slice(0, 63), 'neither base64 nor hex'],
    ['a short key', KEY.subarray(0, 31).toString('base64'), 'the key has 31 bytes, and needs at least 32'],
    ['a short key in hex', KEY.subarray(0, 16).toString('hex'), 'the key has 16 bytes, and needs at least 32'],
    ['a huge key', Buffer.alloc(KEY_MAX_BYTES + 1, 'ab').toString('base64'), 'may have at most 1024'],
    ['zeros', Buffer.alloc(32).toString('base64'), 'one byte repeated'],
  ])('with %s is refused, by name and without showing its content', (_what, text, problem) => {
    const read = (): Buffer => parseKey(text, '/etc/vipd/key');
    expect(read).toThrow(problem);
    expect(read).toThrow('/etc/vipd/key: ');
    expect(read).toThrow('openssl rand -base64 32');
    if (text.trim().length > 8) expect(read).not.toThrow(text.trim().slice(0, 8));
  });
});

describe('a key ring', () => {
  it('computes HMAC-SHA256 (RFC 4231, test case 6)', () => {
    const ring = createKeyRing([Buffer.alloc(131, 0xaa)]);
    expect(ring.sign(Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First')).toString('hex')).toBe(
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    );
  });

  it('signs with the first key and verifies with all', () => {
    const frame = Buffer.from('frame');
    const byOther = Buffer.concat([frame, createKeyRing([OTHER]).sign(frame)]);
    expect(createKeyRing([KEY, OTHER]).signerOf(byOther)).toBe(OTHER);
    expect(createKeyRing([KEY]).signerOf(byOther)).toBeNull();
    expect(createKeyRing([KEY, OTHER]).sign(frame)).toEqual(createKeyRing([KEY]).sign(frame));
  });

  it('verifies nothing that is shorter than a MAC', () => {
    for (const bytes of [0, 1, 31]) expect(createKeyRing([KEY]).signerOf(Buffer.alloc(bytes))).toBeNull();
  });

  it('needs keys, not too many, and long ones', () => {
    expect(() => createKeyRing([])).toThrow('no heartbeat key');
    expect(() => createKeyRing(Array.from({ length: KEYS_MAX + 1 }, () => KEY))).toThrow('at most 4');
    expect(() => createKeyRing([KEY, KEY.subarray(1)])).toThrow('shorter than 32 bytes');
  });
});
