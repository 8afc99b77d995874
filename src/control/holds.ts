/** One sentence to each hold, for holds of the peer, of which only the names arrive. */

import type { Hold, HoldName } from '../core/types.js';

const SENTENCES = {
  paused: 'the group is paused: nothing moves by itself',
  maintenance: 'it is in maintenance, so it does not take over',
  stale: 'its data may be older than what was served last; it waits for the other node',
  quarantined: 'it has transactions that the active node has not',
  cooldown: 'the last move was a moment ago; a failing health script has to wait',
  flapping: 'there were too many moves in a short time',
  loss: 'taking over would lose more commits than promotion.max_loss allows',
  replication: 'its replication does not run as it should',
  'peer-alive': 'the agent of the other node is silent, but its host lives',
  isolated: 'it is cut off: neither the other node nor a gateway answers',
  alone: 'it started alone, and cannot tell whether its data is the newest',
  hook: 'a pre-promote hook refused',
  'promotion-failed': 'its last promotion failed',
  stranger: 'another host on the network answers for the VIP',
  'no-record': 'no record tells whose data is the newest, so it waits for the other node',
  fence: 'the command that cuts off the other node did not succeed',
} as const satisfies Record<HoldName, string>;

export const holdOf = (name: HoldName): Hold => ({ name, why: SENTENCES[name] });

/** Every hold that there is. */
export const HOLD_NAMES: readonly string[] = Object.keys(SENTENCES);
