/** Refuses what no member in its senses sends: a number that would leave no room above it, a lease that would never end. */

import type { Message } from './message.js';
import type { Millis, Term } from './types.js';

/** A term a millisecond would take nine thousand years to get there. */
export const HIGHEST_TERM: Term = 2 ** 48;

/** Above what any configuration allows, the lifetimes of `guard: address` included. */
export const LONGEST_LEASE_MS: Millis = 10 * 60_000;

/** The holder of a key may be mad or bad; its frame is genuine all the same, and must not mute a voter for ever. */
export const isPlausible = (message: Message): boolean => {
  if (!isTerm(message.term)) return false;
  switch (message.kind) {
    case 'beat':
      return (
        isLease(message.leaseMs) &&
        [message.dataTerm, message.servedTerm, message.pause.version, message.beat].every(isTerm)
      );
    case 'ack':
    case 'grant':
      return isLease(message.leaseMs);
    case 'poll?':
    case 'vote?':
      return isLease(message.leaseMs) && isTerm(message.dataTerm);
    case 'poll':
    case 'vote':
      return isTerm(message.verdict.servedTerm) && (message.verdict.granted || isTerm(message.verdict.maxTerm));
    case 'release':
      return isTerm(message.servedTerm);
    case 'served?':
    case 'served':
    case 'released':
      return true;
  }
};

const isTerm = (count: number): boolean => count >= 0 && count <= HIGHEST_TERM;
const isLease = (leaseMs: Millis): boolean => leaseMs >= 0 && leaseMs <= LONGEST_LEASE_MS;
