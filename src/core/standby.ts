/** What a standby does with its database: stays read-only, follows the active, applies a final position. */

import type { Outcome } from './event.js';
import { isReportCurrent } from './health.js';
import { beat } from './lease.js';
import { startStandbyVip } from './standby-vip.js';
import { become } from './table.js';
import { stepBackOff } from './timing.js';
import { hold, journal, livePeer, noticeOnce, record, run, set, stepDone, type Turn, unhold } from './turn.js';

/** One database step at a time; looked at after every event. */
export const considerFollowing = (turn: Turn): void => {
  const { s, now } = turn;
  if ((s.role !== 'standby' && s.role !== 'candidate') || s.following.step !== null) return;
  if (applyFinal(turn) || now < s.following.retryAt || !isReportCurrent(s) || s.database.report?.state !== 'ok') return;
  if (s.database.report.readOnly === false) return fenceAgain(turn);
  if (isLeftByOwner(turn)) return halt(turn, '');
  followActive(turn);
};

/** Somebody made the standby writable, or the server started so. */
const fenceAgain = (turn: Turn): void => {
  journal(turn, {
    kind: 'alarm',
    cause: 'writable-standby',
    text: 'the database of this standby was found writable; making it read-only and ending its client sessions',
  });
  begin(turn, 'fence', '', run(turn, { name: 'database-fence' }));
};

/** The owner is read-only for good and waits for us: nothing else comes first. */
const applyFinal = (turn: Turn): boolean => {
  const peer = livePeer(turn.s, turn.now);
  if (!peer?.owner || peer.finalPosition === '' || peer.finalPosition === turn.s.applied) return false;
  if (turn.now < turn.s.following.retryAt) return true;
  begin(
    turn,
    'apply',
    peer.finalPosition,
    run(turn, { name: 'database-catch-up', target: peer.finalPosition, stop: false, resume: turn.s.following.halted }),
  );
  return true;
};

/** The owner's server is dead, and the owner about to release: nothing more comes from there. */
const isLeftByOwner = ({ s, now }: Turn): boolean => {
  const peer = livePeer(s, now);
  return (
    peer?.role === 'fencing' && peer.health === 'failed' && s.lastOwner?.name === s.config.peer && !s.following.halted
  );
};

const followActive = (turn: Turn): void => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  if (!peer?.owner || peer.role !== 'active' || peer.position === '') return;
  const replica = s.database.report?.replica;
  const judged = s.following.term === peer.term;
  const follows = replica !== undefined && replica.io !== 'stopped' && replica.sql === 'running';
  if (follows && judged) return noteFollowed(turn, peer.term);
  // An error of the applier is the operator's to mend; starting it again would only hide it.
  if (replica?.error !== undefined && judged && !s.holds.has('quarantined')) return;
  begin(turn, 'follow', peer.position, run(turn, { name: 'database-follow', activePosition: peer.position }));
};

/** The channel receives from the owner of this term: our data follows it from now on, and that is written down. */
const noteFollowed = (turn: Turn, term: number): void => {
  const { s } = turn;
  if (s.database.report?.replica?.io !== 'running' || s.database.at < s.peer.servedSince) return;
  unhold(turn, 'quarantined');
  if (s.voter.record && s.voter.record.dataTerm < term) record(turn, { dataTerm: term });
};

const begin = (turn: Turn, name: 'follow' | 'fence' | 'apply' | 'halt', target: string, id: number): void => {
  const { following } = turn.s;
  // Where this node follows again it was judged again.
  const halted = name === 'halt' || (following.halted && name !== 'follow');
  set(turn, { following: { ...following, halted, step: { id, name, target } } });
};

/** True when the outcome belonged to one of the standby's own steps. */
export const onFollowingOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { step } = turn.s.following;
  if (step?.id !== id) return false;
  const failures = outcome.ok ? 0 : turn.s.following.failures + 1;
  const retryAt = outcome.ok ? turn.now : turn.now + stepBackOff(failures);
  set(turn, { following: { ...turn.s.following, step: null, retryAt, failures } });
  if (turn.s.role === 'starting') finishStarting(turn, outcome);
  else if (step.name === 'apply') onAppliedHere(turn, step.target, outcome);
  else if (step.name === 'follow') onFollowed(turn, outcome);
  else tell(turn, step.name === 'fence' ? 'database-fence' : 'stop-receiver', outcome);
  return true;
};

/** Who was connected while it was writable may have written: it stands in the detail of a fence. */
const tell = (turn: Turn, cause: 'database-fence' | 'stop-receiver', outcome: Outcome): void => {
  if (outcome.ok) journal(turn, { kind: 'step', cause, text: outcome.detail });
  else noticeOnce(turn, 'alarm', cause, outcome.detail);
};

const onAppliedHere = (turn: Turn, target: string, outcome: Outcome): void => {
  if (!outcome.ok)
    return noticeOnce(turn, 'alarm', 'apply', `the final position could not be applied: ${outcome.detail}`);
  set(turn, { applied: target });
  journal(turn, { kind: 'step', cause: 'apply', text: `applied the final position ${target}` });
  beat(turn); // the owner waits for this word
  halt(turn, target);
};

/**
 * Stopping a receiver takes about as long as the owner needs to take its VIP off. What it commits all the same is named by its
 * RELEASE, and fetched then; should it serve on, the receiver is started again. `target`: what was applied before; empty: its
 * server is dead.
 */
const halt = (turn: Turn, target: string): void =>
  begin(turn, 'halt', target, run(turn, { name: 'database-stop-receiver' }));

const onFollowed = (turn: Turn, outcome: Outcome): void => {
  const { config } = turn.s;
  if (outcome.ok) {
    unhold(turn, 'quarantined');
    set(turn, { following: { ...turn.s.following, term: livePeer(turn.s, turn.now)?.term ?? 0 } });
    return journal(turn, { kind: 'step', cause: 'follow', text: `replicates from ${config.peer}: ${outcome.detail}` });
  }
  if (outcome.detail.startsWith(DIVERGED)) {
    hold(
      turn,
      'quarantined',
      `this node has transactions that ${config.peer} has not: ${outcome.detail.slice(DIVERGED.length)}; they are kept, and it does not replicate until they are merged or discarded`,
    );
    return;
  }
  noticeOnce(turn, 'alarm', 'follow', `cannot replicate from ${config.peer}: ${outcome.detail}`);
};

/** How the database step `database-follow` begins its detail when this server has something of its own. */
export const DIVERGED = 'diverged: ';

/** At the start: VIP off and database read-only, whatever was before. */
export const startFencing = (turn: Turn): void => {
  turn.effects.push({ type: 'vip-off', id: 0 });
  startStandbyVip(turn);
  begin(turn, 'fence', '', run(turn, { name: 'database-fence' }));
};

const finishStarting = (turn: Turn, outcome: Outcome): void => {
  if (!outcome.ok) {
    noticeOnce(turn, 'alarm', 'starting', `the database is not known to be read-only: ${outcome.detail}`);
    return;
  }
  stepDone(turn, 'start', turn.s.startedAt, outcome.detail);
  const entries = become(turn, 'standby', 'fenced', outcome.detail);
  if (entries.includes('beat')) beat(turn);
};

export const tickStarting = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.role !== 'starting' || s.following.step !== null || now < s.following.retryAt) return;
  begin(turn, 'fence', '', run(turn, { name: 'database-fence' }));
};
