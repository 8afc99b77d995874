/** Without a witness: do the gateways answer, and does the silent peer's database? */

import { connect } from 'node:net';
import type { VipdConfig } from '../config/types.js';
import type { Evidence } from '../core/event.js';
import type { Instant, Millis, Position } from '../core/types.js';
import type { Credentials } from '../mysql/credentials.js';
import { createDatabase, DOWN } from '../mysql/database.js';
import { probeForStranger } from '../net/stranger.js';

/** A gateway on the same link answers an ARP request in well under a millisecond. */
const GATEWAY_MS: Millis = 50;
const DATABASE_MS: Millis = 200;
/** Sessions are killed and the position read meanwhile. */
const FENCE_PEER_MS: Millis = 5_000;

export const createEvidence =
  (config: VipdConfig, credentials: Credentials, now: () => Instant) =>
  async (fencePeer: boolean): Promise<Evidence> => {
    const gateways = await askGateways(config, now);
    // A node that is cut off itself takes nobody's database away.
    const asks = fencePeer && gateways !== 'silent';
    const { database, position } = asks ? await askDatabase(config, credentials, now) : NOT_ASKED;
    const heard = { answer: 'a gateway answers', silent: 'no gateway answers', none: 'no gateways are configured' }[
      gateways
    ];
    const lives = {
      silent: 'its database does not answer',
      'made-read-only': 'its database lives and was made read-only from here',
      refuses: 'its database lives and could not be made read-only from here',
    }[database];
    const detail = asks ? `${heard}, ${lives}` : heard;
    return { gateways, peerDatabase: database, detail, ...(position === undefined ? {} : { position }) };
  };

interface Asked {
  readonly database: Evidence['peerDatabase'];
  readonly position?: Position;
}

const NOT_ASKED: Asked = { database: 'silent' };

/** Asks each gateway by ARP or neighbour solicitation on the VIP's link, as one asks for a stranger. */
const askGateways = async (config: VipdConfig, now: () => Instant): Promise<Evidence['gateways']> => {
  if (config.gateways.length === 0) return 'none';
  const link = config.vips[0];
  if (!link) return 'silent';
  const targets = config.gateways.map(({ address, family }) => ({
    address,
    family,
    prefixLength: family === 4 ? 32 : 128,
    interface: link.interface,
  }));
  try {
    const result = await probeForStranger(targets, { timeoutMs: GATEWAY_MS, peerMacs: [], now });
    return result.kind === 'answered' ? 'answer' : 'silent';
  } catch {
    return 'silent';
  }
};

/** A server that accepts connections lives: it must be read-only before its peer may take over. */
const askDatabase = async (config: VipdConfig, credentials: Credentials, now: () => Instant): Promise<Asked> => {
  if (!(await accepts(config.peer.address, config.mysql.port))) return NOT_ASKED;
  const database = createDatabase({
    host: config.peer.address,
    port: config.mysql.port,
    credentials,
    check: config.mysql.check,
    nowMs: now,
    log: () => undefined,
  });
  const signal = AbortSignal.timeout(FENCE_PEER_MS);
  const outcome = await database.run({ name: 'database-fence' }, { signal, progress: () => undefined });
  await database.stop();
  if (!outcome.ok) return { database: 'refuses' };
  if (outcome.detail === DOWN) return NOT_ASKED;
  return { database: 'made-read-only', ...(outcome.position === undefined ? {} : { position: outcome.position }) };
};

const accepts = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(() => end(false), DATABASE_MS);
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
