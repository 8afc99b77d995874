/** What members of a group say to each other; wire/ turns these into frames and back. */

import type { Health, HoldName, Millis, Opening, Pause, Position, Term, VoterName } from './types.js';

/** Roles as the field names them (RFC 9568: Active and Backup), with the steps between. */
export const ROLES = [
  'starting',
  'standby',
  'candidate',
  'promoting',
  'active',
  'handing-off',
  'fencing',
  'stopped',
] as const;

export type Role = (typeof ROLES)[number];

/** Sent to every voter each interval. From the owner of a term it asks for renewal. */
export interface Beat {
  readonly kind: 'beat';
  /** Rises with every BEAT that is not a resend; the ACK names it. */
  readonly beat: number;
  readonly role: Role;
  /** The term the sender owns; else the highest it knows. */
  readonly term: Term;
  /** The sender owns `term` and asks for renewal. */
  readonly owner: boolean;
  readonly leaseMs: Millis;
  readonly dataTerm: Term;
  /** The newest term that opened for clients, as the sender's own voter has it, and its sync flag. */
  readonly servedTerm: Term;
  readonly sync: boolean;
  readonly priority: number;
  readonly health: Health;
  /** First cause of a failed verdict, else empty. */
  readonly cause: string;
  /** Empty: fit to take over. Else the first reason why not. */
  readonly unfit: string;
  readonly holds: readonly HoldName[];
  /** Committed here; empty where unknown, or longer than a BEAT carries. */
  readonly position: Position;
  readonly readOnly: boolean;
  /** Its channel from the peer runs. */
  readonly replicating: boolean;
  /** How far it is behind; -1 unknown. */
  readonly lagMs: number;
  /** What it is doing, for people. */
  readonly progress: string;
  readonly pause: Pause;
  /** From the owner in a handoff: read-only for good at this position; the peer applies exactly it. Else empty. */
  readonly finalPosition: Position;
  /** From the standby: it has applied the owner's `finalPosition`. */
  readonly applied: Position;
  /** How long the present role lasts. */
  readonly sinceMs: Millis;
  /** Why it came to own the term; `none`: it owns none. */
  readonly because: Opening | 'none';
  /** A planned move asked of the owner by an operator on this node; 0 none. */
  readonly wish: Wish;
  /** The owner's answer to the peer's wish. */
  readonly wishAnswer: WishAnswer;
  /** It has the standby VIP, may have it still, or asks for it: from a standby an ask that the owner grants. */
  readonly standbyVip: boolean;
}

/** An operator's word given on the standby, carried to the active. */
export interface Wish {
  /** 0: none. */
  readonly id: number;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly timeoutMs: Millis;
}

export interface WishAnswer {
  readonly id: number;
  readonly outcome: 'none' | 'running' | 'done' | 'refused' | 'undone';
  readonly text: string;
}

/** At once, to the owner: I promise you `leaseMs` from when I received that BEAT. */
export interface Ack {
  readonly kind: 'ack';
  readonly beat: number;
  readonly term: Term;
  readonly leaseMs: Millis;
}

/** From the owner to the standby: the standby VIP is yours for `leaseMs`, counted from when you sent that BEAT. */
export interface Grant {
  readonly kind: 'grant';
  readonly beat: number;
  readonly term: Term;
  readonly leaseMs: Millis;
}

/** Would you grant this term? No effect on the voter. */
export interface PollRequest {
  readonly kind: 'poll?';
  readonly term: Term;
  readonly dataTerm: Term;
  readonly leaseMs: Millis;
}

export interface PollAnswer {
  readonly kind: 'poll';
  readonly term: Term;
  readonly verdict: Verdict;
}

export interface VoteRequest {
  readonly kind: 'vote?';
  readonly term: Term;
  readonly dataTerm: Term;
  readonly leaseMs: Millis;
}

export interface VoteAnswer {
  readonly kind: 'vote';
  readonly term: Term;
  readonly verdict: Verdict;
}

/** A voter's answer: granted, with what it knows of the last owner; or refused, with why. */
export type Verdict =
  | {
      readonly granted: true;
      /** The last owner's position as this voter heard it; empty: unknown. */
      readonly lastPosition: Position;
      readonly servedTerm: Term;
      readonly sync: boolean;
    }
  | Refused;

export interface Refused {
  readonly granted: false;
  readonly why: Refusal;
  readonly holder: VoterName;
  readonly maxTerm: Term;
  readonly servedTerm: Term;
  /** Time left of the promise or the muteness; 0 where waiting does not help. */
  readonly leftMs: Millis;
}

export type Refusal =
  | 'old-term'
  | 'promised'
  | 'data-behind'
  | 'mute'
  | 'no-record'
  | 'not-successor'
  | 'disk'
  | 'unknown-group';

/** Record that `term` serves, and whether its standby is in sync. */
export interface ServedRequest {
  readonly kind: 'served?';
  readonly term: Term;
  readonly sync: boolean;
}

export interface ServedAnswer {
  readonly kind: 'served';
  readonly term: Term;
  readonly sync: boolean;
}

/** I hold no more. Irrevocable; repeated until acknowledged. */
export interface Release {
  readonly kind: 'release';
  readonly term: Term;
  /** Empty: not to be had. */
  readonly finalPosition: Position;
  /** Empty: anybody. */
  readonly successor: VoterName | '';
  readonly reason: string;
  /** The term was recorded as serving but never opened: what served before it is the newest again. */
  readonly unserved: boolean;
  /** With `unserved`: what to go back to. */
  readonly servedTerm: Term;
  readonly sync: boolean;
}

export interface Released {
  readonly kind: 'released';
  readonly term: Term;
}

export type Message =
  | Beat
  | Ack
  | Grant
  | PollRequest
  | PollAnswer
  | VoteRequest
  | VoteAnswer
  | ServedRequest
  | ServedAnswer
  | Release
  | Released;
