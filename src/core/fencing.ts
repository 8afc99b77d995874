/** Giving up: VIP off first, then the database read-only, then RELEASE (protocol.md, Fencing). */

import type { Outcome } from './event.js';
import { beat } from './lease.js';
import type { Release } from './message.js';
import { giveUpPeerFence } from './peer-fence.js';
import { SERVED, startRelease } from './release.js';
import { leavesRoom } from './stale.js';
import { dropStandbyVip, mayPassStandbyVip } from './standby-vip.js';
import type { Fencing, NodeState, Promotion } from './state.js';
import { become, type Cause } from './table.js';
import { FINAL_POSITION_WAIT_MS, STEP_RETRY_MS, VIP_OFF_RETRY_MS } from './timing.js';
import {
  cancel,
  knownTerm,
  livePeer,
  noticeOnce,
  record,
  reply,
  run,
  set,
  stepDone,
  type Turn,
  vipOff,
} from './turn.js';
import type { Position } from './types.js';

/** Every way into `fencing`. Nothing is waited for before the VIP goes. */
export const fence = (turn: Turn, cause: Cause, detail: string, finalPosition: Position = ''): void => {
  const { s } = turn;
  const term = knownTerm(s);
  const entries = become(turn, 'fencing', cause, detail);
  const begunFrom = turn.effects.length;
  const vipOffId = vipOff(turn);
  dropStandbyVip(turn, `this node is fencing: ${cause}`);
  cancel(turn, s.promotion?.stepId ?? null);
  cancel(turn, s.promotion?.catchUpId ?? null);
  cancel(turn, s.promotion?.salvageId ?? null);
  giveUpPeerFence(turn);
  if (s.handoff && cause !== 'handed-off') cancel(turn, s.handoff.stepId);
  cancel(turn, s.owner?.semiSyncStep ?? null);
  cancel(turn, s.owner?.reverseStep ?? null);
  cancel(turn, s.owner?.reopenStep ?? null);
  const databaseId = entries.includes('fence-database') ? run(turn, { name: 'database-fence' }) : null;
  // A planned move fences once more: a privileged client may have committed after the final position was read.
  const unopened = s.promotion !== null && s.promotion.phase !== 'address';
  const gone = s.database.health === 'failed' || unopened;
  const fencing: Fencing = {
    vipOffId,
    vipOffRetryAt: null,
    vipStayed: false,
    databaseId,
    startedAt: turn.now,
    finalPosition,
    // A position is worth a short wait where the database lives; nothing is, where it does not.
    releaseBy: turn.now + (gone ? 0 : FINAL_POSITION_WAIT_MS),
    released: false,
    successor: successorAfter(turn, cause),
    reason: detail === '' ? cause : `${cause}: ${detail}`,
    databaseRetryAt: null,
    term,
    goBack: neverServed(s) ?? SERVED,
    unopened: s.promotion !== null && s.promotion.openedAt === '',
    openedAt: s.promotion?.openedAt ?? '',
  };
  tellAskers(turn, cause, detail);
  // The operator's word was for this promotion only: without it the data is what it was.
  if (s.promotion?.acceptLoss) record(turn, { dataTerm: s.promotion.dataTermBefore });
  const mayBeReplaced = s.mayBeReplaced || leavesRoom(s);
  set(turn, { owner: null, promotion: null, handoff: null, order: null, fencing, mayBeReplaced });
  // The standby can leave a dead server and look for strangers while the VIP goes off.
  if (entries.includes('beat')) beatAhead(turn, begunFrom);
  runDemoteHook(turn, cause);
};

/** Before what was begun since `from`: taking the VIP off holds up whatever is sent behind it. */
const beatAhead = (turn: Turn, from: number): void => {
  const begun = turn.effects.splice(from);
  beat(turn);
  turn.effects.push(...begun);
};

/** Whoever asked for a move or a promotion that ends here is told so. */
const tellAskers = (turn: Turn, cause: Cause, detail: string): void => {
  const { handoff, order } = turn.s;
  const text = `not finished: ${cause}${detail === '' ? '' : `: ${detail}`}; see \`vipctl status\``;
  if (order) reply(turn, order.commandId, true, false, text);
  if (!handoff || cause === 'handed-off') return;
  reply(turn, handoff.commandId, true, false, text);
  if (handoff.wishId !== 0) set(turn, { wishAnswer: { id: handoff.wishId, outcome: 'undone', text } });
};

/** The term was not yet asked to be recorded as serving. */
const isUnrecorded = (phase: Promotion['phase']): boolean =>
  phase === 'prepare' || phase === 'fence' || phase === 'gate';

/** A promotion that recorded its term and failed before clients could reach it served nobody. */
const neverServed = (s: NodeState): Pick<Release, 'unserved' | 'servedTerm' | 'sync'> | null => {
  const { promotion } = s;
  if (!promotion || isUnrecorded(promotion.phase)) return null;
  return { unserved: true, servedTerm: promotion.servedBefore, sync: promotion.lastSync };
};

const SUCCEEDED_BY_PEER: readonly Cause[] = ['handed-off', 'database-failed', 'link-down', 'made-read-only'];

/** The peer is named where it is known to be there, so that nobody else steps in between. */
const successorAfter = (turn: Turn, cause: Cause): string => {
  const peer = livePeer(turn.s, turn.now);
  const forPeer = SUCCEEDED_BY_PEER.includes(cause);
  return forPeer && peer?.unfit === '' ? turn.s.config.peer : '';
};

const runDemoteHook = (turn: Turn, cause: Cause): void => {
  // After a fault the hook runs beside: nothing may wait for it. A planned move ran it before.
  if (cause === 'handed-off' || !turn.s.config.hookPhases.includes('pre-demote')) return;
  run(turn, { name: 'hook', phase: 'pre-demote', term: knownTerm(turn.s), role: 'fencing', reason: cause });
};

/** True when the outcome belonged to the fencing. */
export const onFencingOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { fencing } = turn.s;
  if (!fencing) return false;
  if (id === fencing.vipOffId) onVipOff(turn, fencing, outcome);
  else if (id === fencing.databaseId) onDatabaseFenced(turn, fencing, outcome);
  else return false;
  advance(turn);
  return true;
};

const onVipOff = (turn: Turn, fencing: Fencing, outcome: Outcome): void => {
  if (outcome.ok) {
    stepDone(turn, 'vip-off', fencing.startedAt, outcome.detail);
    set(turn, { fencing: { ...fencing, vipOffId: null } });
    if (fencing.vipStayed) fenceDatabaseAgain(turn);
    return;
  }
  noticeOnce(turn, 'alarm', 'vip-off', `the VIP could not be taken off: ${outcome.detail}`);
  set(turn, { fencing: { ...fencing, vipStayed: true, vipOffRetryAt: turn.now + VIP_OFF_RETRY_MS } });
};

/** A hand may have opened the database while the VIP stayed: the position that was read then is not the final one. */
const fenceDatabaseAgain = (turn: Turn): void => {
  const { fencing, database } = turn.s;
  if (!fencing) return;
  cancel(turn, fencing.databaseId);
  const databaseId = run(turn, { name: 'database-fence' });
  const releaseBy = turn.now + (database.health === 'failed' ? 0 : FINAL_POSITION_WAIT_MS);
  set(turn, { fencing: { ...fencing, databaseId, databaseRetryAt: null, finalPosition: '', releaseBy } });
};

const onDatabaseFenced = (turn: Turn, fencing: Fencing, outcome: Outcome): void => {
  if (outcome.ok) {
    stepDone(turn, 'database-fence', fencing.startedAt, outcome.detail);
    const finalPosition = outcome.position ?? fencing.finalPosition;
    return set(turn, { fencing: { ...fencing, databaseId: null, finalPosition, releaseBy: turn.now } });
  }
  noticeOnce(turn, 'alarm', 'database-fence', `the database is not known to be read-only: ${outcome.detail}`);
  set(turn, {
    fencing: { ...fencing, databaseId: null, databaseRetryAt: turn.now + STEP_RETRY_MS, releaseBy: turn.now },
  });
};

/** Releases once the VIP is off; done once the database is fenced too. */
const advance = (turn: Turn): void => {
  const { fencing } = turn.s;
  if (!fencing || fencing.vipOffId !== null) return;
  if (mayPassStandbyVip(turn.s, turn.now)) return;
  if (!fencing.released && (turn.now >= fencing.releaseBy || fencing.databaseId === null)) release(turn, fencing);
  const now = turn.s.fencing;
  if (!now?.released || now.databaseId !== null || now.databaseRetryAt !== null) return;
  set(turn, { fencing: null, retryAt: Math.max(turn.s.retryAt, turn.now + turn.s.config.intervalMs) });
  become(turn, 'standby', 'fenced');
  if (turn.s.config.hookPhases.includes('post-demote')) {
    run(turn, { name: 'hook', phase: 'post-demote', term: now.term, role: 'standby', reason: now.reason });
  }
};

const release = (turn: Turn, fencing: Fencing): void => {
  set(turn, { fencing: { ...fencing, released: true } });
  const { term, successor, reason, unopened, openedAt } = fencing;
  // It was writable for a moment, with no VIP: it served nobody if nothing was committed.
  const touched = openedAt !== '' && fencing.finalPosition !== openedAt;
  // Where the data of a node ends that never served says nothing of the last that did, which the voters remember.
  const finalPosition = unopened || (openedAt !== '' && !touched) ? '' : fencing.finalPosition;
  const goBack = touched ? SERVED : fencing.goBack;
  startRelease(turn, { kind: 'release', term, finalPosition, successor, reason, ...goBack });
};

export const tickFencing = (turn: Turn): void => {
  const { fencing } = turn.s;
  if (!fencing) return;
  if (fencing.vipOffRetryAt !== null && turn.now >= fencing.vipOffRetryAt)
    set(turn, { fencing: { ...fencing, vipOffId: vipOff(turn), vipOffRetryAt: null } });
  if (fencing.databaseRetryAt !== null && turn.now >= fencing.databaseRetryAt) {
    const databaseId = run(turn, { name: 'database-fence' });
    set(turn, { fencing: { ...(turn.s.fencing ?? fencing), databaseId, databaseRetryAt: null } });
  }
  advance(turn);
};
