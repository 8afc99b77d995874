/** What the other node's BEATs and RELEASEs mean to this one. */

import { stepBack } from './election.js';
import { fence } from './fencing.js';
import { handoffRefusal, onApplied, startHandoff } from './handoff.js';
import type { Beat, Release } from './message.js';
import { dropOrder } from './order.js';
import { isPlanned, noteOwner } from './owners.js';
import { mergePause } from './pause.js';
import { containsPosition } from './position.js';
import { isPairAlone, journal, reply, set, type Turn, unhold, vote } from './turn.js';
import type { HoldName, VoterName } from './types.js';
import { learnServed, onBeat, onRelease } from './voter.js';

export const onPeerBeat = (turn: Turn, beat: Beat): void => {
  const { s, now } = turn;
  const { config } = s;
  if (beat.owner && s.owner && beat.term > s.owner.term)
    fence(turn, 'higher-term', `${config.peer} owns term ${beat.term}`);
  const wasHeard = s.peer.beat !== null && now - s.peer.heardAt < config.leaseMs;
  vote(turn, onBeat(turn.s.voter, config.peer, beat, now));
  // An owner keeps its own word: the other may have served beside it in a split, which is no reason to give its place up.
  if (isPairAlone(turn.s) && turn.s.role === 'standby') vote(turn, learnServed(turn.s.voter, beat));
  remember(turn, beat);
  if (!wasHeard) for (const name of ['alone', 'isolated', 'peer-alive', 'fence'] as const) unhold(turn, name);
  if (!wasHeard) set(turn, { evidence: { ...turn.s.evidence, verdict: 'unknown' } });
  if (!wasHeard) set(turn, { retryAt: Math.min(turn.s.retryAt, now + config.intervalMs), failedElections: 0 });
  if (!wasHeard)
    journal(turn, {
      kind: 'notice',
      cause: 'peer',
      text: `${config.peer} is heard: ${beat.role}${beat.owner ? `, owner of term ${beat.term}` : ''}`,
    });
  if (beat.owner) onOwnerBeat(turn, beat);
  mergePause(turn, beat);
  answerToWish(turn, beat);
  heedWish(turn, beat);
  onApplied(turn, beat.applied);
};

const remember = (turn: Turn, beat: Beat): void => {
  const { peer, database, asleep } = turn.s;
  const asOf = asleep && turn.now < asleep.until ? asleep.from : turn.now;
  const serves = beat.owner && beat.role === 'active';
  const caughtUp = beat.owner && containsPosition(database.received, beat.position);
  // An owner's position travels on when it can no longer tell one: the last word about its data stays known.
  const position = beat.position === '' ? (peer.beat?.position ?? '') : beat.position;
  set(turn, {
    peer: {
      ...peer,
      beat: { ...beat, position },
      heardAt: turn.now,
      asOf,
      caughtUpAt: caughtUp ? asOf : peer.caughtUpAt,
      positionAsOf: beat.position === '' ? peer.positionAsOf : asOf,
      servedSeen: serves ? Math.max(peer.servedSeen, beat.term) : peer.servedSeen,
      servedSince: serves && beat.term > peer.servedSeen ? turn.now : peer.servedSince,
    },
  });
};

/** Holds of a standby that nobody could replace, or that failed to. */
const OVER_WITH_AN_OWNER = [
  'loss',
  'stale',
  'promotion-failed',
  'replication',
  'alone',
  'peer-alive',
  'isolated',
  'fence',
] as const satisfies readonly HoldName[];

const onOwnerBeat = (turn: Turn, beat: Beat): void => {
  const { s } = turn;
  const { config } = s;
  if (beat.term < (s.voter.record?.maxTerm ?? 0)) return;
  if (s.role === 'candidate') stepBack(turn, 'owner-seen', `${config.peer} owns term ${beat.term}`, 0);
  dropOrder(turn, `not needed: ${config.peer} owns term ${beat.term}; use \`vipctl switchover\``);
  set(turn, { yieldUntil: null, ...(turn.s.role === 'standby' ? { election: null } : {}) });
  if (beat.role !== 'active') return;
  const planned = s.moving?.planned === true || s.releasing.some(({ message }) => isPlanned(message.reason));
  if (s.lastOwner?.name !== config.peer || s.lastOwner.term !== beat.term) {
    noteOwner(turn, config.peer, beat.term, planned);
    journal(turn, {
      kind: 'notice',
      cause: 'owner',
      term: beat.term,
      text: ownerText(config.peer, beat),
    });
    set(turn, {
      peer: { ...turn.s.peer, release: null },
      failedPromotions: 0,
      mayBeReplaced: false,
      unheardSince: null,
      applied: '',
    });
  }
  for (const name of OVER_WITH_AN_OWNER) unhold(turn, name);
};

/** Who is active and why, for people. */
export const ownerText = (name: VoterName, { term, because }: Beat): string =>
  `${name} is active with term ${term}, because ${because}`;

/** The peer's operator asks for a move: ours to decide while we are active. */
const heedWish = (turn: Turn, beat: Beat): void => {
  const { s, now } = turn;
  const { wish } = beat;
  if (wish.id === 0 || wish.id === s.wishAnswer.id) return;
  const refusal = handoffRefusal(s, now, wish.force);
  if (refusal !== '') {
    journal(turn, {
      kind: 'refusal',
      cause: 'switchover',
      text: `no switchover, asked on ${s.config.peer}: ${refusal}`,
    });
    return set(turn, { wishAnswer: { id: wish.id, outcome: 'refused', text: refusal } });
  }
  startHandoff(turn, {
    cause: 'switchover',
    detail: `asked on ${s.config.peer}`,
    dryRun: wish.dryRun,
    force: wish.force,
    timeoutMs: wish.timeoutMs,
    commandId: 0,
    wishId: wish.id,
  });
};

const answerToWish = (turn: Turn, beat: Beat): void => {
  const { wish } = turn.s;
  if (!wish || beat.wishAnswer.id !== wish.wish.id) return;
  const { outcome, text } = beat.wishAnswer;
  if (outcome === 'none') return;
  if (outcome === 'running') {
    if (text === wish.told) return;
    set(turn, { wish: { ...wish, told: text } });
    return reply(turn, wish.commandId, false, true, text);
  }
  set(turn, { wish: null });
  reply(turn, wish.commandId, true, outcome === 'done', text);
};

export const onPeerRelease = (turn: Turn, release: Release): void => {
  const { s, now } = turn;
  const { config } = s;
  const first =
    s.peer.release?.term !== release.term &&
    release.term === s.voter.record?.maxTerm &&
    s.voter.record.holder === config.peer;
  vote(turn, onRelease(s.voter, config.peer, release, now));
  if (!first) return;
  const position =
    release.finalPosition === '' ? 'without a final position' : `final position ${release.finalPosition}`;
  journal(turn, {
    kind: 'notice',
    cause: 'released',
    term: release.term,
    text: `${config.peer} released term ${release.term}: ${release.reason}; ${position}`,
  });
  // A release of votes that led to nothing says nothing of data, and is no reason to hurry.
  if (release.reason === 'not elected') return;
  const { peer } = turn.s;
  const beat = peer.beat ? { ...peer.beat, owner: false } : null;
  set(turn, { peer: { ...peer, release, releasedAt: now, beat }, retryAt: now });
};
