/** From an elected candidate to the active: stranger probe and catch-up, loss, hook, record, open, address (mysql.md, Promotion). */

import type { Outcome } from './event.js';
import { noteReleasedCommits } from './evidence.js';
import { fence } from './fencing.js';
import { unfit } from './fitness.js';
import { beat, recordServed } from './lease.js';
import { finalPositionOf, lastKnownPosition, lastRelease, newestServed, wasInSync, weigh } from './loss.js';
import type { Verdict } from './message.js';
import { isPlanned, noteOwner } from './owners.js';
import { mayStillHold, startPeerFence } from './peer-fence.js';
import { isAhead, mergePositions } from './position.js';
import type { Promotion } from './state.js';
import { become, type Entry } from './table.js';
import { backOff, PROGRESS_EVERY_MS, RECORD_WITHIN_MS } from './timing.js';
import { cancel, hold, journal, livePeer, reply, run, set, stepDone, type Turn, unhold } from './turn.js';
import type { HoldName, Position } from './types.js';

/** Entered with a fresh term, whose lease is being renewed from now on. */
export const startPromotion = (turn: Turn, entries: readonly Entry[], verdicts: readonly Verdict[]): void => {
  if (entries.includes('beat')) beat(turn);
  const { s, now } = turn;
  // A step that waits for the old source would stand before ours; one that stops the receiver is half of ours.
  if (s.following.step?.name !== 'halt') cancel(turn, s.following.step?.id ?? null);
  // Nor may one that shuts the peer's server for seconds keep the gateways from being asked, by which we live now.
  cancel(turn, s.evidence.stepId);
  set(turn, { following: { ...s.following, step: null }, evidence: { ...s.evidence, stepId: null } });
  const probeId = run(turn, { name: 'vip-probe' });
  const servedBefore = newestServed(verdicts);
  const target = finalPositionOf(s, servedBefore);
  const catchUpId = run(turn, {
    name: 'database-catch-up',
    target: target === '' ? null : target,
    stop: true,
    resume: s.following.halted,
  });
  // Who chose itself alone has its own record only: the last owner may have gone on, and recorded otherwise.
  const chosen = verdicts.length > 1;
  const promotion: Promotion = {
    phase: 'prepare',
    phaseSince: now,
    startedAt: now,
    probeId,
    catchUpId,
    stepId: null,
    catchUpUntil: now + s.config.catchUpTimeoutMs,
    progress: 'applying what was received',
    toldAt: now,
    lastPosition: lastKnownPosition(s, verdicts),
    lastSync: chosen && wasInSync(verdicts),
    lastPositionTold: chosen && verdicts.every((v) => v.granted && v.lastPosition !== ''),
    shutAt: '',
    servedBefore,
    lossMs: null,
    salvageId: null,
    salvage: 'none',
    salvageProblem: '',
    channelGivenUp: false,
    dataTermBefore: s.voter.record?.dataTerm ?? 0,
    acceptLoss: s.order?.acceptLoss ?? false,
    openedAt: '',
  };
  set(turn, { promotion, applied: '' });
};

/** True when the outcome belonged to the promotion. */
export const onPromotionOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { promotion } = turn.s;
  if (!promotion) return false;
  if (id === promotion.probeId) onProbed(turn, promotion, outcome);
  else if (id === promotion.catchUpId) onCaughtUp(turn, promotion, outcome);
  else if (id === promotion.salvageId) onSalvaged(turn, promotion, outcome);
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
  const { database } = turn.s;
  if (!outcome.ok && !promotion.acceptLoss) return fail(turn, 'replication', outcome.detail, isApplierBroken(turn));
  if (!outcome.ok && !promotion.channelGivenUp) return giveUpChannel(turn, promotion, outcome.detail);
  if (!outcome.ok) return fail(turn, 'promotion-failed', outcome.detail);
  stepDone(turn, 'catch-up', promotion.phaseSince, outcome.detail);
  const position = outcome.position ?? database.position;
  const received = mergePositions(position, database.received);
  const shutAt = outcome.shutAt ?? '';
  if (shutAt !== '') noteReleasedCommits(turn);
  set(turn, { promotion: { ...promotion, catchUpId: null, shutAt }, database: { ...database, position, received } });
  if (worthSalvaging(turn)) return startSalvage(turn, position);
  weighLoss(turn, position);
};

/** The operator accepted it: what was received is not applied, and nothing more may come in beside new clients. */
const giveUpChannel = (turn: Turn, promotion: Promotion, why: string): void => {
  cancel(turn, promotion.catchUpId);
  journal(turn, { kind: 'alarm', cause: 'catch-up', text: `given up, as the operator accepts the loss: ${why}` });
  const catchUpId = run(turn, { name: 'database-stop-channel' });
  set(turn, { promotion: { ...promotion, catchUpId, channelGivenUp: true } });
};

/** The last active's server is dead and its agent answers: what did not arrive is in its binary logs. */
const worthSalvaging = (turn: Turn): boolean => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  const release = lastRelease(s, s.promotion?.servedBefore ?? 0);
  // Its RELEASE is quicker than the BEAT that tells of its health.
  const dead = peer?.health === 'failed' || (release?.reason ?? '').startsWith('database-failed');
  const handed = (release?.finalPosition ?? '') !== '';
  return s.config.salvage && peer !== null && dead && s.lastOwner?.name === s.config.peer && !handed;
};

const startSalvage = (turn: Turn, have: Position): void => {
  const { promotion } = turn.s;
  if (!promotion) return;
  const salvageId = run(turn, { name: 'salvage', have });
  const progress = "asking for what is left in the dead server's binary logs";
  set(turn, {
    promotion: { ...promotion, salvageId, progress, catchUpUntil: turn.now + turn.s.config.catchUpTimeoutMs },
  });
};

const onSalvaged = (turn: Turn, promotion: Promotion, outcome: Outcome): void => {
  const { database } = turn.s;
  const position = outcome.ok ? (outcome.position ?? database.position) : database.position;
  if (outcome.ok) stepDone(turn, 'salvage', promotion.phaseSince, outcome.detail);
  else journal(turn, { kind: 'alarm', cause: 'salvage', text: `not all could be had: ${outcome.detail}` });
  const received = mergePositions(position, database.received);
  set(turn, {
    promotion: {
      ...promotion,
      salvageId: null,
      salvage: outcome.ok ? 'done' : 'failed',
      salvageProblem: outcome.ok ? '' : outcome.detail,
    },
    database: { ...database, position, received },
  });
  weighLoss(turn, position);
};

/** Says what would be lost before accepting it, and accepts no more than configured. */
const weighLoss = (turn: Turn, position: Position): void => {
  const { promotion, config } = turn.s;
  if (!promotion) return;
  const { lossMs, text } = weigh(turn.s, promotion, position, turn.now);
  set(turn, { promotion: { ...promotion, lossMs } });
  if (lossMs === 0) journal(turn, { kind: 'step', cause: 'loss', text });
  else if (promotion.acceptLoss) announceLoss(turn, `${text}; accepted by the operator`);
  else if (config.maxLossMs === 'any' || lossMs <= config.maxLossMs)
    announceLoss(turn, `${text}; accepted (promotion.max_loss)`);
  else {
    const { salvageProblem } = promotion;
    const mend = salvageProblem === '' ? '' : `${salvageProblem}; mend that and run \`vipctl resume\`, `;
    const remedy = `${mend}start ${config.peer}, or run \`vipctl promote --accept-loss\``;
    return fail(turn, 'loss', `${text}, more than promotion.max_loss allows; ${remedy}`, true);
  }
  prepared(turn);
};

/** Whoever asked for the promotion reads it before it is done. */
const announceLoss = (turn: Turn, text: string): void => {
  journal(turn, { kind: 'alarm', cause: 'loss', text });
  if (turn.s.order) reply(turn, turn.s.order.commandId, false, true, text);
};

/** Only the operator can mend it; anything else may pass by itself. */
const isApplierBroken = (turn: Turn): boolean => {
  const replica = turn.s.database.report?.replica;
  return replica?.sql === 'stopped' && replica.error !== undefined;
};

/** Nobody else answers for the VIP, and the loss is weighed: is the term still worth having, and does the gate let us through? */
const prepared = (turn: Turn): void => {
  const { s, now } = turn;
  const { promotion, config } = s;
  if (promotion?.phase !== 'prepare' || promotion.probeId !== null || promotion.lossMs === null) return;
  const peer = livePeer(s, now);
  // A BEAT from before its RELEASE tells of an owner that was well.
  const isBack = s.peer.release === null || s.peer.heardAt > s.peer.releasedAt;
  const better = isBack && peer && isAhead(peer.position, s.database.position);
  if (better && peer.unfit === '' && !promotion.acceptLoss)
    return fail(turn, 'promotion-failed', `${config.peer} is back and has more data`);
  fenceFirst(turn, promotion);
};

/** All else is ready: nothing is cut off for a promotion that comes to nothing. */
const fenceFirst = (turn: Turn, promotion: Promotion): void => {
  const { s, now } = turn;
  const { fence: command, peer } = s.config;
  if (!command || !mayStillHold(s, promotion.servedBefore, now)) return openGate(turn);
  const stepId = startPeerFence(turn, command.timeoutMs);
  if (!command.required) return openGate(turn);
  if (s.order) reply(turn, s.order.commandId, false, true, `cutting off ${peer} first`);
  enter(turn, 'fence', `cutting off ${peer}`, stepId);
};

/** An operator who says `promote` answers for the peer: a power controller may have died together with its host. */
const onPeerFenced = (turn: Turn, outcome: Outcome): void => {
  const { order, config } = turn.s;
  if (outcome.ok) return openGate(turn);
  const why = `${config.peer} could not be cut off: ${outcome.detail}`;
  if (!order) return fail(turn, 'fence', `${why}; see that it is off, then run \`vipctl promote\``);
  journal(turn, {
    kind: 'notice',
    cause: 'promote',
    text: `going on although ${config.peer} is not cut off, as asked`,
  });
  reply(turn, order.commandId, false, true, `${why}; going on, as you asked for it`);
  openGate(turn);
};

const openGate = (turn: Turn): void => {
  const { s } = turn;
  if (!s.config.hookPhases.includes('pre-promote')) return recordTerm(turn);
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
  if (phase === 'fence') return onPeerFenced(turn, outcome);
  if (!outcome.ok) return fail(turn, phase === 'gate' ? 'hook' : 'promotion-failed', `${phase}: ${outcome.detail}`);
  stepDone(turn, phase, promotion.phaseSince, outcome.detail);
  switch (phase) {
    case 'gate':
      return recordTerm(turn);
    case 'open':
      set(turn, { promotion: { ...promotion, openedAt: outcome.position ?? turn.s.database.position } });
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
  const planned = s.order !== null || isPlanned(lastRelease(s, promotion.servedBefore)?.reason ?? '');
  noteOwner(turn, config.self, owner.term, planned);
  set(turn, {
    promotion: null,
    failedPromotions: 0,
    mayBeReplaced: false,
    unheardSince: null,
    peer: { ...turn.s.peer, release: null },
  });
  for (const name of [
    'loss',
    'stale',
    'promotion-failed',
    'replication',
    'quarantined',
    'hook',
    'stranger',
    'alone',
    'isolated',
    'peer-alive',
    'fence',
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

type Failure = Extract<HoldName, 'fence' | 'loss' | 'hook' | 'stranger' | 'replication' | 'promotion-failed'>;

/** `forGood`: waits for the operator; anything else is tried again after a growing wait, since an outage may heal by itself. */
const fail = (turn: Turn, name: Failure, why: string, forGood = false): void => {
  const { s } = turn;
  const failures = s.failedPromotions + 1;
  const wait = backOff(failures);
  set(turn, { failedPromotions: failures, retryAt: forGood ? turn.now : turn.now + wait, order: null });
  hold(turn, name, forGood ? why : `${why}; tried again in ${Math.round(wait / 1000)} s`, forGood ? null : wait);
  if (s.order) reply(turn, s.order.commandId, true, false, `not promoted: ${why}`);
  fence(turn, 'promotion-failed', why);
};

/** Progress extends the deadline of the catch-up; without progress it ends. */
export const onPromotionProgress = (turn: Turn, id: number, text: string): void => {
  const { promotion, config } = turn.s;
  if (promotion && (promotion.catchUpId === id || promotion.salvageId === id)) {
    const { s, now } = turn;
    const tells = s.order !== null && now - promotion.toldAt >= PROGRESS_EVERY_MS;
    if (tells) reply(turn, s.order.commandId, false, true, text);
    const toldAt = tells ? now : promotion.toldAt;
    set(turn, { promotion: { ...promotion, progress: text, toldAt, catchUpUntil: now + config.catchUpTimeoutMs } });
  }
};

export const tickPromotion = (turn: Turn): void => {
  const { promotion } = turn.s;
  if (!promotion) return;
  if (promotion.phase === 'fence' && turn.s.peerFence.stepId === null) {
    set(turn, { promotion: { ...promotion, phase: 'prepare', stepId: null } });
    return prepared(turn); // the peer is back: it may have more than we have
  }
  const waiting = promotion.catchUpId !== null || promotion.salvageId !== null;
  if (waiting && turn.now >= promotion.catchUpUntil) return onStalled(turn, promotion);
  if (promotion.phase === 'record' && turn.now - promotion.phaseSince >= RECORD_WITHIN_MS)
    return fail(
      turn,
      'promotion-failed',
      `no majority has recorded the term within ${RECORD_WITHIN_MS / 1_000} s; is a disk full, or very slow?`,
    );
  const broken = turn.s.database.health === 'failed' || turn.s.linksDown.length > 0;
  if (broken) fence(turn, 'unfit', unfit(turn.s, turn.now));
};

const onStalled = (turn: Turn, promotion: Promotion): void => {
  const why = `no progress for ${turn.s.config.catchUpTimeoutMs} ms: ${promotion.progress}`;
  if (promotion.salvageId !== null) {
    cancel(turn, promotion.salvageId);
    return onSalvaged(turn, promotion, { ok: false, detail: why });
  }
  if (promotion.acceptLoss && !promotion.channelGivenUp) return giveUpChannel(turn, promotion, why);
  fail(turn, 'replication', `catching up made ${why}`, true);
};
