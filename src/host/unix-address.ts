/** The address of a unix socket, as the system calls take it. */

import { AF_UNIX, HOST_IS_LITTLE_ENDIAN } from './libc.js';

/**
 * unix(7), sockaddr_un: the family in the host's byte order, then the path and a zero. An abstract name, written with an @
 * in its place as systemd does (sd_notify(3)), begins with the zero and ends where it ends.
 */
export const unixAddress = (path: string): Uint8Array => {
  const family = Buffer.alloc(2);
  if (HOST_IS_LITTLE_ENDIAN) family.writeUInt16LE(AF_UNIX);
  else family.writeUInt16BE(AF_UNIX);
  return Buffer.concat([family, Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)]);
};
