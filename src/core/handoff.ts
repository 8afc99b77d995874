/** A planned move by the active: pre-flight, read-only, final position, applied by the standby, VIP off; undone until RELEASE. */

import type { Outcome } from './event.js';
import { fence } from './fencing.js';
import { beat } from './lease.js';
import { holdReplaced } from './stale.js';
import type { Handoff, NodeState } from './state.js';
import { become } from './table.js';
import { HANDOFF_DEADLINE_MS } from './timing.js';
import { cancel, isPairAlone, journal, livePeer, reply, run, set, stepDone, type Turn } from './turn.js';
import type { Position } from './types.js';

export interface HandoffRequest {
  readonly cause: Handoff['cause'];
  readonly detail: string;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly timeoutMs: number;
  /** 0: nobody waits. */
  readonly commandId: number;
  /** The peer's wish; 0: not from there. */
  readonly wishId: number;
}

/** Why a planned move cannot begin; empty: it can. `force`: also where only an operator may move anything. */
export const handoffRefusal = (s: NodeState, now: number, force: boolean): string => {
  if (s.role !== 'active') return `${s.config.self} is ${s.role}, not active`;
  if (s.handoff) return 'a move is under way already';
  const peer = livePeer(s, now);
  if (!peer) return `${s.config.peer} is not heard`;
  if (peer.unfit !== '') return `${s.config.peer} is not fit: ${peer.unfit}`;
  if (force) return '';
  if (s.holds.has('paused')) return 'the group is paused; run `vipctl resume` first';
  const flapping = s.holds.get('flapping');
  return flapping ? `flapping: ${flapping.why}` : '';
};

/** The pre-flight changes nothing, so the role stays `active` while it runs. */
export const startHandoff = (turn: Turn, request: HandoffRequest): void => {
  const { now } = turn;
  const stepId = run(turn, { name: 'database-preflight' });
  const handoff: Handoff = {
    phase: 'preflight',
    cause: request.cause,
    dryRun: request.dryRun,
    stepId,
    startedAt: now,
    phaseSince: now,
    until: now + (request.timeoutMs > 0 ? request.timeoutMs : HANDOFF_DEADLINE_MS),
    force: request.force,
    timeoutMs: request.timeoutMs > 0 ? request.timeoutMs : HANDOFF_DEADLINE_MS,
    finalPosition: '',
    demotedAt: null,
    reason: request.detail === '' ? request.cause : `${request.cause}: ${request.detail}`,
    commandId: request.commandId,
    wishId: request.wishId,
    why: '',
  };
  set(turn, { handoff });
  tellStep(turn, handoff, `pre-flight: ${turn.s.config.self} -> ${turn.s.config.peer}`);
};

const answerWish = (turn: Turn, id: number, outcome: 'running' | 'done' | 'refused' | 'undone', text: string): void => {
  if (id !== 0) set(turn, { wishAnswer: { id, outcome, text } });
};

/** Tells whoever asked, here or on the standby: there a step that a BEAT comes too late for goes under in the next. */
const tellStep = (turn: Turn, handoff: Handoff, text: string, there = text): void => {
  answerWish(turn, handoff.wishId, 'running', there);
  reply(turn, handoff.commandId, false, true, text);
};

/** Tells whoever asked; the last word on a move. */
const conclude = (turn: Turn, handoff: Handoff, outcome: 'done' | 'refused' | 'undone', text: string): void => {
  answerWish(turn, handoff.wishId, outcome, text);
  reply(turn, handoff.commandId, true, outcome === 'done', text);
};

/** True when the outcome belonged to the handoff. */
export const onHandoffOutcome = (turn: Turn, id: number, outcome: Outcome): boolean => {
  const { handoff } = turn.s;
  if (!handoff || id !== handoff.stepId) return false;
  switch (handoff.phase) {
    case 'preflight':
      onPreflight(turn, handoff, outcome);
      return true;
    case 'pre-demote':
      if (!outcome.ok) journal(turn, { kind: 'alarm', cause: 'hook', text: `pre-demote: ${outcome.detail}` });
      demote(turn, handoff);
      return true;
    case 'demoting':
      onDemoted(turn, handoff, outcome);
      return true;
    case 'undoing':
      onUndone(turn, handoff, outcome);
      return true;
    case 'applying':
      return true;
  }
};

const onPreflight = (turn: Turn, handoff: Handoff, outcome: Outcome): void => {
  stepDone(turn, 'preflight', handoff.phaseSince, outcome.detail);
  const refusal =
    outcome.ok || handoff.force ? lateRefusal({ ...turn.s, handoff: null }, turn.now, handoff) : outcome.detail;
  if (refusal !== '') return refuse(turn, handoff, refusal);
  if (handoff.dryRun) {
    set(turn, { handoff: null });
    return conclude(turn, handoff, 'done', `nothing stands in the way of a switchover to ${turn.s.config.peer}`);
  }
  begin(turn, handoff);
};

/** What stands in the way once the pre-flight is over: the node, or a standby so far behind that writes would wait for long. */
const lateRefusal = (s: NodeState, now: number, { force, timeoutMs }: Handoff): string => {
  const refusal = handoffRefusal(s, now, force);
  const lagMs = livePeer(s, now)?.lagMs ?? 0;
  if (refusal !== '' || force || lagMs <= timeoutMs / 2) return refusal;
  const behind = `${s.config.peer} is ${Math.round(lagMs / 1_000)} s behind, and writes would wait until it has caught up`;
  return `${behind}; wait for it, or give the move more time than ${timeoutMs / 1_000} s (--timeout)`;
};

const refuse = (turn: Turn, handoff: Handoff, why: string): void => {
  set(turn, { handoff: null });
  journal(turn, { kind: 'refusal', cause: handoff.cause, text: `no move: ${why}` });
  conclude(turn, handoff, 'refused', why);
};

const begin = (turn: Turn, handoff: Handoff): void => {
  become(turn, 'handing-off', handoff.cause, handoff.reason);
  tellStep(turn, handoff, 'pre-flight passed; making the database read-only');
  if (!turn.s.config.hookPhases.includes('pre-demote')) return demote(turn, handoff);
  const stepId = run(turn, {
    name: 'hook',
    phase: 'pre-demote',
    term: turn.s.owner?.term ?? 0,
    role: 'handing-off',
    reason: handoff.reason,
  });
  set(turn, { handoff: { ...handoff, phase: 'pre-demote', stepId, phaseSince: turn.now } });
};

const demote = (turn: Turn, handoff: Handoff): void => {
  const left = Math.max(1, handoff.until - turn.now);
  const stepId = run(turn, { name: 'database-demote', force: handoff.force, timeoutMs: left });
  set(turn, { handoff: { ...handoff, phase: 'demoting', stepId, phaseSince: turn.now, demotedAt: turn.now } });
};

const onDemoted = (turn: Turn, handoff: Handoff, outcome: Outcome): void => {
  const position = outcome.ok ? (outcome.position ?? '') : '';
  if (!outcome.ok || position === '')
    return undo(turn, outcome.ok ? 'the final position could not be read' : outcome.detail);
  stepDone(turn, 'demote', handoff.phaseSince, outcome.detail);
  const { peer } = turn.s.config;
  // Without the position, which needs the room in the BEAT itself.
  tellStep(turn, handoff, `read-only at ${position}; ${peer} applies it`, `read-only; ${peer} applies the rest`);
  set(turn, { handoff: { ...handoff, phase: 'applying', phaseSince: turn.now, finalPosition: position } });
  beat(turn); // the final position travels at once
};

/** The standby says that it has applied the final position: nothing is missing there, and nothing can be added here. */
export const onApplied = (turn: Turn, applied: Position): void => {
  const { s, now } = turn;
  const { handoff, config } = s;
  if (handoff?.phase !== 'applying' || applied === '' || applied !== handoff.finalPosition) return;
  stepDone(turn, 'apply', handoff.phaseSince, `${config.peer} has applied the final position`);
  tellStep(turn, handoff, `${config.peer} has applied it; moving the VIP`);
  const outageFrom = handoff.demotedAt ?? handoff.startedAt;
  const { commandId, wishId, startedAt } = handoff;
  const planned = handoff.cause !== 'check-failed';
  set(turn, { moving: { planned, commandId, wishId, startedAt, outageFrom, until: now + handoff.timeoutMs } });
  fence(turn, 'handed-off', handoff.reason, handoff.finalPosition);
};

/** Until RELEASE every failure is undone here, under the live lease. */
export const undo = (turn: Turn, why: string): void => {
  const { handoff } = turn.s;
  if (!handoff) return;
  if (handoff.phase === 'preflight') {
    cancel(turn, handoff.stepId);
    return refuse(turn, handoff, why);
  }
  if (isPairAlone(turn.s) && !livePeer(turn.s, turn.now)) return giveUp(turn, handoff, why);
  cancel(turn, handoff.stepId);
  const stepId = run(turn, { name: 'database-open' });
  set(turn, { handoff: { ...handoff, phase: 'undoing', stepId, phaseSince: turn.now, finalPosition: '', why } });
  beat(turn);
};

/**
 * Without a witness a silent peer may have found the database read-only, as it is now, and taken over from a node that it
 * holds for dead.
 */
const giveUp = (turn: Turn, handoff: Handoff, why: string): void => {
  holdReplaced(turn, why);
  conclude(turn, handoff, 'undone', `not undone, since ${turn.s.config.peer} may have taken over: ${why}`);
  fence(turn, 'undo-failed', why);
};

const onUndone = (turn: Turn, handoff: Handoff, outcome: Outcome): void => {
  if (!outcome.ok) {
    conclude(turn, handoff, 'undone', `${handoff.why}; and the undo failed: ${outcome.detail}`);
    return fence(turn, 'undo-failed', `${handoff.why}; ${outcome.detail}`);
  }
  const entries = become(turn, 'active', 'undone', handoff.why);
  set(turn, { handoff: null });
  conclude(turn, handoff, 'undone', `undone, ${turn.s.config.self} is writable again: ${handoff.why}`);
  if (entries.includes('beat')) beat(turn);
  run(turn, { name: 'database-events-on' });
};

export const tickHandoff = (turn: Turn): void => {
  const { s, now } = turn;
  const { handoff } = s;
  if (!handoff || handoff.phase === 'undoing') return;
  if (now >= handoff.until)
    return undo(turn, `not finished within ${handoff.timeoutMs} ms, while ${phaseText[handoff.phase]}`);
  const peer = livePeer(s, now);
  if (handoff.phase !== 'preflight' && !peer)
    undo(turn, `${s.config.peer} fell silent while ${phaseText[handoff.phase]}`);
};

const phaseText = {
  preflight: 'looking for what would block it',
  'pre-demote': 'the pre-demote hooks ran',
  demoting: 'making the database read-only',
  applying: 'the standby applied the final position',
} as const;

/** After RELEASE only the successor decides; whoever asked is told how it went. */
export const tickMoving = (turn: Turn): void => {
  const { s, now } = turn;
  const { moving, config } = s;
  if (!moving) return;
  const peer = livePeer(s, now);
  const arrived = peer?.owner === true && peer.role === 'active';
  if (!arrived && s.role !== 'active' && now < moving.until) return;
  set(turn, { moving: null });
  const took = Math.round(now - moving.startedAt);
  const text = arrived
    ? `${config.peer} is active with term ${peer.term}; writes were refused for about ${Math.round(now - moving.outageFrom)} ms, ${took} ms from the request on`
    : `${config.peer} did not become active within the time given; see \`vipctl status\``;
  if (moving.wishId !== 0) set(turn, { wishAnswer: { id: moving.wishId, outcome: arrived ? 'done' : 'undone', text } });
  reply(turn, moving.commandId, true, arrived, text);
};
