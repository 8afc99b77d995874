/** The group's key file: one line of hexadecimal or base64, at least 32 bytes. */

import { type Parsed, parsed, refused } from './problem.js';

/** HMAC-SHA256 gains nothing from longer keys, and loses strength with shorter ones (RFC 2104 section 3). */
export const MIN_KEY_BYTES = 32;
export const MAX_KEY_BYTES = 1_024;

const MAKE_ONE = 'make one with: head -c 32 /dev/urandom | base64 -w0';

const HEXADECIMAL = /^[0-9a-f]+$/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Reads the text of a key file. A text of nothing but hexadecimal digits is hexadecimal, else it must be base64.
 * No refusal contains any of the text: errors end up in logs.
 */
export const parseKey = (text: string): Parsed<Buffer> => {
  const lines = text.replace(/\r?\n$/, '').split('\n');
  const line = lines[0]?.trim() ?? '';
  if (line === '') return refused('the key file is empty', MAKE_ONE);
  if (lines.length > 1) {
    return refused(`the key file has ${lines.length} lines`, 'keep one key in a file, on one line, without comments');
  }
  const key = decode(line);
  if (key === null) return refused('the key file holds neither base64 nor hexadecimal', MAKE_ONE);
  if (key.length < MIN_KEY_BYTES) {
    return refused(`the key has ${key.length} bytes, of which at least ${MIN_KEY_BYTES} are needed`, MAKE_ONE);
  }
  if (key.length > MAX_KEY_BYTES) {
    return refused(`the key has ${key.length} bytes, more than ${MAX_KEY_BYTES}`, MAKE_ONE);
  }
  if (key.every((byte) => byte === key[0])) return refused('the key is the same byte again and again', MAKE_ONE);
  return parsed(key);
};

const decode = (line: string): Buffer | null => {
  if (HEXADECIMAL.test(line)) return line.length % 2 === 0 ? Buffer.from(line, 'hex') : null;
  // A length of 4n+1 is what is left of a line that was cut (RFC 4648 section 4).
  if (!BASE64.test(line) || line.replace(/=+$/, '').length % 4 === 1) return null;
  return Buffer.from(line, 'base64');
};
