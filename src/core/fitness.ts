/** Whether this node may take over, and the first reason why not. */

import { verdict } from './health.js';
import { containsPosition } from './position.js';
import { recordTrouble } from './record-fault.js';
import type { NodeState } from './state.js';
import { lastServer, livePeer } from './turn.js';
import type { HoldName, Instant, Millis } from './types.js';

/** Holds that forbid taking over whoever served last. */
const OWN_HOLDS: readonly HoldName[] = [
  'maintenance',
  'quarantined',
  'stale',
  'replication',
  'loss',
  'hook',
  'promotion-failed',
  'stranger',
  'fence',
];

/** Holds that forbid moves to the other node only, where its owner has not named this one: the last owner may take its own place again. */
const MOVE_HOLDS: readonly HoldName[] = ['paused', 'flapping'];

/** How long a broken channel may be broken before a standby counts as unfit. */
export const channelPatience = (s: NodeState): Millis =>
  s.config.maxLossMs === 'any' ? 5_000 : Math.max(s.config.maxLossMs, 3 * s.config.leaseMs);

/**
 * Empty: fit. What is asked before the owner hands off to this node, and told in every BEAT.
 */
export const unfit = (s: NodeState, now: Instant): string => {
  const basic = unfitToServe(s);
  if (basic !== '') return basic;
  for (const name of OWN_HOLDS) {
    const held = s.holds.get(name);
    if (held) return `${name}: ${held.why}`;
  }
  return unfitReplica(s, now);
};

/** Health, links, database: true of any node. */
const unfitToServe = (s: NodeState): string => {
  if (s.stopping) return 'the agent is stopping';
  if (s.role === 'starting') return `the agent is starting${startsWithout(s)}`;
  if (!s.voter.record) return 'no record of earlier terms, and not all who could tell them were heard';
  const trouble = recordTrouble(s);
  if (trouble !== '') return trouble;
  const { health, cause } = verdict(s);
  if (health !== 'ok') return cause;
  const { report } = s.database;
  if (!report || report.state === 'denied' || report.state === 'full')
    return `database ${report?.state ?? 'unknown'}: ${report?.detail ?? ''}`;
  return '';
};

/** What keeps an agent from the end of its start: the database must be known to be read-only, or down. */
const startsWithout = (s: NodeState): string => {
  const { report } = s.database;
  return !report || report.state === 'ok' ? '' : `; database ${report.state}: ${report.detail}`;
};

/** As a replica of a peer that is there: stopped, broken or too far behind. */
const unfitReplica = (s: NodeState, now: Instant): string => {
  const replica = s.database.report?.replica;
  const peer = livePeer(s, now);
  const broken = brokenApplier(s);
  if (broken !== '') return broken;
  if (!peer?.owner) return '';
  if (!replica) return 'this node does not replicate from the active';
  const has = containsPosition(s.database.received, peer.position);
  const down = s.database.channelDownSince;
  if (!has && down !== null && now - down > channelPatience(s)) {
    return `the replication channel has been down for ${Math.round((now - down) / 1000)} s`;
  }
  const lag = replica.lagMs ?? 0;
  if (lag > s.config.catchUpTimeoutMs) return `replication is ${Math.round(lag / 1000)} s behind`;
  if (s.voter.record && peer.role === 'active' && s.voter.record.dataTerm < peer.term) {
    return `this node has not followed term ${peer.term} yet`;
  }
  return '';
};

/** The owner handed its term to this node, and has weighed what forbids moves. */
export const isNamed = ({ voter, config }: NodeState, now: Instant): boolean => {
  const { released, record } = voter;
  return released?.term === record?.maxTerm && released?.successor === config.self && now < released.until;
};

/** What forbids this node's candidacy now, apart from promises. `acceptLoss`: only what no word can heal. */
export const unfitToStand = (s: NodeState, now: Instant, order: boolean, acceptLoss: boolean): string => {
  const basic = unfitToServe(s);
  if (basic !== '') return basic;
  if (!order) {
    for (const name of OWN_HOLDS) if (s.holds.has(name)) return `${name}: ${s.holds.get(name)?.why ?? ''}`;
    const own = lastServer(s) === null || lastServer(s) === s.config.self;
    if (!own && !isNamed(s, now))
      for (const name of MOVE_HOLDS) if (s.holds.has(name)) return `${name}: ${s.holds.get(name)?.why ?? ''}`;
  }
  if (order && !acceptLoss) {
    for (const name of ['quarantined', 'stale', 'loss', 'replication'] as const) {
      if (s.holds.has(name)) return `${name}: ${s.holds.get(name)?.why ?? ''}`;
    }
  }
  return acceptLoss ? '' : brokenApplier(s);
};

/**
 * What was received cannot be trusted to be applied. A receiver that lost its source is no such thing: the source may be
 * dead, and what did not arrive is weighed as a loss. Whoever served last needs nothing from its channel.
 */
export const brokenApplier = (s: NodeState): string => {
  const replica = s.database.report?.replica;
  if (!replica || lastServer(s) === s.config.self) return '';
  if (replica.sql === 'stopped' && replica.error) return `replication stopped by an error: ${replica.error}`;
  return replica.filters ? 'replication filters are set: this node may lack data' : '';
};
