/** The bounds of the agent channel, the same on both sides. */

/**
 * TLS 1.2 with ephemeral Diffie-Hellman and a pre-shared key, and nothing else (RFC 7905): in TLS 1.3 suites do not say how
 * the sides prove themselves, so one that shows a certificate instead of knowing the key would have to be told apart.
 */
export const CHANNEL_TLS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
} as const;

/** TCP connections at a time, proven or not; one more is closed at once. */
export const UNPROVEN_MAX = 8;
/** From the first byte to the end of the TLS handshake. */
export const HANDSHAKE_MS = 3_000;
/** From the handshake to the whole request. */
export const REQUEST_MS = 2_000;
/** A request is one line of JSON; a MySQL position with many sources has some kilobytes. */
export const REQUEST_MAX_BYTES = 1_048_576;
/** Either side that has nothing else to say says so this often. */
export const ALIVE_EVERY_MS = 1_000;
/** Silence that ends a connection. */
export const IDLE_MS = 10_000;
/** For one answer, however well it moves: a backup of some terabytes at the speed of a 1 Gbit/s link. */
export const ANSWER_MS = 43_200_000;
