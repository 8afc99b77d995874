/** Without a witness: do the gateways answer, does the silent peer's database, and does replication bring anything? */

import type { VipdConfig } from '../config/types.js';
import type { Evidence } from '../core/event.js';
import type { Instant, Millis } from '../core/types.js';
import { probeForStranger } from '../net/stranger.js';
import type { PeerChannel } from './peer-channel.js';
import type { ShutPeer, ShutPeerDatabase } from './peer-database.js';

/** A gateway on the same link answers an ARP request in well under a millisecond. */
const GATEWAY_MS: Millis = 50;
const DATABASE_MS: Millis = 200;

export const createEvidence =
  (
    inForce: () => { readonly config: VipdConfig },
    shutPeerDatabase: ShutPeerDatabase,
    cameAgo: PeerChannel['cameAgo'],
    now: () => Instant,
  ) =>
  async (fencePeer: boolean, signal: AbortSignal): Promise<Evidence> => {
    const gateways = await askGateways(inForce().config, now);
    // A node that is cut off itself takes nobody's database away.
    const asks = fencePeer && gateways !== 'silent';
    const peer: ShutPeer = asks ? await shutPeerDatabase(DATABASE_MS, signal) : { state: 'silent' };
    const heard = { answer: 'a gateway answers', silent: 'no gateway answers', none: 'no gateways are configured' }[
      gateways
    ];
    const lives = {
      silent: 'its database does not answer',
      'made-read-only': 'its database lives and was made read-only from here',
      refuses: 'its database lives and could not be made read-only from here',
    };
    // Nobody can make it read-only then, and its host lives.
    const agoMs = asks && peer.state === 'silent' ? await cameAgo() : null;
    if (agoMs !== null) {
      const brings = `but replication from it brought something ${Math.round(agoMs)} ms ago`;
      return { gateways, peerDatabase: 'refuses', detail: `${heard}, ${lives.silent}, ${brings}` };
    }
    const detail = asks ? `${heard}, ${lives[peer.state]}` : heard;
    const position = peer.state === 'made-read-only' && peer.position !== '' ? { position: peer.position } : {};
    return { gateways, peerDatabase: peer.state, detail, ...position };
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
