/** Proves that a frame comes from a holder of the group's key: HMAC-SHA256 (RFC 2104) and the key ring of a rotation. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { MAC_BYTES } from './layout.js';

/** RFC 2104, section 3: a key shorter than the hash's output weakens it. */
export const KEY_MIN_BYTES = 32;
/** Far beyond what strengthens HMAC; a longer line is some other file. */
export const KEY_MAX_BYTES = 1024;
/** A forged frame costs one HMAC for each key. */
export const KEYS_MAX = 4;

/** The first key signs; all of them verify. */
export interface KeyRing {
  /** MAC of `bytes`, 32 bytes. */
  sign(bytes: Buffer): Buffer;
  /** The key by which the last 32 bytes are the MAC of those before them; null: none of ours. */
  signerOf(datagram: Buffer): Buffer | null;
}

/** Throws an Error where there is no key, or too many, or one is too short. */
export const createKeyRing = (keys: readonly Buffer[]): KeyRing => {
  const [signing] = keys;
  if (signing === undefined) throw new Error('no heartbeat key was given; key_file must name at least one');
  if (keys.length > KEYS_MAX)
    throw new Error(`${keys.length} heartbeat keys were given; at most ${KEYS_MAX} can be in use`);
  if (keys.some((key) => key.length < KEY_MIN_BYTES)) {
    throw new Error(`a heartbeat key is shorter than ${KEY_MIN_BYTES} bytes`);
  }
  return {
    sign: (bytes) => createHmac('sha256', signing).update(bytes).digest(),
    signerOf: (datagram) => {
      const macAt = datagram.length - MAC_BYTES;
      if (macAt < 0) return null;
      const bytes = datagram.subarray(0, macAt);
      const mac = datagram.subarray(macAt);
      return keys.find((key) => timingSafeEqual(createHmac('sha256', key).update(bytes).digest(), mac)) ?? null;
    },
  };
};

const HEX = /^[0-9a-fA-F]+$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * The key in the text of a key file: one line, base64 or hex, of at least 32 bytes. A line of hex digits alone is read
 * as hex. Throws an Error that names the file and never what is in it.
 */
export const parseKey = (text: string, filename: string): Buffer => {
  const line = text.trim();
  if (line === '') throw keyError(filename, 'the file is empty');
  if (/[\r\n]/.test(line)) throw keyError(filename, 'the file has more than one line');
  const key = decodeKey(line);
  if (key === null) throw keyError(filename, 'the line is neither base64 nor hex');
  if (key.length < KEY_MIN_BYTES) {
    throw keyError(filename, `the key has ${key.length} bytes, and needs at least ${KEY_MIN_BYTES}`);
  }
  if (key.length > KEY_MAX_BYTES) {
    throw keyError(filename, `the key has ${key.length} bytes, and may have at most ${KEY_MAX_BYTES}`);
  }
  if (key.every((byte) => byte === key[0])) throw keyError(filename, 'the key is one byte repeated, not a random key');
  return key;
};

const decodeKey = (line: string): Buffer | null => {
  if (HEX.test(line)) return line.length % 2 === 0 ? Buffer.from(line, 'hex') : null;
  // A length of 4n+1 is what is left of a line that was cut (RFC 4648, section 4).
  if (!BASE64.test(line) || line.replace(/=+$/, '').length % 4 === 1) return null;
  return Buffer.from(line, 'base64');
};

const keyError = (filename: string, problem: string): Error =>
  new Error(
    `cannot use heartbeat key file ${filename}: ${problem}. ` +
      `It holds one line of base64 or hex; make one with 'openssl rand -base64 32' and copy it to every member of the group`,
  );
