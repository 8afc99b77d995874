/** How a standby comes to own a term: POLL?, only with a majority behind it VOTE?, and its own vote last. */

import { isTakenForDead } from './evidence.js';
import { verdict } from './health.js';
import { newOwnership } from './lease.js';
import { mayHaveServedSince, newestServed, wasInSync } from './loss.js';
import type { PollAnswer, Verdict, VoteAnswer } from './message.js';
import { dropOrder } from './order.js';
import { startPromotion } from './promotion.js';
import { releaseUnserved, SERVED, startRelease } from './release.js';
import { holdIfBehind, isBlind } from './stale.js';
import type { Election, NodeState } from './state.js';
import { become, type Cause } from './table.js';
import { countedLease, ELECTION_INTERVALS, fenceBudget, YIELD_INTERVALS } from './timing.js';
import { isPairAlone, majority, noticeOnce, peerHeard, remoteVoters, send, set, type Turn, vote } from './turn.js';
import type { Millis, Opening, Term, VoterName } from './types.js';
import { judge, onVote } from './voter.js';

/** A poll has no effect on anybody, so the role stays `standby` until a majority would grant the term. */
export const startElection = (turn: Turn, opening: Opening): void => {
  const { voter, askedTerm } = turn.s;
  poll(turn, termAbove(turn.s, Math.max(voter.record?.maxTerm ?? 0, askedTerm)), opening);
};

/** Nodes of a pair without a witness may each elect itself: one takes odd terms and the other even ones, so none has two owners. */
const termAbove = (s: NodeState, known: Term): Term => {
  const isOurs = (known + 1) % 2 === (s.config.self < s.config.peer ? 1 : 0);
  return !isPairAlone(s) || isOurs ? known + 1 : known + 2;
};

const poll = (turn: Turn, term: number, reason: Opening): void => {
  const { now } = turn;
  set(turn, {
    election: {
      phase: 'polling',
      term,
      startedAt: now,
      voteSentAt: now,
      askedAt: now,
      answers: new Map(),
      askAgain: new Map(),
      servedTerm: turn.s.election?.servedTerm ?? 0,
      reason,
    },
  });
  ask(turn);
  count(turn);
};

const claim = (s: NodeState, term: number) => {
  // The operator's `--accept-loss` makes this node's data the data: it answers for the last term that served.
  const dataTerm = s.voter.record?.dataTerm ?? 0;
  return {
    term,
    dataTerm: s.order?.acceptLoss
      ? Math.max(dataTerm, s.voter.record?.servedTerm ?? 0, s.election?.servedTerm ?? 0)
      : dataTerm,
    leaseMs: s.config.promiseMs,
  };
};

const ask = (turn: Turn): void => {
  const { election } = turn.s;
  if (!election) return;
  set(turn, { election: { ...election, askedAt: turn.now } });
  const body = claim(turn.s, election.term);
  for (const voter of remoteVoters(turn.s)) {
    if (election.answers.has(voter)) continue;
    if (election.phase === 'polling') send(turn, voter, { kind: 'poll?', ...body });
    if (election.phase === 'voting') send(turn, voter, { kind: 'vote?', ...body });
  }
};

export const onElectionAnswer = (turn: Turn, from: VoterName, answer: PollAnswer | VoteAnswer): void => {
  const { election, config } = turn.s;
  if (!election || answer.term !== election.term) return;
  if (answer.kind === 'vote' && from === config.self) return onOwnVote(turn, answer.verdict);
  const phase = answer.kind === 'poll' ? 'polling' : 'voting';
  if (phase !== election.phase) return;
  const { verdict } = answer;
  // Terms passed that this node did not hear of: begin anew above them, whoever else is silent.
  if (!verdict.granted && verdict.why === 'old-term' && phase === 'polling' && verdict.maxTerm >= election.term) {
    return poll(turn, termAbove(turn.s, verdict.maxTerm), election.reason);
  }
  if (!verdict.granted && verdict.why === 'data-behind') releaseUnserved(turn, verdict);
  const answers = new Map(election.answers).set(from, verdict);
  const askAgain = new Map(election.askAgain);
  // A promise that is about to run out is no reason to begin anew: that voter is asked again then.
  const overruled = !verdict.granted && verdict.why === 'data-behind' && turn.s.order?.acceptLoss === true;
  if (!verdict.granted && (verdict.leftMs > 0 || overruled)) askAgain.set(from, turn.now + verdict.leftMs);
  else askAgain.delete(from);
  const servedTerm = Math.max(election.servedTerm, verdict.servedTerm);
  set(turn, { election: { ...election, answers, askAgain, servedTerm } });
  count(turn);
};

const needed = (s: NodeState, now: number): number =>
  isPairAlone(s) && (isTakenForDead(s, now) || (s.order !== null && !peerHeard(s, now))) ? 1 : majority(s);

const count = (turn: Turn): void => {
  const { s, now } = turn;
  const { election } = s;
  if (!election || election.phase === 'own-vote') return;
  const answers = [...election.answers.values()];
  const granted = answers.filter((a) => a.granted).length;
  if (granted + 1 >= needed(s, now)) return election.phase === 'polling' ? askVotes(turn) : voteForSelf(turn);
  const open = remoteVoters(s).length - answers.length + election.askAgain.size;
  if (granted + open + 1 < needed(s, now)) loseElection(turn, answers);
};

const askVotes = (turn: Turn): void => {
  const { s, now } = turn;
  const { election, config } = s;
  if (!election) return;
  const own = judge(s.voter, config.self, claim(s, election.term), now);
  if (!own.granted) return loseElection(turn, [own]);
  const verdicts = [...election.answers.values(), own];
  // A voter that was there when the standby was lost knows better than our own record.
  if (isBlind(turn, newestServed(verdicts), wasInSync(verdicts)))
    return stepBack(turn, 'refused', 'stale', s.config.leaseMs);
  const entries = become(turn, 'candidate', election.reason, `asking for term ${election.term}`);
  const voting = {
    ...election,
    phase: 'voting',
    startedAt: now,
    voteSentAt: now,
    answers: new Map(),
    askAgain: new Map(),
  } as const;
  set(turn, { election: voting, askedTerm: election.term });
  if (entries.includes('ask-votes')) ask(turn);
  count(turn);
};

const voteForSelf = (turn: Turn): void => {
  const { s, now } = turn;
  const { election, config } = s;
  if (!election) return;
  // Asked before the own vote takes the place of the one that the peer had.
  const unheardSince = election.answers.get(config.peer)?.granted ? null : mayHaveServedSince(s);
  set(turn, { election: { ...election, phase: 'own-vote' }, unheardSince });
  vote(turn, onVote(s.voter, config.self, { kind: 'vote?', ...claim(s, election.term) }, now));
};

/** The own vote is on disk, or could not be written. */
const onOwnVote = (turn: Turn, own: Verdict): void => {
  const { election, config } = turn.s;
  if (!election) return;
  if (!own.granted) {
    withdraw(turn, election.term);
    return stepBack(turn, 'disk', own.why, 10 * config.intervalMs);
  }
  // While the disk was slow our promise to ourselves may have run out, and our vote gone to another.
  const { record } = turn.s.voter;
  if (record?.maxTerm !== election.term || record.holder !== config.self) {
    withdraw(turn, election.term);
    return stepBack(turn, 'owner-seen', `term ${record?.maxTerm ?? 0} has begun meanwhile`, config.intervalMs);
  }
  const leaseUntil = election.voteSentAt + countedLease(config.leaseMs);
  if (turn.now >= leaseUntil - fenceBudget(config.leaseMs)) {
    withdraw(turn, election.term);
    return stepBack(turn, 'unanswered', 'the votes came too late for their lease', config.intervalMs);
  }
  const entries = become(turn, 'promoting', 'elected', `term ${election.term}`);
  set(turn, {
    election: null,
    owner: newOwnership(election.term, leaseUntil, election.reason),
    yieldUntil: null,
    failedElections: 0,
  });
  startPromotion(turn, entries, [...election.answers.values(), own]);
};

/** Refusals tell what to do: ask for a higher term, wait out a promise, or hold. */
const loseElection = (turn: Turn, answers: readonly Verdict[]): void => {
  const { election, config } = turn.s;
  if (!election) return;
  const refusals = answers.filter((a) => !a.granted);
  if (election.phase === 'voting') withdraw(turn, election.term);
  holdIfBehind(turn, refusals);
  const left = Math.max(0, ...refusals.map((r) => r.leftMs));
  const why = refusals.map((r) => `${r.why}${r.holder === '' ? '' : ` (held by ${r.holder})`}`).join(', ');
  stepBack(turn, 'refused', why, left > 0 ? left : YIELD_INTERVALS * config.intervalMs);
};

/** Votes already granted for a term that will not be used are given back. */
const withdraw = (turn: Turn, term: number): void => {
  startRelease(turn, { kind: 'release', term, finalPosition: '', successor: '', reason: 'not elected', ...SERVED });
};

export const stepBack = (
  turn: Turn,
  cause: Extract<Cause, 'refused' | 'unanswered' | 'owner-seen' | 'unfit' | 'disk'>,
  detail: string,
  waitMs: Millis,
): void => {
  if (turn.s.role === 'candidate') become(turn, 'standby', cause, detail);
  else
    noticeOnce(
      turn,
      'refusal',
      cause,
      `nobody owns the VIP as far as this node hears, and it cannot take over: ${detail}`,
    );
  const failedElections = cause === 'owner-seen' ? 0 : turn.s.failedElections + 1;
  set(turn, { election: null, retryAt: turn.now + waitMs, failedElections });
  dropOrder(turn, `not done: ${cause}: ${detail}`);
};

const describe = (voter: VoterName, election: Election): string => {
  const verdict = election.answers.get(voter);
  return verdict && !verdict.granted
    ? `${voter} (${verdict.why}${verdict.holder === '' ? '' : ` to ${verdict.holder}`})`
    : `${voter} (silent)`;
};

/** Asks again those who have not answered; gives up in time. */
export const tickElection = (turn: Turn): void => {
  const { election, config } = turn.s;
  if (!election) return;
  if (turn.s.role === 'candidate' && verdict(turn.s).health === 'failed') {
    withdraw(turn, election.term);
    return stepBack(turn, 'unfit', verdict(turn.s).cause, config.intervalMs);
  }
  askThoseDue(turn, election);
  const limit = Math.max(config.leaseMs, ELECTION_INTERVALS * config.intervalMs);
  if (turn.now - election.startedAt >= limit) {
    const without = remoteVoters(turn.s).filter((voter) => election.answers.get(voter)?.granted !== true);
    if (election.phase !== 'polling') withdraw(turn, election.term);
    holdIfBehind(turn, [...election.answers.values()]);
    const left = Math.max(0, ...[...election.answers.values()].map((v) => (v.granted ? 0 : v.leftMs)));
    // The names differ, so two nodes that failed together do not ask together again.
    const backOff = config.intervalMs * (config.self < config.peer ? 1 : 2) * 2 ** Math.min(turn.s.failedElections, 5);
    // Whoever keeps a promise to another tells how long: were that one to die, waiting longer is waiting for nothing.
    const wait = left > 0 ? Math.min(left, backOff) : backOff;
    return stepBack(
      turn,
      'unanswered',
      `no vote from ${without.map((voter) => describe(voter, election)).join(', ') || 'the disk'}`,
      wait,
    );
  }
  if (turn.now - election.askedAt >= config.intervalMs / 2) ask(turn);
};

/** Voters whose promise to another has run out by now. */
const askThoseDue = (turn: Turn, election: Election): void => {
  const due = [...election.askAgain].filter(([, at]) => turn.now >= at).map(([voter]) => voter);
  if (due.length === 0) return;
  const answers = new Map([...election.answers].filter(([voter]) => !due.includes(voter)));
  const askAgain = new Map([...election.askAgain].filter(([voter]) => !due.includes(voter)));
  set(turn, { election: { ...election, answers, askAgain } });
  ask(turn);
};
