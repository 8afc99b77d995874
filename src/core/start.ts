/** A node at its start: nothing is known of anybody, and nothing held. */

import { applyMaintenance } from './commands.js';
import { initialChecks, initialDatabase } from './health.js';
import { beat } from './lease.js';
import { restorePause } from './pause.js';
import { startFencing } from './standby.js';
import { initialStandbyVip } from './standby-vip.js';
import type { NodeState } from './state.js';
import type { Stepped } from './step.js';
import { set, type Turn } from './turn.js';
import type { CoreConfig, Instant, VoterName, VoterRecord } from './types.js';
import { createVoter } from './voter.js';

/** A node as it starts: VIP off and database read-only before anything else; listens before it asks. */
export const startNode = (config: CoreConfig, stored: VoterRecord | null, now: Instant): Stepped => {
  const turn: Turn = { s: initialState(config, stored, now), now, effects: [] };
  const last = stored?.holder ?? null;
  if (stored && last !== null && stored.servedTerm === stored.maxTerm && stored.servedTerm > 0) {
    set(turn, { lastOwner: { name: last, term: stored.servedTerm } });
  }
  restorePause(turn);
  if (stored?.maintenance) applyMaintenance(turn, true);
  startFencing(turn);
  beat(turn);
  return { state: turn.s, effects: turn.effects };
};

const initialState = (config: CoreConfig, stored: VoterRecord | null, now: Instant): NodeState => {
  const voters = 2 + config.witnesses.length;
  const others = voters - (Math.floor(voters / 2) + 1) + 1;
  const nodes = [config.self, config.peer];
  // So many others that every majority that may have chosen an owner is among them.
  const quorumToLearn = (heard: ReadonlySet<VoterName>): boolean => heard.has(config.peer) && heard.size >= others;
  return {
    config,
    role: 'starting',
    roleSince: now,
    startedAt: now,
    voter: createVoter({ name: config.self, nodes, record: stored, quorumToLearn }, now),
    nextId: 1,
    beats: { last: 0, sentAt: now, resentAt: now },
    peer: {
      beat: null,
      heardAt: Number.NEGATIVE_INFINITY,
      asOf: Number.NEGATIVE_INFINITY,
      caughtUpAt: null,
      positionAsOf: Number.NEGATIVE_INFINITY,
      servedSeen: 0,
      servedSince: now,
      release: null,
      releasedAt: now,
    },
    witnessHeard: new Map(),
    database: { ...initialDatabase, at: now },
    checks: initialChecks(config, now),
    linksDown: [],
    holds: new Map(),
    pauseUntil: null,
    recordFault: null,
    unanswered: [],
    owner: null,
    election: null,
    promotion: null,
    handoff: null,
    fencing: null,
    releasing: [],
    following: { term: 0, failures: 0, step: null, halted: false, retryAt: now },
    moving: null,
    yieldUntil: null,
    retryAt: now,
    failedPromotions: 0,
    failedElections: 0,
    askedTerm: 0,
    order: null,
    failovers: [],
    lastChangeAt: null,
    lastOwner: null,
    wish: null,
    wishAnswer: { id: 0, outcome: 'none', text: '' },
    stopping: null,
    evidence: {
      stepId: null,
      askedAt: now,
      fencePeer: true,
      reachableSince: Number.NEGATIVE_INFINITY,
      verdict: 'unknown',
      position: '',
      detail: '',
      at: Number.NEGATIVE_INFINITY,
    },
    mayBeReplaced: false,
    unheardSince: null,
    peerFence: { stepId: null, startedAt: now, last: null },
    standbyVip: initialStandbyVip(config, stored, now),
    notices: new Map(),
    stalls: { count: 0, longestMs: 0 },
    asleep: null,
    witnessPollAt: Number.NEGATIVE_INFINITY,
    applied: '',
  };
};
