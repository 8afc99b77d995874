/** Room for the binary log: commits wait for it without a word, and the probe's own write does not go there. */

import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Session } from './connection.js';
import { text } from './flavour.js';

/** Less than the smallest binary log that a server can be told to write; the next commits hang, or end the server. */
const LEAST_FREE_BYTES = 1_048_576;

/**
 * Why nothing more fits; empty: it does, or this host cannot tell (the log lies where the agent may not look).
 * @throws DatabaseError
 */
export const findNoRoom = async (session: Session, deadlineMs: number): Promise<string> => {
  const [row] = await session.query('SELECT @@global.log_bin_basename AS basename', deadlineMs);
  const directory = dirname(text(row, 'basename'));
  const volume = await statfs(directory).catch(() => undefined);
  if (volume === undefined) return '';
  const freeBytes = volume.bavail * volume.bsize;
  if (freeBytes >= LEAST_FREE_BYTES) return '';
  return `${directory}, where the binary log is written, has ${freeBytes} bytes left: commits wait for room, so make some`;
};
