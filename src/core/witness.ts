/** A voter without data: the whole of what a witness decides for one group. */

import type { Effect } from './effect.js';
import type { Event } from './event.js';
import { isPlausible } from './plausible.js';
import type { Instant, VoterName, VoterRecord } from './types.js';
import {
  createVoter,
  onBeat,
  onPersisted,
  onPoll,
  onRelease,
  onServed,
  onVote,
  type Voted,
  type VoterState,
} from './voter.js';

/** The events a witness knows; all others of the core are of nodes. */
export type WitnessEvent = Extract<Event, { type: 'message' | 'persisted' }>;

export interface WitnessOptions {
  readonly name: VoterName;
  /** The two database hosts. */
  readonly nodes: readonly VoterName[];
  /** Null: none that could be read; then both nodes must have told their terms before anything is granted. */
  readonly record: VoterRecord | null;
}

export const createWitness = (options: WitnessOptions, now: Instant): VoterState =>
  // Whoever owned a term voted for itself, so the two nodes together know every term that was ever owned.
  createVoter({ ...options, quorumToLearn: (heard) => options.nodes.every((node) => heard.has(node)) }, now);

export const stepWitness = (
  voter: VoterState,
  event: WitnessEvent,
  now: Instant,
): { readonly state: VoterState; readonly effects: readonly Effect[] } => {
  const voted = decide(voter, event, now);
  return { state: voted.voter, effects: voted.effects };
};

const decide = (voter: VoterState, event: WitnessEvent, now: Instant): Voted => {
  if (event.type === 'persisted') return onPersisted(voter, event.id, event.ok, now);
  const { from, message } = event;
  if (!voter.nodes.includes(from) || !isPlausible(message)) return { voter, effects: [] };
  switch (message.kind) {
    case 'beat':
      return onBeat(voter, from, message, now);
    case 'poll?':
      return onPoll(voter, from, message, now);
    case 'vote?':
      return onVote(voter, from, message, now);
    case 'served?':
      return onServed(voter, from, message);
    case 'release':
      return onRelease(voter, from, message, now);
    case 'ack':
    case 'grant':
    case 'poll':
    case 'vote':
    case 'served':
    case 'released':
      return { voter, effects: [] };
  }
};
