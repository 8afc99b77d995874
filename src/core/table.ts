/** The transition table: every way a node's role can change, why, and what is done on entering. */

import type { Role } from './message.js';
import { journal, set, type Turn } from './turn.js';

/** What entering a role by a row asks for at once, in this order; carried out by the module that owns the step. */
export type Entry =
  | 'vip-off'
  | 'fence-database'
  | 'ask-votes'
  | 'beat'
  | 'prepare'
  | 'post-promote'
  | 'demote'
  | 'exit';

export interface Transition {
  readonly from: Role;
  readonly to: Role;
  readonly cause: string;
  /** The reason, as the journal tells it. */
  readonly why: string;
  readonly effects: readonly Entry[];
}

const row = <F extends Role, T extends Role, C extends string>(
  from: F,
  to: T,
  cause: C,
  why: string,
  ...effects: readonly Entry[]
): Transition & { readonly from: F; readonly to: T; readonly cause: C } => ({ from, to, cause, why, effects });

export const transitions = [
  row('starting', 'standby', 'fenced', 'the VIP is off and the database is read-only or down', 'beat'),
  row('starting', 'stopped', 'stop', 'asked to stop', 'exit'),

  row('standby', 'candidate', 'promise-ran-out', 'the owner has been silent for a lease', 'ask-votes'),
  row('standby', 'candidate', 'released', 'the owner released its term', 'ask-votes'),
  row('standby', 'candidate', 'no-owner', 'nobody has owned a term since this node listens', 'ask-votes'),
  row('standby', 'candidate', 'ordered', 'the operator asked for it', 'ask-votes'),
  row('standby', 'stopped', 'stop', 'asked to stop', 'exit'),

  row('candidate', 'standby', 'refused', 'no majority would grant the term'),
  row('candidate', 'standby', 'unanswered', 'too few voters answered'),
  row('candidate', 'standby', 'owner-seen', 'another node owns a term'),
  row('candidate', 'standby', 'unfit', 'this node is no longer fit'),
  row('candidate', 'standby', 'disk', 'the own vote could not be written'),
  row('candidate', 'promoting', 'elected', 'a majority granted the term', 'beat', 'prepare'),
  row('candidate', 'stopped', 'stop', 'asked to stop', 'exit'),

  row('promoting', 'active', 'serving', 'the database is writable and the VIP is on', 'beat', 'post-promote'),
  row('promoting', 'fencing', 'promotion-failed', 'a step of the promotion failed', 'vip-off', 'fence-database'),
  row('promoting', 'fencing', 'lease-lost', 'no majority renewed the lease in time', 'vip-off', 'fence-database'),
  row('promoting', 'fencing', 'higher-term', 'another node owns a higher term', 'vip-off', 'fence-database'),
  row('promoting', 'fencing', 'unfit', 'this node is no longer fit', 'vip-off', 'fence-database'),
  row('promoting', 'fencing', 'stop', 'asked to stop', 'vip-off', 'fence-database'),

  row('active', 'handing-off', 'switchover', 'the operator asked for a switchover', 'demote'),
  row('active', 'handing-off', 'check-failed', 'a health check failed here and the standby is fit', 'demote'),
  row('active', 'handing-off', 'stop', 'asked to stop, and the standby is fit', 'demote'),
  row(
    'active',
    'fencing',
    'database-failed',
    'the database failed here and the standby is fit',
    'beat',
    'vip-off',
    'fence-database',
  ),
  row(
    'active',
    'fencing',
    'link-down',
    'a link of the VIP is down and the standby is fit',
    'vip-off',
    'fence-database',
  ),
  row('active', 'fencing', 'lease-lost', 'no majority renewed the lease in time', 'vip-off', 'fence-database'),
  row('active', 'fencing', 'higher-term', 'another node owns a higher term', 'vip-off', 'fence-database'),
  row(
    'active',
    'fencing',
    'vip-failed',
    'the VIP was taken off and could not be put back',
    'vip-off',
    'fence-database',
  ),
  row(
    'active',
    'fencing',
    'made-read-only',
    'without a witness, a database that another hand made read-only is about to be replaced',
    'vip-off',
    'fence-database',
  ),
  row('active', 'fencing', 'stop', 'asked to stop, and no standby is fit', 'vip-off', 'fence-database'),

  row('handing-off', 'active', 'undone', 'the move could not be finished and was undone', 'beat'),
  row(
    'handing-off',
    'fencing',
    'handed-off',
    'the standby has applied the final position',
    'vip-off',
    'fence-database',
  ),
  row(
    'handing-off',
    'fencing',
    'undo-failed',
    'the move could be neither finished nor undone',
    'vip-off',
    'fence-database',
  ),
  row(
    'handing-off',
    'fencing',
    'database-failed',
    'the database failed during the move',
    'beat',
    'vip-off',
    'fence-database',
  ),
  row(
    'handing-off',
    'fencing',
    'link-down',
    'a link of the VIP went down during the move',
    'vip-off',
    'fence-database',
  ),
  row('handing-off', 'fencing', 'lease-lost', 'no majority renewed the lease in time', 'vip-off', 'fence-database'),
  row('handing-off', 'fencing', 'higher-term', 'another node owns a higher term', 'vip-off', 'fence-database'),
  row(
    'handing-off',
    'fencing',
    'vip-failed',
    'the VIP was taken off and could not be put back',
    'vip-off',
    'fence-database',
  ),

  row('fencing', 'standby', 'fenced', 'the VIP is off, the term released and the database read-only or down', 'beat'),
  row('fencing', 'stopped', 'stop', 'asked to stop', 'exit'),
] as const;

type Row = (typeof transitions)[number];
type CauseFrom<R extends Role> = Extract<Row, { from: R }>['cause'];
export type Cause = CauseFrom<Role>;

/** Finds the row; a move that has none is a fault of this program and stops it before it can do harm. */
export const transition = (from: Role, to: Role, cause: Cause): Transition => {
  const row = transitions.find((t) => t.from === from && t.to === to && t.cause === cause);
  if (!row) throw new Error(`no transition ${from} -> ${to} by ${cause}`);
  return row;
};

/** The only place where a role changes. Answers what is to be done on entering. */
export const become = (turn: Turn, to: Role, cause: Cause, detail = ''): readonly Entry[] => {
  const row = transition(turn.s.role, to, cause);
  journal(turn, {
    kind: 'transition',
    from: row.from,
    to,
    cause,
    text: detail === '' ? row.why : `${row.why}: ${detail}`,
  });
  set(turn, { role: to, roleSince: turn.now, notices: new Map() });
  return row.effects;
};
