/** Without a witness: do the gateways answer, and does the silent peer's database? */

import { connect } from 'node:net';
import type { VipdConfig } from '../config/types.js';
import type { Evidence } from '../core/event.js';
import type { Instant, Millis } from '../core/types.js';
import { probeForStranger } from '../net/stranger.js';

/** A gateway on the same link answers an ARP request in well under a millisecond. */
const GATEWAY_MS: Millis = 50;
const DATABASE_MS: Millis = 200;

export const createEvidence =
  (config: VipdConfig, now: () => Instant) =>
  async (fencePeer: boolean): Promise<Evidence> => {
    const [gateways, database] = await Promise.all([
      askGateways(config, now),
      fencePeer ? askDatabase(config) : ('silent' as const),
    ]);
    const heard = { answer: 'a gateway answers', silent: 'no gateway answers', none: 'no gateways are configured' }[
      gateways
    ];
    const lives = database === 'silent' ? 'its database does not answer' : 'its database answers';
    return { gateways, peerDatabase: database, detail: fencePeer ? `${heard}, ${lives}` : heard };
  };

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

/** A server that accepts connections lives; until it has been made read-only its peer must not take over. */
const askDatabase = (config: VipdConfig): Promise<Evidence['peerDatabase']> =>
  new Promise((resolve) => {
    const socket = connect({ host: config.peer.address, port: config.mysql.port });
    const end = (verdict: Evidence['peerDatabase']): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(verdict);
    };
    const timer = setTimeout(() => end('silent'), DATABASE_MS);
    socket.once('connect', () => end('refuses'));
    socket.once('error', () => end('silent'));
  });
