/** What an active does besides renewing its lease: judges itself, keeps semi-sync and the reverse channel right. */

import type { Outcome } from './event.js';
import { fence } from './fencing.js';
import { handoffRefusal, startHandoff, undo } from './handoff.js';
import { isReportCurrent, verdict } from './health.js';
import { recordServed } from './lease.js';
import { containsPosition } from './position.js';
import { holdReplaced } from './stale.js';
import type { NodeState, Ownership } from './state.js';
import { countedLease, STEP_RETRY_MS } from './timing.js';
import { hold, isPairAlone, journal, livePeer, noticeOnce, run, set, type Turn, unhold } from './turn.js';
import type { Position } from './types.js';

/** A failed active hands off if and only if the standby is fit; else it keeps what it has and says so. */
export const considerHandoff = (turn: Turn): void => {
  const { s, now } = turn;
  const judged = verdict(s);
  if (s.role === 'handing-off') {
    if (judged.by === 'database' && s.handoff?.phase !== 'undoing') fence(turn, 'database-failed', judged.cause);
    else if (judged.by === 'link') fence(turn, 'link-down', judged.cause);
    else if (isOpenedAgain(s)) undo(turn, 'another hand made the database writable');
    return;
  }
  if (s.role !== 'active') return unhold(turn, 'cooldown');
  const readOnly =
    isReportCurrent(s) &&
    s.database.report?.state === 'ok' &&
    s.database.report.readOnly === true &&
    s.owner?.served === true &&
    !s.handoff;
  if (readOnly && s.owner && s.owner.wentDownAt !== null && !isPairAlone(s))
    return reopen(turn, s.owner, s.owner.wentDownAt);
  const cause = readOnly ? 'another hand made the database read-only' : judged.cause;
  if (readOnly && isPairAlone(s)) return giveWay(turn);
  const slow = judged.by === 'check' || readOnly;
  if (!slow) unhold(turn, 'cooldown');
  if (judged.health !== 'failed' && !readOnly) return;
  const why = whyKept(turn);
  if (why !== '') return noticeOnce(turn, 'refusal', 'keeps', `failed (${cause}), but keeps the VIP: ${why}`);
  if (slow && isCoolingDown(turn, readOnly ? cause : 'a health check fails')) return;
  if (judged.by === 'database') fence(turn, 'database-failed', cause);
  else if (judged.by === 'link') fence(turn, 'link-down', cause);
  else if (!s.handoff) {
    const request = {
      cause: 'check-failed',
      detail: cause,
      dryRun: false,
      force: true,
      timeoutMs: 0,
      commandId: 0,
      wishId: 0,
    } as const;
    startHandoff(turn, request);
  } else if (now >= s.handoff.until) undo(turn, cause);
};

/** Clients commit beyond the position that the standby is to apply, which is the final one no more. */
const isOpenedAgain = (s: NodeState): boolean =>
  s.handoff?.phase === 'applying' &&
  isReportCurrent(s) &&
  s.database.report?.state === 'ok' &&
  s.database.report.readOnly === false;

/** Before anything that a server does once it is back: that it was gone. */
export const noteServerDown = (turn: Turn): void => {
  const { owner, database } = turn.s;
  if (!owner?.served) return;
  const { state, readOnly } = database.report ?? {};
  const isDown = state === 'down' || state === 'shutting-down';
  // One report may have been under way when it died.
  const isOpen = state === 'ok' && readOnly === false && database.successes >= 2;
  if (owner.wentDownAt === null ? !isDown : !isOpen) return;
  set(turn, { owner: { ...owner, wentDownAt: isDown ? database.position : null } });
};

/**
 * Kept for want of a standby that could take over, and its service has started it again: this node's lease is live, so nobody
 * else has opened. Not without semi-sync, with which the server does not come back, while `sync` is on record.
 */
const reopen = (turn: Turn, owner: Ownership, wentDownAt: Position): void => {
  const { s, now } = turn;
  const unguarded = owner.sync && s.database.report?.semiSync !== true;
  if (unguarded || owner.recording || owner.reopenStep !== null || now < owner.stepRetryAt) return;
  if (!containsPosition(s.database.position, wentDownAt)) {
    const why = `it came back at ${s.database.position}, without all that it had committed at ${wentDownAt}`;
    return noticeOnce(turn, 'alarm', 'reopen', `the database stays read-only: ${why}`);
  }
  set(turn, { owner: { ...owner, reopenStep: run(turn, { name: 'database-open' }) } });
};

/** The peer may have done it and taken over unheard: then its data goes on, and ours is not to be opened against it. */
const giveWay = (turn: Turn): void => {
  const { s, now } = turn;
  const { peer } = s.config;
  if (!livePeer(s, now)) holdReplaced(turn, `another hand made the database read-only while ${peer} was not heard`);
  fence(turn, 'made-read-only', '');
};

/** What a script says may wait; a dead database or link does not. */
const isCoolingDown = (turn: Turn, cause: string): boolean => {
  const { lastChangeAt, config } = turn.s;
  const leftMs = (lastChangeAt ?? Number.NEGATIVE_INFINITY) + config.cooldownMs - turn.now;
  if (leftMs <= 0) return false;
  const until = `until ${Math.round(config.cooldownMs / 1_000)} s after the last move`;
  hold(turn, 'cooldown', `${cause}, but the VIP stays ${until} (moves.cooldown)`, leftMs);
  return true;
};

const whyKept = ({ s, now }: Turn): string => handoffRefusal({ ...s, handoff: null }, now, false);

/** Semi-sync follows the standby: `off` is recorded before it is switched off, `on` after it was switched on. */
export const considerSemiSync = (turn: Turn): void => {
  const { s } = turn;
  const { owner, config } = s;
  if (
    s.role !== 'active' ||
    config.semiSync !== 'manage' ||
    !owner?.served ||
    owner.recording ||
    owner.semiSyncStep !== null
  )
    return;
  const inForce = s.database.report?.semiSync;
  if (!isReportCurrent(s) || s.database.report?.state !== 'ok' || inForce === undefined) return;
  const wanted = standbyAttached(turn);
  const shared = wanted && isShared(turn);
  if (owner.sync && (!wanted || !inForce || shared)) return recordServed(turn, false);
  if ((!inForce || shared) && owner.syncFrom !== '') set(turn, { owner: { ...owner, syncFrom: '' } });
  if (!owner.sync && wanted && inForce && !shared) return recordSyncOnceCaughtUp(turn, owner);
  if (!wanted || inForce) noteAttached(turn, '');
  if (wanted === inForce || turn.now < owner.stepRetryAt) return;
  if (wanted ? receivesAnew(turn) : isOutlived(turn)) switchSemiSync(turn, wanted);
};

/**
 * A silent standby may as well be this node's own isolation: the commits that wait for it are let go only once the lease was
 * renewed after it had fallen silent. Else they would be acknowledged in the last moments of a term.
 */
const isOutlived = ({ s, now }: Turn): boolean => {
  const { leaseMs } = s.config;
  const renewedAt = (s.owner?.leaseUntil ?? 0) - countedLease(leaseMs);
  return livePeer(s, now) !== null || renewedAt >= s.peer.heardAt + leaseMs;
};

/** Of several servers that acknowledge the quickest does: that the standby has a commit nobody can say. */
const isShared = (turn: Turn): boolean => {
  const replicas = turn.s.database.report?.semiSyncReplicas ?? 0;
  if (replicas <= 1) return false;
  const remedy = 'switch rpl_semi_sync_*_enabled off on all others than the standby';
  noticeOnce(
    turn,
    'alarm',
    'sync',
    `${replicas} servers acknowledge commits, so none counts as received here: ${remedy}`,
  );
  return true;
};

/**
 * Attached is not yet receiving: where its host died, the server may go on serving the connection that died with it, and
 * neither serve the new one nor end the old one for as long as TCP tries. Nothing would be acknowledged meanwhile.
 */
const receivesAnew = (turn: Turn): boolean => {
  const { s, now } = turn;
  const attachedAt = s.owner?.attachedAt ?? '';
  if (attachedAt === '') noteAttached(turn, s.database.position);
  const peer = livePeer(s, now);
  return peer !== null && containsPosition(peer.position, attachedAt);
};

const noteAttached = (turn: Turn, attachedAt: Position): void => {
  const { owner } = turn.s;
  if (owner && owner.attachedAt !== attachedAt) set(turn, { owner: { ...owner, attachedAt } });
};

/** What was committed before semi-sync came into force waited for nobody: the standby must be seen to have it. */
const recordSyncOnceCaughtUp = (turn: Turn, owner: Ownership): void => {
  const { s, now } = turn;
  if (owner.syncFrom === '') return set(turn, { owner: { ...owner, syncFrom: s.database.position } });
  const peer = livePeer(s, now);
  if (peer && containsPosition(peer.position, owner.syncFrom)) recordServed(turn, true);
};

const switchSemiSync = (turn: Turn, on: boolean): void => {
  const { owner } = turn.s;
  if (owner) set(turn, { owner: { ...owner, semiSyncStep: run(turn, { name: 'database-semi-sync', on }) } });
};

/** The standby is heard, replicates and is not far behind; while in sync, it is attached. */
const standbyAttached = (turn: Turn): boolean => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  if (!peer?.replicating || peer.role !== 'standby') return false;
  const clients = s.database.report?.semiSyncReplicas ?? 0;
  if (clients === 0) return false;
  if (s.database.report?.semiSync) return true;
  return peer.lagMs >= 0 && peer.lagMs < 1_000;
};

/** The standby was judged clean and follows us: its channel may be followed in turn. What a quarantined one has may not come here. */
export const considerReverse = (turn: Turn): void => {
  const { s, now } = turn;
  const { owner } = s;
  if (s.role !== 'active' || !owner?.served || owner.reverseStep !== null || now < owner.stepRetryAt || s.handoff)
    return;
  if (!isReportCurrent(s) || s.database.report?.state !== 'ok') return;
  const peer = livePeer(s, now);
  const { io } = s.database.report.replica ?? {};
  if (io !== undefined && io !== 'stopped' && peer?.holds.includes('quarantined'))
    return set(turn, { owner: { ...owner, reverseStep: run(turn, { name: 'database-stop-channel' }) } });
  if (io !== 'stopped' || peer?.role !== 'standby' || !peer.replicating || peer.lagMs < 0) return;
  if (peer.dataTerm !== owner.term || !containsPosition(s.database.position, peer.position)) return;
  set(turn, { owner: { ...owner, reverseStep: run(turn, { name: 'database-open-reverse' }) } });
};

/** True when the outcome belonged to one of the active's own steps. */
export const onActiveOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { owner } = turn.s;
  if (owner && id === owner.semiSyncStep)
    set(turn, { owner: { ...owner, semiSyncStep: null, stepRetryAt: later(turn, outcome) } });
  else if (owner && id === owner.reverseStep)
    set(turn, { owner: { ...owner, reverseStep: null, stepRetryAt: later(turn, outcome) } });
  else if (owner && id === owner.reopenStep) onReopened(turn, owner, outcome);
  else return false;
  const what = whatOf(owner, id);
  if (outcome.ok) journal(turn, { kind: 'step', cause: what, text: `${what}: ${outcome.detail}` });
  else noticeOnce(turn, 'alarm', what, `${what}: ${outcome.detail}`);
  return true;
};

const whatOf = (owner: Ownership, id: number): string => {
  if (id === owner.reopenStep) return 'reopen';
  return id === owner.semiSyncStep ? 'semi-sync' : 'reverse-channel';
};

const onReopened = (turn: Turn, owner: Ownership, outcome: Outcome): void => {
  set(turn, {
    owner: {
      ...owner,
      reopenStep: null,
      wentDownAt: outcome.ok ? null : owner.wentDownAt,
      stepRetryAt: later(turn, outcome),
    },
  });
  if (outcome.ok) run(turn, { name: 'database-events-on' });
};

const later = (turn: Turn, outcome: Outcome): number =>
  outcome.ok ? (turn.s.owner?.stepRetryAt ?? 0) : turn.now + STEP_RETRY_MS;
