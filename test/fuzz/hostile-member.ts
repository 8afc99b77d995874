/** A member that holds the group's genuine key and sends whatever it likes: sound frames, bent ones with a right MAC, noise. */

import { randomBytes } from 'node:crypto';
import type { Message } from '../../src/core/message.js';
import { createKeyRing } from '../../src/wire/authenticate.js';
import { FRAME_MAX_BYTES, MAC_BYTES } from '../../src/wire/layout.js';
import { createLink, type Link } from '../../src/wire/link.js';

export const GROUP = 'orders';
export const KEY = Buffer.from(`${'a5'.repeat(31)}01`, 'hex');
const LARGEST_DATAGRAM_BYTES = 2_000;

type Random = (below: number) => number;

export interface HostileMember {
  readonly link: Link;
  /** One datagram for `to`; `sound` says that it is as a member of ours would have sealed it. */
  readonly next: (to: string, message: Message) => { readonly datagram: Buffer; readonly sound: boolean };
}

export const createHostileMember = (
  self: string,
  peers: readonly string[],
  random: Random,
  nowMs: () => number,
): HostileMember => {
  const link = createLink({ group: GROUP, self, peers, keys: [KEY], randomBytes, nowMs });
  const ring = createKeyRing([KEY]);
  let last: Buffer = Buffer.alloc(0);

  const resign = (frame: Buffer): Buffer => {
    const bytes = frame.subarray(0, Math.max(0, frame.length - MAC_BYTES));
    return Buffer.concat([bytes, ring.sign(bytes)]);
  };
  const noise = (): Buffer => randomBytes(random(LARGEST_DATAGRAM_BYTES));

  return {
    link,
    next: (to, message) => {
      const sealed = link.seal(to, message) ?? noise();
      const before = last;
      last = sealed;
      switch (random(12)) {
        case 0:
          return { datagram: noise(), sound: false };
        case 1:
          return { datagram: bend(sealed, random), sound: false };
        case 2:
        case 3:
        case 4:
          return { datagram: resign(bend(sealed, random)), sound: false };
        case 5:
          return { datagram: resign(sealed.subarray(0, random(sealed.length))), sound: false };
        case 6:
          return { datagram: resign(Buffer.concat([sealed, randomBytes(random(FRAME_MAX_BYTES))])), sound: false };
        case 7:
          return { datagram: before, sound: false };
        default:
          return { datagram: sealed, sound: true };
      }
    },
  };
};

/** Some bytes changed, anywhere. */
const bend = (frame: Buffer, random: Random): Buffer => {
  const bent = Buffer.from(frame);
  for (let i = 0; i <= random(4); i += 1) if (bent.length > 0) bent[random(bent.length)] = random(256);
  return bent;
};
