/** What a node needs of a voter it cannot call directly; the built-in witness is one kind, others may follow. */

import type { Message } from '../core/message.js';
import type { VoterName } from '../core/types.js';

/**
 * A remote voter. Its answers come back as messages from its name: ACK, POLL, VOTE, SERVED and RELEASED. One that keeps
 * its record elsewhere (in a key-value store, say) turns each question into what that store can do, and answers the same.
 */
export interface RemoteVoter {
  readonly name: VoterName;
  /** Never waits and never throws; what is lost is asked again by the core. */
  readonly send: (message: Message) => void;
}

/** Voters reached by frames: the peer, and witnesses run by `vipd witness`. */
export const createFrameVoter = (
  name: VoterName,
  transmit: (to: VoterName, message: Message) => void,
): RemoteVoter => ({
  name,
  send: (message) => transmit(name, message),
});
