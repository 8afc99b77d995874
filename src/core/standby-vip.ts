/**
 * The standby VIP (protocol.md): follows the healthy, caught-up standby under a lease of its own, which the owner grants in
 * its answers to the standby's BEATs; while no standby has it, the owner holds it under its own lease.
 */

import type { Outcome } from './event.js';
import { unfit } from './fitness.js';
import type { Beat, Grant } from './message.js';
import type { NodeState, StandbyVip } from './state.js';
import {
  backOff,
  countedLease,
  fenceBudget,
  keptLease,
  resendEvery,
  STANDBY_VIP_STEADY_MS,
  VIP_OFF_RETRY_MS,
} from './timing.js';
import { cancel, journal, livePeer, noticeOnce, run, send, set, standbyVipOff, stepDone, type Turn } from './turn.js';
import type { CoreConfig, Instant, Millis, VoterRecord } from './types.js';

/** BEATs remembered that asked for a grant: a lease's worth, and some. */
const ASKS_LIMIT = 16;

/**
 * At a start it is not known what was granted, nor what the kernel of this host still lets through: both are waited for.
 * Null: none is configured, and nothing of this module has any effect.
 */
export const initialStandbyVip = (config: CoreConfig, stored: VoterRecord | null, now: Instant): StandbyVip | null => {
  if (!config.standbyVip) return null;
  const longestMs = Math.max(config.promiseMs, stored?.maxLeaseMs ?? 0);
  return {
    phase: 'off',
    since: now,
    until: Number.NEGATIVE_INFINITY,
    asks: [],
    granted: 0,
    stepId: null,
    givenUpId: null,
    shutBy: Number.NEGATIVE_INFINITY,
    offRetryAt: now,
    told: false,
    peerMayHaveUntil: now + keptFor(config, longestMs),
    eligibleSince: null,
    failures: 0,
    retryAt: now,
    unusable: '',
    why: 'the agent has just started',
  };
};

/** Whatever an earlier life of this agent left in the kernel goes first. */
export const startStandbyVip = (turn: Turn): void => {
  const { standbyVip, config } = turn.s;
  if (!standbyVip) return;
  change(turn, {
    phase: 'dropping',
    stepId: standbyVipOff(turn),
    shutBy: turn.now + keptFor(config, config.promiseMs),
  });
};

/**
 * How long the owner takes a grant for running. With `guard: address` the kernel counts an address's lifetime, which a promise
 * covers, from when the grant came: up to a lease after it was given.
 */
const keptFor = ({ leaseMs }: CoreConfig, promiseMs: Millis): Millis =>
  keptLease(promiseMs === leaseMs ? promiseMs : promiseMs + leaseMs);

const isOn = (v: StandbyVip): boolean => v.phase === 'taking' || v.phase === 'held';

/** Until when this node may let traffic through; the kernel's guard is set to it. An owner's own lease counts as well. */
export const standbyVipUntil = ({ standbyVip, owner }: NodeState): Instant =>
  standbyVip && isOn(standbyVip) ? Math.max(standbyVip.until, owner?.leaseUntil ?? Number.NEGATIVE_INFINITY) : 0;

/** Traffic may get through here: it is on, or was not surely taken off yet. */
export const mayPassStandbyVip = ({ standbyVip }: NodeState, now: Instant): boolean =>
  standbyVip !== null && (isOn(standbyVip) || (standbyVip.phase === 'dropping' && now < standbyVip.shutBy));

/** What a BEAT says: this node has it, may have it, or asks for it. Once it says no, the owner may take it at once. */
export const tellsStandbyVip = (s: NodeState, now: Instant): boolean =>
  s.standbyVip?.phase === 'asking' || mayPassStandbyVip(s, now);

/** The other node has heard something else last: a BEAT leaves at once. */
export const hasStandbyVipNews = (s: NodeState, now: Instant): boolean =>
  s.standbyVip !== null && s.standbyVip.told !== tellsStandbyVip(s, now);

/** A BEAT leaves: from a standby that says so it asks for a grant, which counts from now. */
export const noteStandbyVipBeat = (turn: Turn, beat: number): void => {
  const { standbyVip: v, owner } = turn.s;
  if (!v) return;
  const asks = !owner && (v.phase === 'asking' || isOn(v));
  change(turn, {
    told: tellsStandbyVip(turn.s, turn.now),
    asks: asks ? [...v.asks, { beat, sentAt: turn.now }].slice(-ASKS_LIMIT) : [],
  });
};

/** The standby's newest BEAT is not answered by a grant yet, and what it holds depends on one: it is resent. */
export const awaitsGrant = (s: NodeState, now: Instant): boolean => {
  const { standbyVip: v, owner, beats } = s;
  if (!v || owner || !isOn(v) || v.granted >= beats.last) return false;
  return v.asks.at(-1)?.beat === beats.last && livePeer(s, now)?.owner === true;
};

/** Compared with the clock before anything else is looked at, as the owner's lease is. */
export const checkStandbyVip = (turn: Turn): void => {
  const { standbyVip, config } = turn.s;
  if (!standbyVip || !isOn(standbyVip)) return;
  if (turn.now < standbyVipUntil(turn.s) - fenceBudget(config.leaseMs)) return;
  dropStandbyVip(turn, turn.s.owner ? 'the lease ran out' : `${config.peer} has not granted it in time`);
};

/** Shut and taken off at once; a grant that is still on its way finds nobody who waits for it. */
export const dropStandbyVip = (turn: Turn, why: string): void => {
  const { standbyVip: v, config } = turn.s;
  if (!v) return;
  if (!isOn(v)) return v.phase === 'asking' ? change(turn, { phase: 'off', asks: [], why }) : undefined;
  const until = standbyVipUntil(turn.s);
  if (v.phase === 'taking') cancel(turn, v.stepId);
  const shutBy = config.promiseMs === config.leaseMs ? until : until + config.promiseMs;
  const stepId = standbyVipOff(turn);
  change(turn, { phase: 'dropping', stepId, shutBy, asks: [], eligibleSince: null, why });
  change(turn, { until: Number.NEGATIVE_INFINITY, givenUpId: v.phase === 'taking' ? v.stepId : null });
  journal(turn, { kind: 'notice', cause: 'standby-vip', text: `gives the standby VIP up: ${why}` });
};

const take = (turn: Turn, why: string): void => {
  change(turn, { phase: 'taking', stepId: run(turn, { name: 'standby-vip-on' }), why });
  journal(turn, { kind: 'notice', cause: 'standby-vip', text: `takes the standby VIP: ${why}` });
};

/** The other node's BEAT: an ask, which its owner answers; or the word that it has nothing of it. */
export const onStandbyVipBeat = (turn: Turn, beat: Beat): void => {
  if (!turn.s.standbyVip) return;
  if (beat.standbyVip) grantTo(turn, beat);
  else change(turn, { peerMayHaveUntil: Math.min(turn.s.standbyVip.peerMayHaveUntil, turn.now) });
};

/** A node that starts may have it from its earlier life, and wants it no more than one that owns or fences. */
const asksFor = (beat: Beat): boolean => beat.standbyVip && (beat.role === 'standby' || beat.role === 'candidate');

/** Never while traffic may get through here. */
const grantTo = (turn: Turn, beat: Beat): void => {
  const { standbyVip: v, owner, config, role } = turn.s;
  if (!v || !owner || !asksFor(beat) || (role !== 'active' && role !== 'handing-off')) return;
  if (mayPassStandbyVip(turn.s, turn.now)) return;
  const until = turn.now + keptFor(config, beat.leaseMs);
  change(turn, { peerMayHaveUntil: Math.max(v.peerMayHaveUntil, until), why: `${config.peer} has it` });
  send(turn, config.peer, { kind: 'grant', beat: beat.beat, term: owner.term, leaseMs: beat.leaseMs });
};

/** Counted from when the BEAT was sent that it answers, and by our own clock. */
export const onGrant = (turn: Turn, grant: Grant): void => {
  const { standbyVip: v, owner, config } = turn.s;
  if (!v || owner || grant.leaseMs !== config.promiseMs || (v.phase !== 'asking' && !isOn(v))) return;
  const asked = v.asks.find(({ beat }) => beat === grant.beat);
  if (!asked) return;
  const until = Math.max(v.until, asked.sentAt + countedLease(config.leaseMs));
  if (turn.now >= until - fenceBudget(config.leaseMs)) return;
  const asks = v.asks.filter(({ beat }) => beat >= asked.beat);
  change(turn, { until, asks, granted: Math.max(v.granted, asked.beat) });
  if (v.phase === 'asking') take(turn, `this standby is fit, and ${config.peer} grants it`);
};

/** True when the outcome belonged to it. */
export const onStandbyVipOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { standbyVip: v } = turn.s;
  // One that ended just before it was given up says nothing any more.
  if (v?.givenUpId === id) return true;
  if (v?.stepId !== id) return false;
  if (v.phase === 'taking') onTaken(turn, v, outcome);
  else onDropped(turn, outcome);
  return true;
};

const onTaken = (turn: Turn, v: StandbyVip, outcome: Outcome): void => {
  if (outcome.ok) {
    stepDone(turn, 'standby-vip-on', v.since, outcome.detail);
    return change(turn, { phase: 'held', stepId: null, failures: 0 });
  }
  noticeOnce(turn, 'alarm', 'standby-vip-on', `the standby VIP could not be put on: ${outcome.detail}`);
  const failures = v.failures + 1;
  dropStandbyVip(turn, outcome.detail);
  change(turn, { failures, retryAt: turn.now + backOff(failures) });
};

const onDropped = (turn: Turn, outcome: Outcome): void => {
  if (!outcome.ok) {
    const what = 'the standby VIP could not be taken off, its guard is shut';
    noticeOnce(turn, 'alarm', 'standby-vip-off', `${what}: ${outcome.detail}`);
    return change(turn, { stepId: null, offRetryAt: turn.now + VIP_OFF_RETRY_MS });
  }
  change(turn, { phase: 'off', stepId: null });
  const peer = livePeer(turn.s, turn.now);
  // It has asked meanwhile; its next BEAT is up to an interval away.
  if (peer) grantTo(turn, peer);
};

/** The shell says why it cannot be had on this host; empty: it can. */
export const onStandbyVipUsable = (turn: Turn, why: string): void => {
  if (!turn.s.standbyVip || turn.s.standbyVip.unusable === why) return;
  change(turn, { unusable: why });
  journal(turn, {
    kind: why === '' ? 'notice' : 'alarm',
    cause: 'standby-vip',
    text: why === '' ? 'the standby VIP can be used again' : `the standby VIP cannot be used here: ${why}`,
  });
};

/** Everything that time or a changed state may have made due. */
export const considerStandbyVip = (turn: Turn): void => {
  const { standbyVip: v, owner } = turn.s;
  if (!v) return;
  if (v.phase === 'dropping') return takeOffAgain(turn, v);
  if (v.unusable !== '') return dropStandbyVip(turn, v.unusable);
  if (owner) considerAsOwner(turn, v);
  else considerAsStandby(turn, v);
};

const takeOffAgain = (turn: Turn, v: StandbyVip): void => {
  if (v.stepId === null && turn.now >= v.offRetryAt) change(turn, { stepId: standbyVipOff(turn) });
};

/** While no standby has it. A term that does not serve yet takes nothing, but what it held as a standby it keeps. */
const considerAsOwner = (turn: Turn, v: StandbyVip): void => {
  const { s, now } = turn;
  if (v.phase === 'asking') return change(turn, { phase: 'off', asks: [] });
  const peer = livePeer(s, now);
  const asked = peer !== null && asksFor(peer);
  if (s.role !== 'active' && s.role !== 'handing-off') return;
  if (isOn(v) && asked) return dropStandbyVip(turn, `${s.config.peer} is fit and takes it`);
  if (isOn(v) || asked || now < v.peerMayHaveUntil || now < v.retryAt) return;
  take(turn, whyNotPeer(s, now));
};

const considerAsStandby = (turn: Turn, v: StandbyVip): void => {
  const { s, now } = turn;
  const why = whyNotHere(s, now);
  const peer = livePeer(s, now);
  const serves = peer?.owner === true && (peer.role === 'active' || peer.role === 'handing-off');
  const eligibleSince = why === '' && serves ? (v.eligibleSince ?? now) : null;
  if (eligibleSince !== v.eligibleSince) change(turn, { eligibleSince });
  // What is held without an owner lasts until its lease is over, or this node is the owner.
  if (why !== '' || (v.phase === 'asking' && !serves)) dropStandbyVip(turn, why === '' ? noOwner(s) : why);
  if (v.phase !== 'off') return;
  if (eligibleSince === null) return explain(turn, why === '' ? noOwner(s) : why);
  if (now >= eligibleSince + STANDBY_VIP_STEADY_MS && now >= v.retryAt) change(turn, { phase: 'asking' });
};

const noOwner = (s: NodeState): string => `${s.config.peer} is not heard as the active, so nobody grants it`;

/** Empty: this standby may have it. */
const whyNotHere = (s: NodeState, now: Instant): string => {
  if (s.role !== 'standby' && s.role !== 'candidate') return `this node is ${s.role}`;
  // How far behind it may be for a takeover is another limit.
  const reason = unfit({ ...s, config: { ...s.config, catchUpTimeoutMs: Number.POSITIVE_INFINITY } }, now);
  if (reason !== '') return reason;
  const replica = s.database.report?.replica;
  if (replica?.sql !== 'running') return 'this node does not replicate';
  const { channelDownSince } = s.database;
  const lagMs = Math.max(replica.lagMs ?? 0, channelDownSince === null ? 0 : now - channelDownSince);
  return tooFarBehind(s, lagMs);
};

const tooFarBehind = ({ config }: NodeState, lagMs: Millis): string => {
  const limitMs = config.standbyVip?.maxLagMs ?? 0;
  if (lagMs <= limitMs) return '';
  return `replication is ${seconds(lagMs)} behind, and standby_vip.max_lag is ${seconds(limitMs)}`;
};

const seconds = (ms: Millis): string => `${(ms / 1_000).toFixed(1)} s`;

/** Why the active has it, as far as it can tell. */
const whyNotPeer = (s: NodeState, now: Instant): string => {
  const peer = livePeer(s, now);
  if (!peer) return `${s.config.peer} is not heard`;
  if (peer.unfit !== '') return `${s.config.peer} is not fit: ${peer.unfit}`;
  const behind = tooFarBehind(s, peer.lagMs);
  return behind === '' ? `${s.config.peer} does not ask for it` : `${s.config.peer}: ${behind}`;
};

/** For `status`: who has it, and why. */
export const describeStandbyVip = (
  s: NodeState,
  now: Instant,
): { readonly holder: string | null; readonly why: string } => {
  const { standbyVip: v, config, owner } = s;
  if (!v) return { holder: null, why: '' };
  if (v.phase === 'held') return { holder: config.self, why: owner ? whyNotPeer(s, now) : v.why };
  const peerHas = livePeer(s, now)?.standbyVip === true;
  return { holder: peerHas ? config.peer : null, why: v.why };
};

/** When something of it comes due. */
export const standbyVipTimes = (s: NodeState, now: Instant): readonly Instant[] => {
  const { standbyVip: v, config, beats } = s;
  if (!v) return [];
  const times = [v.retryAt, v.peerMayHaveUntil];
  if (isOn(v)) times.push(standbyVipUntil(s) - fenceBudget(config.leaseMs));
  if (v.phase === 'dropping') times.push(v.shutBy, v.offRetryAt);
  if (v.eligibleSince !== null) times.push(v.eligibleSince + STANDBY_VIP_STEADY_MS);
  if (awaitsGrant(s, now)) times.push(beats.resentAt + resendEvery(config));
  return times.filter(Number.isFinite);
};

const explain = (turn: Turn, why: string): void => {
  if (turn.s.standbyVip?.why !== why) change(turn, { why });
};

const change = (turn: Turn, patch: Partial<StandbyVip>): void => {
  const known = turn.s.standbyVip;
  if (!known) return;
  const since = patch.phase === undefined || patch.phase === known.phase ? known.since : turn.now;
  set(turn, { standbyVip: { ...known, ...patch, since } });
};
