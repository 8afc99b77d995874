/** The numbers that stand for names on the wire. They are part of the format: never change one, only add. */

import type { Beat, Message, Refusal, Role, WishAnswer } from '../core/message.js';
import type { Health, HoldName } from '../core/types.js';

/** Names and their numbers, both ways. */
export interface NumberTable<Name extends string> {
  readonly numberOf: Readonly<Record<Name, number>>;
  readonly nameOf: readonly (Name | undefined)[];
}

const table = <Name extends string>(numberOf: Readonly<Record<Name, number>>): NumberTable<Name> => {
  const nameOf: (Name | undefined)[] = [];
  for (const name of Object.keys(numberOf) as Name[]) nameOf[numberOf[name]] = name;
  return { numberOf, nameOf };
};

/** A frame's kind: a message's, or HELLO, which never leaves wire/. */
export type FrameKind = Message['kind'] | 'hello';

export const KINDS = table<FrameKind>({
  beat: 1,
  ack: 2,
  'poll?': 3,
  poll: 4,
  'vote?': 5,
  vote: 6,
  'served?': 7,
  served: 8,
  release: 9,
  released: 10,
  hello: 11,
  grant: 12,
});

export const ROLES = table<Role>({
  starting: 1,
  standby: 2,
  candidate: 3,
  promoting: 4,
  active: 5,
  'handing-off': 6,
  fencing: 7,
  stopped: 8,
});

export const HEALTHS = table<Health>({ ok: 1, failed: 2, unknown: 3 });

export const HOLDS = table<HoldName>({
  paused: 1,
  maintenance: 2,
  stale: 3,
  quarantined: 4,
  cooldown: 5,
  flapping: 6,
  loss: 7,
  replication: 8,
  'peer-alive': 9,
  isolated: 10,
  alone: 11,
  hook: 12,
  'promotion-failed': 13,
  stranger: 14,
  'no-record': 15,
  fence: 16,
});

export const OPENINGS = table<Beat['because']>({
  none: 1,
  'promise-ran-out': 2,
  released: 3,
  'no-owner': 4,
  ordered: 5,
});

export const REFUSALS = table<Refusal>({
  'old-term': 1,
  promised: 2,
  'data-behind': 3,
  mute: 4,
  'no-record': 5,
  'not-successor': 6,
  disk: 7,
  'unknown-group': 8,
});

export const WISH_OUTCOMES = table<WishAnswer['outcome']>({ none: 1, running: 2, done: 3, refused: 4, undone: 5 });
