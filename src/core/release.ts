/** RELEASE: told to every voter, our own first, and repeated until each has acknowledged it. */

import type { Refused, Release } from './message.js';
import type { Releasing } from './state.js';
import { RELEASE_REPEAT_LEASES } from './timing.js';
import { journal, remoteVoters, send, set, type Turn } from './turn.js';
import type { VoterName } from './types.js';
import { onRelease } from './voter.js';

/** RELEASEs repeated at once; each ends after its leases, and a node does not fail much faster than that. */
const RELEASES_LIMIT = 4;

/** The parts of a RELEASE of a term that opened, or that was never recorded as serving. */
export const SERVED = { unserved: false, servedTerm: 0, sync: false } as const;

/** Irrevocable: from here on only a new term brings this node back. */
export const startRelease = (turn: Turn, message: Release): void => {
  const { config } = turn.s;
  const own = onRelease(turn.s.voter, config.self, message, turn.now);
  const until = turn.now + RELEASE_REPEAT_LEASES * config.promiseMs;
  turn.effects.push(...own.effects.filter((effect) => effect.type === 'persist'));
  // An earlier one is repeated on: whoever has not heard it would wait its promise out, and lack the final position.
  const others = turn.s.releasing.filter((known) => known.message.term !== message.term);
  const releasing = { message, unacked: remoteVoters(turn.s), sentAt: turn.now, until };
  set(turn, { voter: own.voter, releasing: [...others, releasing].slice(-RELEASES_LIMIT) });
  const position =
    message.finalPosition === '' ? 'without a final position' : `final position ${message.finalPosition}`;
  const successor = message.successor === '' ? '' : `, to ${message.successor}`;
  journal(turn, {
    kind: 'notice',
    cause: 'release',
    term: message.term,
    text: `released term ${message.term}${successor}: ${message.reason}; ${position}`,
  });
  sendRelease(turn, releasing);
};

/**
 * A voter holds a term of ours against everybody's data in which nothing was committed, as our own record has it: it did not
 * hear the RELEASE that took it back before this node died, or before the RELEASE was given up.
 */
export const releaseUnserved = (turn: Turn, { holder, servedTerm: term }: Refused): void => {
  const { config, voter, releasing } = turn.s;
  const { record } = voter;
  if (holder !== config.self || record?.holder !== config.self || record.maxTerm !== term) return;
  // Ours is written before anybody else is asked to record it, and taken back only where nothing was committed.
  if (record.servedTerm >= term || releasing.some(({ message }) => message.term === term)) return;
  const { servedTerm, sync } = record;
  const reason = 'it served nobody';
  startRelease(turn, {
    kind: 'release',
    term,
    finalPosition: '',
    successor: '',
    reason,
    unserved: true,
    servedTerm,
    sync,
  });
};

const sendRelease = (turn: Turn, { unacked, message }: Releasing): void => {
  for (const voter of unacked) send(turn, voter, message);
};

export const onReleased = (turn: Turn, from: VoterName, term: number): void => {
  const releasing = turn.s.releasing.map((known) =>
    known.message.term === term ? { ...known, unacked: known.unacked.filter((voter) => voter !== from) } : known,
  );
  set(turn, { releasing: releasing.filter(({ unacked }) => unacked.length > 0) });
};

export const tickRelease = (turn: Turn): void => {
  const { config, releasing } = turn.s;
  const living = releasing.filter(({ until }) => turn.now < until);
  const due = living.filter(({ sentAt }) => turn.now - sentAt >= config.intervalMs / 2);
  set(turn, { releasing: living.map((known) => (due.includes(known) ? { ...known, sentAt: turn.now } : known)) });
  for (const known of due) sendRelease(turn, known);
};
