/** RELEASE: told to every voter, our own first, and repeated until each has acknowledged it. */

import type { Release } from './message.js';
import { RELEASE_REPEAT_LEASES } from './timing.js';
import { journal, remoteVoters, send, set, type Turn } from './turn.js';
import type { VoterName } from './types.js';
import { onRelease } from './voter.js';

/** The parts of a RELEASE of a term that opened, or that was never recorded as serving. */
export const SERVED = { unserved: false, servedTerm: 0, sync: false } as const;

/** Irrevocable: from here on only a new term brings this node back. */
export const startRelease = (turn: Turn, message: Release): void => {
  const { config } = turn.s;
  const own = onRelease(turn.s.voter, config.self, message, turn.now);
  const until = turn.now + RELEASE_REPEAT_LEASES * config.leaseMs;
  turn.effects.push(...own.effects.filter((effect) => effect.type === 'persist'));
  set(turn, { voter: own.voter, releasing: { message, unacked: remoteVoters(turn.s), sentAt: turn.now, until } });
  const position =
    message.finalPosition === '' ? 'without a final position' : `final position ${message.finalPosition}`;
  const successor = message.successor === '' ? '' : `, to ${message.successor}`;
  journal(turn, {
    kind: 'notice',
    cause: 'release',
    term: message.term,
    text: `released term ${message.term}${successor}: ${message.reason}; ${position}`,
  });
  sendRelease(turn);
};

const sendRelease = (turn: Turn): void => {
  const { releasing } = turn.s;
  for (const voter of releasing?.unacked ?? []) if (releasing) send(turn, voter, releasing.message);
};

export const onReleased = (turn: Turn, from: VoterName, term: number): void => {
  const { releasing } = turn.s;
  if (!releasing || releasing.message.term !== term) return;
  const unacked = releasing.unacked.filter((voter) => voter !== from);
  set(turn, { releasing: unacked.length === 0 ? null : { ...releasing, unacked } });
};

export const tickRelease = (turn: Turn): void => {
  const { releasing, config } = turn.s;
  if (!releasing) return;
  if (turn.now >= releasing.until) return set(turn, { releasing: null });
  if (turn.now - releasing.sentAt < config.intervalMs / 2) return;
  set(turn, { releasing: { ...releasing, sentAt: turn.now } });
  sendRelease(turn);
};
