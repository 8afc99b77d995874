/** The silent peer's server: if it lives on without its agent it is made read-only from here, its sessions killed. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { VipdConfig } from '../config/types.js';
import type { Instant, Millis, Position } from '../core/types.js';
import { openSession } from '../mysql/connection.js';
import type { Credentials } from '../mysql/credentials.js';
import { createDatabase, DOWN } from '../mysql/database.js';

/** From the question whether it is there to a login, which ends it politely: servers shut out who hangs up before. */
const LOGIN_MS: Millis = 5_000;
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

export interface PeerDatabase {
  /** Its agent falls silent: is the server there? Asked until it answers, or `forget`. */
  readonly askAhead: () => void;
  /** Its agent is heard again. */
  readonly forget: () => void;
  readonly shut: ShutPeerDatabase;
}

interface InForce {
  readonly config: VipdConfig;
  readonly credentials: Credentials;
}

/** A server that accepts connections lives: it must be read-only before its peer may take over. */
export const createPeerDatabase = (
  inForce: () => InForce,
  now: () => Instant,
  open: typeof openSession = openSession,
): PeerDatabase => {
  let ahead: Asked | null = null;

  const forget = (): void => {
    ahead?.giveUp();
    ahead = null;
  };

  /** What it answered a while ago may hold no more; that it has not answered since, does. */
  const accepts = async (answerMs: Millis): Promise<boolean> => {
    const asked = ahead?.isOpen() ? ahead : ask(inForce(), now(), open);
    ahead = null;
    const lives = await Promise.race([asked.accepted, sleep(Math.max(0, asked.at + answerMs - now()), false)]);
    if (!lives) asked.giveUp();
    return lives;
  };

  const shut: ShutPeerDatabase = async (answerMs, signal) => {
    if (!(await accepts(answerMs))) return { state: 'silent' };
    const { config, credentials } = inForce();
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

  return {
    askAhead: () => {
      forget();
      ahead = ask(inForce(), now(), open);
    },
    forget,
    shut,
  };
};

/** The question whether the server is there. */
interface Asked {
  readonly at: Instant;
  /** Neither answered nor failed yet. */
  readonly isOpen: () => boolean;
  /** False: it cannot be reached. */
  readonly accepted: Promise<boolean>;
  /** Unless it has been answered: then the login ends it. */
  readonly giveUp: () => void;
}

const ask = ({ config, credentials }: InForce, at: Instant, openTo: typeof openSession): Asked => {
  const target = { host: config.peer.address, port: config.mysql.port };
  const given = new AbortController();
  let isOpen = true;
  const accepted = new Promise<boolean>((resolve) => {
    const answer = (lives: boolean): void => {
      isOpen = false;
      resolve(lives);
    };
    openTo(target, credentials, LOGIN_MS, { onAccepted: () => answer(true), signal: given.signal }).then(
      (session) => session.destroy(),
      () => answer(false),
    );
  });
  return {
    at,
    isOpen: () => isOpen,
    accepted,
    giveUp: () => {
      if (isOpen) given.abort();
    },
  };
};
