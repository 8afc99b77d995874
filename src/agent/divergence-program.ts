/**
 * A program of its own beside the agent, which starts it: finds what this server has and the active has not, and keeps it.
 * Decoding binary logs may take the processor for minutes, and the agent has a lease to renew.
 */

import { findDivergence } from '../mysql/divergence.js';
import { keepDivergence } from '../mysql/kept-binlog.js';
import { createLinks } from '../mysql/links.js';
import type { DivergenceAnswer, DivergenceOrder } from './divergence-keeper.js';

/** A server that is just coming up. */
const LOGIN_MS = 5_000;

const readOrder = async (): Promise<DivergenceOrder> => {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  return JSON.parse(Buffer.concat(pieces).toString('utf8')) as DivergenceOrder;
};

const keep = async ({ target, credentials, active, directory }: DivergenceOrder): Promise<DivergenceAnswer> => {
  const links = createLinks({ target, credentials, onOpened: () => undefined, onLost: () => undefined });
  try {
    const link = await links.get('command', LOGIN_MS);
    const divergence = await findDivergence(link, { active, signal: new AbortController().signal });
    const { count, unread, parts } = divergence;
    return { count, unread, kept: parts.length === 0 ? null : await keepDivergence(directory, divergence) };
  } finally {
    links.close();
  }
};

try {
  process.stdout.write(`${JSON.stringify(await keep(await readOrder()))}\n`);
} catch (error) {
  process.stderr.write(`ERROR ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
