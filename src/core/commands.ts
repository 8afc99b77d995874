/** An operator's words, and what each is answered. */

import type { Command } from './event.js';
import { fence } from './fencing.js';
import { handoffRefusal, startHandoff } from './handoff.js';
import { onPause } from './pause.js';
import { NO_RECORD_YET, recordThenReply } from './recorded-reply.js';
import { wishWithin } from './timing.js';
import { hold, journal, livePeer, reply, set, type Turn, unhold } from './turn.js';

export const onCommand = (turn: Turn, id: number, command: Command): void => {
  switch (command.name) {
    case 'switchover':
      return onSwitchover(turn, id, command);
    case 'promote':
      return onPromote(turn, id, command.acceptLoss);
    case 'pause':
      return onPause(turn, id, true, command.forMs);
    case 'resume':
      return onPause(turn, id, false, -1);
    case 'maintenance':
      return onMaintenance(turn, id, command.on);
    case 'stop':
      set(turn, { stopping: { commandId: id, tried: false } });
      return;
  }
};

const REFUSED = { switchover: 'no switchover', promote: 'no promotion' } as const;

const refuse = (turn: Turn, id: number, what: keyof typeof REFUSED, why: string): void => {
  journal(turn, { kind: 'refusal', cause: what, text: `${REFUSED[what]}: ${why}` });
  reply(turn, id, true, false, why);
};

const onSwitchover = (turn: Turn, id: number, command: Extract<Command, { name: 'switchover' }>): void => {
  const { s, now } = turn;
  const { dryRun, force, timeoutMs } = command;
  const peer = livePeer(s, now);
  if (s.role !== 'active' && peer?.owner && peer.role === 'active') return carryWish(turn, id, command);
  const refusal = handoffRefusal(s, now, force);
  if (refusal !== '') return refuse(turn, id, 'switchover', refusal);
  startHandoff(turn, {
    cause: 'switchover',
    detail: `asked on ${s.config.self}`,
    dryRun,
    force,
    timeoutMs,
    commandId: id,
    wishId: 0,
  });
};

/** Said on the standby: the owner decides, and its answer comes back in a BEAT. */
const carryWish = (turn: Turn, id: number, command: Extract<Command, { name: 'switchover' }>): void => {
  const { s, now } = turn;
  if (s.wish) return refuse(turn, id, 'switchover', 'a switchover asked here is under way already');
  const { dryRun, force, timeoutMs } = command;
  // Unlike any number used since the peer's last start, and in the frame's range.
  const wishId = 1 + (Math.floor(now * 1000) % 0x7fff_ffff);
  set(turn, {
    wish: {
      commandId: id,
      wish: { id: wishId, dryRun, force, timeoutMs },
      until: now + wishWithin(timeoutMs),
      told: '',
    },
  });
  reply(turn, id, false, true, `asking ${s.config.peer}, which is active`);
};

export const tickWish = (turn: Turn): void => {
  const { wish, config } = turn.s;
  if (!wish || turn.now < wish.until) return;
  set(turn, { wish: null });
  reply(turn, wish.commandId, true, false, `${config.peer} did not answer in time; see \`vipctl status\``);
};

const onPromote = (turn: Turn, id: number, acceptLoss: boolean): void => {
  const { s, now } = turn;
  if (s.role === 'active' || s.role === 'handing-off')
    return reply(turn, id, true, true, `${s.config.self} is active already`);
  const peer = livePeer(s, now);
  if (peer?.owner)
    return refuse(turn, id, 'promote', `${s.config.peer} is ${peer.role} and heard; use \`vipctl switchover\``);
  if (s.role !== 'standby')
    return refuse(turn, id, 'promote', `${s.config.self} is ${s.role}; try again when it is standby`);
  if (s.order) return refuse(turn, id, 'promote', 'a promotion is under way already');
  journal(turn, {
    kind: 'notice',
    cause: 'promote',
    text: `an operator asked to promote${acceptLoss ? ', accepting what would be lost' : ''}`,
  });
  // A poll that began without this word would be refused without it.
  set(turn, { order: { commandId: id, acceptLoss }, retryAt: now, election: null });
  if (!acceptLoss) return;
  for (const name of ['stale', 'loss', 'replication'] as const) {
    const held = s.holds.get(name);
    if (held) reply(turn, id, false, true, `accepted: ${name}: ${held.why}`);
  }
};

const onMaintenance = (turn: Turn, id: number, on: boolean): void => {
  if (!turn.s.voter.record) return reply(turn, id, true, false, NO_RECORD_YET);
  const done = on ? `${turn.s.config.self} is not a candidate until \`vipctl maintenance off\`` : 'maintenance ended';
  recordThenReply(turn, { maintenance: on }, id, done);
  applyMaintenance(turn, on);
};

export const applyMaintenance = (turn: Turn, on: boolean): void => {
  if (on) hold(turn, 'maintenance', 'set by an operator; `vipctl maintenance off` ends it');
  else unhold(turn, 'maintenance');
};

/** Stopping an active hands off first; a node that holds nothing may leave. */
export const considerStop = (turn: Turn): void => {
  const { s, now } = turn;
  if (!s.stopping) return;
  if (s.role === 'active' && !s.handoff) {
    const refusal = handoffRefusal(s, now, true);
    const request = {
      cause: 'stop',
      detail: '',
      dryRun: false,
      force: true,
      timeoutMs: 0,
      commandId: 0,
      wishId: 0,
    } as const;
    if (refusal === '' && !s.stopping.tried) {
      set(turn, { stopping: { ...s.stopping, tried: true } });
      startHandoff(turn, request);
    } else fence(turn, 'stop', refusal);
  }
  if (s.role === 'promoting') fence(turn, 'stop', '');
};
