/** The channel's pre-shared keys, derived from the group's: what is proven by one use of a key says nothing to another. */

import { hkdfSync } from 'node:crypto';

/** One derived key and the name by which the other side finds it. */
export interface ChannelKey {
  readonly id: string;
  readonly secret: Buffer;
}

const SECRET_BYTES = 32;
/** Names a key among the few of a rotation; it tells nothing about the key. */
const ID_BYTES = 8;
/** HMAC-SHA256 loses strength with shorter keys (RFC 2104, section 3). */
const KEY_MIN_BYTES = 32;

/**
 * In the order given: the first is offered, all are accepted. HKDF-SHA256 (RFC 5869) with group and purpose as info.
 * @throws Error where there is no key or one is too short.
 */
export const deriveChannelKeys = (group: string, keys: readonly Buffer[]): readonly ChannelKey[] => {
  if (keys.length === 0) throw new Error('the agent channel has no key; key_file must name at least one');
  return keys.map((key) => {
    if (key.length < KEY_MIN_BYTES) throw new Error(`a key of the group is shorter than ${KEY_MIN_BYTES} bytes`);
    const derive = (purpose: string, bytes: number): Buffer =>
      Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `vipd agent-channel ${purpose} ${group}`, bytes));
    return { id: derive('key-id', ID_BYTES).toString('hex'), secret: derive('psk', SECRET_BYTES) };
  });
};

/** PSK identity: who speaks, and by which key; 80 bytes at most, of 128 that OpenSSL takes (PSK_MAX_IDENTITY_LEN). */
export const identityOf = (self: string, key: ChannelKey): string => `${self}:${key.id}`;

/** The key for an identity that names `peer`; nothing for anybody else. */
export const keyOf = (identity: string, peer: string, keys: readonly ChannelKey[]): ChannelKey | undefined =>
  keys.find((key) => identityOf(peer, key) === identity);
