/** How a standby comes to own a term: when it may ask, POLL?, and only with a majority behind it VOTE?, its own vote last. */

import type { Evidence } from './event.js';
import { unfit, unfitToStand } from './fitness.js';
import { verdict } from './health.js';
import { newOwnership } from './lease.js';
import { newestServed, wasInSync } from './loss.js';
import type { PollAnswer, Verdict, VoteAnswer } from './message.js';
import { containsPosition } from './position.js';
import { startPromotion } from './promotion.js';
import { SERVED, startRelease } from './release.js';
import type { Election, NodeState } from './state.js';
import { become, type Cause } from './table.js';
import { countedLease, ELECTION_INTERVALS, EVIDENCE_EVERY_MS, keptLease, YIELD_INTERVALS } from './timing.js';
import {
  hold,
  isPairAlone,
  journal,
  livePeer,
  majority,
  noticeOnce,
  peerHeard,
  remoteVoters,
  reply,
  run,
  send,
  set,
  type Turn,
  unhold,
  vote,
} from './turn.js';
import type { Millis, Term, VoterName } from './types.js';
import { judge, makeRecord, onVote } from './voter.js';

type Opening = Extract<Cause, 'promise-ran-out' | 'released' | 'no-owner' | 'ordered'>;

/** Looks whether this standby should stand for election now, and says once why not. */
export const considerCandidacy = (turn: Turn): void => {
  const { s, now } = turn;
  if (s.role !== 'standby' || s.stopping || now < s.retryAt) return;
  if (s.election && !findOpening(s, now)) set(turn, { election: null });
  if (turn.s.election) return;
  if (s.order && !s.voter.record) vote(turn, makeRecord(s.voter, now)); // the operator's word stands for what cannot be heard
  const opening = findOpening(turn.s, now);
  if (!opening) return;
  const { record } = turn.s.voter;
  endStale(turn);
  if (isBlind(turn, record?.servedTerm ?? 0, record?.sync ?? false) || isYielding(turn, opening)) return;
  const why = unfitToStand(turn.s, s.order !== null, s.order?.acceptLoss ?? false);
  if (why !== '') return refuse(turn, why);
  if (lacksEvidence(turn, opening)) return;
  startElection(turn, opening);
};

const refuse = (turn: Turn, why: string): void => {
  noticeOnce(turn, 'refusal', 'not-a-candidate', `nobody owns the VIP, and this node does not take over: ${why}`);
  dropOrder(turn, `refused: ${why}`);
};

/** Answers the operator's `promote` in the negative. */
export const dropOrder = (turn: Turn, text: string): void => {
  const { order } = turn.s;
  if (!order) return;
  set(turn, { order: null });
  reply(turn, order.commandId, true, false, text);
};

/** Standby 1: our own promise has run out, or its holder released it. */
const findOpening = (s: NodeState, now: number): Opening | null => {
  const { voter } = s;
  if (!voter.record || now < voter.muteUntil || now < s.startedAt + keptLease(s.config.leaseMs)) return null;
  const released = voter.released?.term === voter.record.maxTerm ? voter.released : null;
  if (released) {
    const named = released.successor === '' || released.successor === s.config.self || now >= released.until;
    return named ? 'released' : null;
  }
  if (livePeer(s, now)?.owner) return null;
  if (now < voter.promiseUntil) return null;
  if (s.order) return 'ordered';
  return voter.record.holder === null || !s.lastOwner ? 'no-owner' : 'promise-ran-out';
};

/**
 * Starting up: the peer is not heard, and what it may have committed since is not known here. `sync` and `servedTerm` as
 * the newest record has them that could be read: our own at first, then those of the voters that would grant the term.
 */
const isBlind = (turn: Turn, servedTerm: Term, sync: boolean): boolean => {
  const { s, now } = turn;
  const { record } = s.voter;
  if (!record || s.order?.acceptLoss || peerHeard(s, now) || servedTerm === 0) return false;
  const servedLast = record.holder === s.config.self && record.maxTerm === servedTerm;
  const followed = s.peer.servedSeen >= servedTerm;
  if (record.dataTerm >= servedTerm && (servedLast || followed || sync)) return false;
  const lacking =
    record.dataTerm < servedTerm
      ? `term ${servedTerm} served last, and this node's data is of term ${record.dataTerm}`
      : `replication was not in sync when term ${servedTerm} served, and its owner is not heard`;
  hold(turn, 'stale', `${lacking}; start ${s.config.peer}, or run \`vipctl promote --accept-loss\``);
  dropOrder(turn, `refused: stale: ${lacking}`);
  return true;
};

/** The peer is back, and this node has all that it has: what was not known is known now. */
const endStale = (turn: Turn): void => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  const { record } = s.voter;
  if (!s.holds.has('stale') || !peer || !record || record.dataTerm < Math.max(record.servedTerm, peer.servedTerm))
    return;
  if (containsPosition(s.database.received, peer.position)) unhold(turn, 'stale');
};

/** Standby 2: of two candidates the better data goes first, then dataTerm, priority, name; the other waits a little. */
const isYielding = (turn: Turn, opening: Opening): boolean => {
  const { s, now } = turn;
  const peer = livePeer(s, now);
  const named = opening === 'released' && s.voter.released?.successor === s.config.self;
  if (!peer || s.order || named || peer.unfit !== '' || unfit(s, now) !== '') return false;
  if (comesFirst(s, peer)) return false;
  if (s.yieldUntil === null) {
    set(turn, { yieldUntil: now + YIELD_INTERVALS * s.config.intervalMs });
    noticeOnce(
      turn,
      'notice',
      'yield',
      `${s.config.peer} comes first, having the better data or priority; waiting for it`,
    );
    return true;
  }
  return now < s.yieldUntil;
};

const comesFirst = (s: NodeState, peer: NonNullable<NodeState['peer']['beat']>): boolean => {
  const own = s.database.received;
  const has = containsPosition(own, peer.position);
  const lacks = containsPosition(peer.position, own);
  if (has !== lacks) return has;
  const dataTerm = s.voter.record?.dataTerm ?? 0;
  if (dataTerm !== peer.dataTerm) return dataTerm > peer.dataTerm;
  if (s.config.priority !== peer.priority) return s.config.priority > peer.priority;
  return s.config.self < s.config.peer;
};

/** Two nodes without a witness: silence alone proves nothing. */
const lacksEvidence = (turn: Turn, _opening: Opening): boolean => {
  const { s, now } = turn;
  if (!isPairAlone(s) || peerHeard(s, now) || s.order) return false;
  if (s.peer.beat === null) {
    hold(turn, 'alone', `${s.config.peer} has not been heard since this agent started, and there is no witness to ask`);
    return true;
  }
  const { evidence } = s;
  if (evidence.verdict === 'peer-dead' && now - evidence.at < s.config.leaseMs) return false;
  if (evidence.stepId === null && now - evidence.at >= EVIDENCE_EVERY_MS) {
    const stepId = run(turn, { name: 'gather-evidence', fencePeer: true });
    set(turn, { evidence: { ...evidence, stepId, askedAt: now } });
  }
  return true;
};

/** A poll has no effect on anybody, so the role stays `standby` until a majority would grant the term. */
const startElection = (turn: Turn, opening: Opening): void => {
  const { voter, askedTerm } = turn.s;
  poll(turn, Math.max(voter.record?.maxTerm ?? 0, askedTerm) + 1, opening);
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
    return poll(turn, verdict.maxTerm + 1, election.reason);
  }
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
  isPairAlone(s) && !peerHeard(s, now) && (s.evidence.verdict === 'peer-dead' || s.order !== null) ? 1 : majority(s);

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
  set(turn, { election: { ...election, phase: 'own-vote' } });
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
  const entries = become(turn, 'promoting', 'elected', `term ${election.term}`);
  const leaseUntil = election.voteSentAt + countedLease(config.leaseMs);
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

/** The last term that served is newer than our data: only its owner's return, or the operator, helps. */
const holdIfBehind = (turn: Turn, answers: readonly Verdict[]): void => {
  const behind = answers.find((a) => !a.granted && a.why === 'data-behind');
  if (!behind) return;
  const own = turn.s.voter.record?.dataTerm ?? 0;
  const remedy = `start ${turn.s.config.peer}, or run \`vipctl promote --accept-loss\``;
  hold(turn, 'stale', `term ${behind.servedTerm} served last, and this node's data is of term ${own}; ${remedy}`);
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
    // The names differ, so two nodes that failed together do not ask together again.
    const wait = config.intervalMs * (config.self < config.peer ? 1 : 2) * 2 ** Math.min(turn.s.failedElections, 5);
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

export const onEvidence = (turn: Turn, evidence: Evidence): void => {
  const { s, now } = turn;
  const { peer } = s.config;
  const base = { ...s.evidence, detail: evidence.detail, at: now };
  if (evidence.gateways === 'silent') {
    set(turn, { evidence: { ...base, verdict: 'isolated' } });
    if (s.role === 'standby')
      hold(turn, 'isolated', `neither ${peer} nor a gateway answers: it is this node that is cut off`);
    return;
  }
  unhold(turn, 'isolated');
  if (evidence.peerDatabase === 'refuses') {
    set(turn, { evidence: { ...base, verdict: 'peer-alive' } });
    const why = `the agent of ${peer} is silent, but its database answers and is not known to be read-only`;
    return hold(turn, 'peer-alive', `${why}: ${evidence.detail}`);
  }
  unhold(turn, 'peer-alive');
  set(turn, { evidence: { ...base, verdict: 'peer-dead' } });
  journal(turn, { kind: 'notice', cause: 'evidence', text: `${peer} is taken for dead: ${evidence.detail}` });
};
