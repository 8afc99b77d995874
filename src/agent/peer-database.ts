/** The silent peer's server: if it lives on without its agent it is made read-only from here, its sessions killed. */

import { connect } from 'node:net';
import type { VipdConfig } from '../config/types.js';
import type { Instant, Millis, Position } from '../core/types.js';
import type { Credentials } from '../mysql/credentials.js';
import { createDatabase, DOWN } from '../mysql/database.js';

/** Sessions are killed and the position read meanwhile. */
const FENCE_PEER_MS: Millis = 5_000;

export type ShutPeer =
  | { readonly state: 'silent' }
  /** At this position for good, if it could be read; empty: not known. */
  | { readonly state: 'made-read-only'; readonly position: Position }
  | { readonly state: 'refuses'; readonly why: string };

/**
 * `answerMs`: how long its host may take to accept a connection before it counts as silent. Given up with `signal`, and
 * within half the time that a promotion has without progress. Never rejects.
 */
export type ShutPeerDatabase = (answerMs: Millis, signal: AbortSignal) => Promise<ShutPeer>;

/** A server that accepts connections lives: it must be read-only before its peer may take over. */
export const createShutPeerDatabase =
  (
    inForce: () => { readonly config: VipdConfig; readonly credentials: Credentials },
    now: () => Instant,
  ): ShutPeerDatabase =>
  async (answerMs, signal) => {
    const { config, credentials } = inForce();
    if (!(await accepts(config.peer.address, config.mysql.port, answerMs))) return { state: 'silent' };
    const database = createDatabase({
      host: config.peer.address,
      port: config.mysql.port,
      credentials,
      check: config.mysql.check,
      vipMayBeOn: true,
      leavesSemiSync: config.mysql.semiSync !== 'manage',
      nowMs: now,
      log: () => undefined,
    });
    const withinMs = Math.min(FENCE_PEER_MS, config.promotion.catchUpTimeoutMs / 2);
    const limited = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
    const outcome = await database.run({ name: 'database-fence' }, { signal: limited, progress: () => undefined });
    await database.stop();
    if (!outcome.ok) return { state: 'refuses', why: outcome.detail };
    return outcome.detail === DOWN
      ? { state: 'silent' }
      : { state: 'made-read-only', position: outcome.position ?? '' };
  };

const accepts = (host: string, port: number, answerMs: Millis): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(() => end(false), answerMs);
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
