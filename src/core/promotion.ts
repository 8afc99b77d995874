/** From an elected candidate to the active: stranger probe and catch-up, loss, hook, record, open, address (mysql.md, Promotion). */

import type { Outcome } from './event.js';
import { fence } from './fencing.js';
import { unfit } from './fitness.js';
import { beat, recordServed } from './lease.js';
import type { Verdict } from './message.js';
import { containsPosition, countMissing, mergePositions } from './position.js';
import type { NodeState, Promotion } from './state.js';
import { become, type Entry } from './table.js';
import { backOff } from './timing.js';
import { hold, journal, livePeer, reply, run, set, stepDone, type Turn, unhold } from './turn.js';
import type { HoldName, Millis, Position, Term } from './types.js';

/** Entered with a fresh term, whose lease is being renewed from now on. */
export const startPromotion = (turn: Turn, entries: readonly Entry[], verdicts: readonly Verdict[]): void => {
  if (entries.includes('beat')) beat(turn);
  const { s, now } = turn;
  const probeId = run(turn, { name: 'vip-probe' });
  const target = s.peer.release?.finalPosition ?? '';
  const catchUpId = run(turn, { name: 'database-catch-up', target: target === '' ? null : target, stop: true });
  const promotion: Promotion = {
    phase: 'prepare',
    phaseSince: now,
    startedAt: now,
    probeId,
    catchUpId,
    stepId: null,
    catchUpUntil: now + s.config.catchUpTimeoutMs,
    progress: 'applying what was received',
    lastPosition: lastKnownPosition(s, verdicts),
    lastSync: wasInSync(verdicts),
    servedBefore: newestServed(verdicts),
    lossMs: 0,
    acceptLoss: s.order?.acceptLoss ?? false,
  };
  set(turn, { promotion, applied: '' });
};

/** What any voter, the peer's BEATs or its RELEASE know of the last owner's commits. */
const lastKnownPosition = (s: NodeState, verdicts: readonly Verdict[]): Position => {
  const told = verdicts.map((v) => (v.granted ? v.lastPosition : ''));
  return [...told, s.peer.beat?.position ?? '', s.peer.release?.finalPosition ?? ''].reduce(mergePositions, '');
};

/** The newest term that served, as these voters know it. */
export const newestServed = (verdicts: readonly Verdict[]): Term => Math.max(...verdicts.map((v) => v.servedTerm));

/** In sync only if every vote of our majority that knows the newest term says so: one that says `off` may be the newer. */
export const wasInSync = (verdicts: readonly Verdict[]): boolean => {
  const newest = newestServed(verdicts);
  return verdicts.filter((v) => v.servedTerm === newest).every((v) => v.granted && v.sync);
};

/** True when the outcome belonged to the promotion. */
export const onPromotionOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { promotion } = turn.s;
  if (!promotion) return false;
  if (id === promotion.probeId) onProbed(turn, promotion, outcome);
  else if (id === promotion.catchUpId) onCaughtUp(turn, promotion, outcome);
  else if (id === promotion.stepId) onStep(turn, promotion, outcome);
  else return false;
  return true;
};

const onProbed = (turn: Turn, promotion: Promotion, outcome: Outcome): void => {
  if (!outcome.ok) return fail(turn, 'stranger', outcome.detail);
  set(turn, { promotion: { ...promotion, probeId: null } });
  prepared(turn);
};

const onCaughtUp = (turn: Turn, promotion: Promotion, outcome: Outcome): void => {
  if (!outcome.ok && !promotion.acceptLoss) return fail(turn, 'replication', outcome.detail);
  stepDone(turn, 'catch-up', promotion.phaseSince, outcome.detail);
  const position = outcome.ok ? (outcome.position ?? turn.s.database.position) : turn.s.database.position;
  const { database } = turn.s;
  set(turn, {
    promotion: { ...promotion, catchUpId: null },
    database: { ...database, position, received: mergePositions(position, database.received) },
  });
  if (weighLoss(turn, position)) prepared(turn);
};

/** Compares with what is known of the last owner, and says what would be lost before accepting it. */
const weighLoss = (turn: Turn, position: Position): boolean => {
  const { promotion, config, peer, lastOwner } = turn.s;
  if (!promotion) return false;
  if (lastOwner?.name === config.self) return true;
  // What nobody knows is not taken for nothing: some term served, and no word of its data is left.
  const unknown = promotion.lastPosition === '' && promotion.servedBefore > 0;
  const missing = unknown || (promotion.lastPosition !== '' && !containsPosition(position, promotion.lastPosition));
  if (promotion.lastSync || !missing) {
    const why = promotion.lastSync
      ? 'every acknowledged commit was received here (sync)'
      : 'every commit known of is here';
    journal(turn, { kind: 'step', cause: 'loss', text: why });
    return true;
  }
  const lossMs =
    unknown || peer.caughtUpAt === null ? Number.POSITIVE_INFINITY : Math.max(0, peer.heardAt - peer.caughtUpAt);
  const text = describeLoss(lossMs, countMissing(promotion.lastPosition, position));
  set(turn, { promotion: { ...promotion, lossMs } });
  if (config.maxLossMs === 'any' || promotion.acceptLoss || lossMs <= config.maxLossMs) {
    journal(turn, {
      kind: 'alarm',
      cause: 'loss',
      text: `${text}; accepted${promotion.acceptLoss ? ' by the operator' : ''}`,
    });
    return true;
  }
  fail(
    turn,
    'loss',
    `${text}, more than promotion.max_loss allows; start ${config.peer}, or run \`vipctl promote --accept-loss\``,
  );
  return false;
};

const describeLoss = (lossMs: Millis, transactions: number): string => {
  const time = Number.isFinite(lossMs)
    ? `the last ${Math.ceil(lossMs)} ms of the last active's commits`
    : "an unknown part of the last active's commits";
  return `${time} (at most ${transactions} transactions) did not arrive here`;
};

/** Probe and catch-up are both done: is the term still worth having, and does the gate let us through? */
const prepared = (turn: Turn): void => {
  const { s, now } = turn;
  const { promotion, config } = s;
  if (promotion?.phase !== 'prepare' || promotion.probeId !== null || promotion.catchUpId !== null) return;
  const peer = livePeer(s, now);
  const better =
    peer &&
    containsPosition(peer.position, s.database.position) &&
    !containsPosition(s.database.position, peer.position);
  if (better && peer.unfit === '' && !promotion.acceptLoss)
    return fail(turn, 'promotion-failed', `${config.peer} is back and has more data`);
  if (!config.hookPhases.includes('pre-promote')) return recordTerm(turn);
  const stepId = run(turn, {
    name: 'hook',
    phase: 'pre-promote',
    term: s.owner?.term ?? 0,
    role: 'promoting',
    reason: s.owner?.reason ?? '',
  });
  enter(turn, 'gate', 'pre-promote hooks', stepId);
};

const recordTerm = (turn: Turn): void => {
  enter(turn, 'record', 'recording the term', null);
  recordServed(turn, false);
};

/** A majority has recorded that this term serves. */
export const onTermRecorded = (turn: Turn): void => {
  const { promotion } = turn.s;
  if (promotion?.phase !== 'record') return;
  stepDone(turn, 'record', promotion.phaseSince, 'a majority recorded that this term serves');
  enter(turn, 'open', 'making the database writable', run(turn, { name: 'database-open' }));
};

const onStep = (turn: Turn, promotion: Promotion, outcome: Outcome): void => {
  const { phase } = promotion;
  if (!outcome.ok) return fail(turn, phase === 'gate' ? 'hook' : 'promotion-failed', `${phase}: ${outcome.detail}`);
  stepDone(turn, phase, promotion.phaseSince, outcome.detail);
  switch (phase) {
    case 'gate':
      return recordTerm(turn);
    case 'open':
      return enter(turn, 'address', 'taking the VIP', run(turn, { name: 'vip-on' }));
    case 'address':
      return serve(turn, promotion);
    case 'prepare':
    case 'record':
      return;
  }
};

const enter = (turn: Turn, phase: Promotion['phase'], progress: string, stepId: number | null): void => {
  const { promotion } = turn.s;
  if (promotion) set(turn, { promotion: { ...promotion, phase, phaseSince: turn.now, progress, stepId } });
};

const serve = (turn: Turn, promotion: Promotion): void => {
  const { s, now } = turn;
  const { owner, config } = s;
  if (!owner) return;
  const took = Math.round(now - promotion.startedAt);
  const entries = become(turn, 'active', 'serving', `term ${owner.term} after ${took} ms, because ${owner.reason}`);
  const planned = s.order !== null || (s.peer.release?.reason ?? '').startsWith('handed-off: switchover');
  noteOwner(turn, config.self, owner.term, planned);
  set(turn, { promotion: null, failedPromotions: 0, peer: { ...turn.s.peer, release: null } });
  for (const name of [
    'loss',
    'stale',
    'promotion-failed',
    'replication',
    'quarantined',
    'hook',
    'stranger',
    'alone',
  ] as const)
    unhold(turn, name);
  if (s.order) reply(turn, s.order.commandId, true, true, `${config.self} is active with term ${owner.term}`);
  set(turn, { order: null });
  if (entries.includes('beat')) beat(turn);
  if (entries.includes('post-promote')) afterwards(turn);
};

/** Not part of serving: a failure here is shown, not a stop. */
const afterwards = (turn: Turn): void => {
  const { owner, config } = turn.s;
  run(turn, { name: 'database-events-on' });
  if (config.hookPhases.includes('post-promote')) {
    run(turn, {
      name: 'hook',
      phase: 'post-promote',
      term: owner?.term ?? 0,
      role: 'active',
      reason: owner?.reason ?? '',
    });
  }
};

/** Remembers who serves, for cooldown, flapping and `status`. */
export const noteOwner = (turn: Turn, name: string, term: number, planned: boolean): void => {
  const { lastOwner, failovers, config } = turn.s;
  if (lastOwner?.name === name && lastOwner.term === term) return;
  const moved = lastOwner !== null && lastOwner.name !== name;
  set(turn, { lastOwner: { name, term }, lastChangeAt: turn.now });
  if (!moved || planned) return;
  const recent = [...failovers, turn.now].filter((at) => turn.now - at < config.failoverWindowMs);
  set(turn, { failovers: recent });
  if (recent.length >= config.maxFailovers) {
    hold(
      turn,
      'flapping',
      `${recent.length} unplanned moves within ${Math.round(config.failoverWindowMs / 60_000)} min; look for the cause, then run \`vipctl resume\``,
    );
  }
};

const fail = (
  turn: Turn,
  name: Extract<HoldName, 'loss' | 'hook' | 'stranger' | 'replication' | 'promotion-failed'>,
  why: string,
): void => {
  const { s } = turn;
  const failures = s.failedPromotions + 1;
  // Tried again after a growing wait: an outage may heal by itself. A loss, or data that cannot be had, waits for the operator.
  const forGood = name === 'loss' || name === 'replication';
  const wait = backOff(failures);
  set(turn, { failedPromotions: failures, retryAt: forGood ? turn.now : turn.now + wait, order: null });
  hold(turn, name, forGood ? why : `${why}; tried again in ${Math.round(wait / 1000)} s`, forGood ? null : wait);
  if (s.order) reply(turn, s.order.commandId, true, false, `not promoted: ${why}`);
  fence(turn, 'promotion-failed', why);
};

/** Progress extends the deadline of the catch-up; without progress it ends. */
export const onPromotionProgress = (turn: Turn, id: number, text: string): void => {
  const { promotion, config } = turn.s;
  if (promotion?.catchUpId === id) {
    set(turn, { promotion: { ...promotion, progress: text, catchUpUntil: turn.now + config.catchUpTimeoutMs } });
  }
};

export const tickPromotion = (turn: Turn): void => {
  const { promotion, config } = turn.s;
  if (!promotion) return;
  if (promotion.catchUpId !== null && turn.now >= promotion.catchUpUntil) {
    return fail(
      turn,
      'replication',
      `catching up made no progress for ${config.catchUpTimeoutMs} ms: ${promotion.progress}`,
    );
  }
  const basic = turn.s.database.health === 'failed' || turn.s.linksDown.length > 0;
  if (basic) fence(turn, 'unfit', unfit(turn.s, turn.now));
};
