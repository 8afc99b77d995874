/** The group's pause: said on either node, ended by a word or by time, and not forgotten over a restart. */

import type { Beat } from './message.js';
import { NO_RECORD_YET, recordThenReply } from './recorded-reply.js';
import type { NodeState } from './state.js';
import { PAUSE_SLACK_MS } from './timing.js';
import { hold, record, reply, set, type Turn, unhold } from './turn.js';
import type { Instant, Pause, RecordedPause } from './types.js';

/** `pause` and `resume`. In force at once, here and with the next BEAT there; answered when it is on disk. */
export const onPause = (turn: Turn, id: number, on: boolean, forMs: number): void => {
  const known = turn.s.voter.record;
  if (!known) return reply(turn, id, true, false, NO_RECORD_YET);
  const until = forMs > 0 ? `for ${Math.round(forMs / 1_000)} s, or until \`vipctl resume\`` : 'until `vipctl resume`';
  const pause = counted(turn, { version: known.pause.version + 1, on, leftMs: on && forMs > 0 ? forMs : -1 });
  recordThenReply(turn, { pause }, id, on ? `paused: nothing moves by itself ${until}` : 'resumed');
  applyPause(turn);
  if (!on) forgetTroubles(turn);
};

const counted = (turn: Turn, pause: Pause): RecordedPause => {
  const { version, on, leftMs } = pause;
  return { version, on, leftMs, since: turn.now, boot: turn.s.config.boot };
};

/** The higher version wins, on whichever node it was said; of the same, the time that ends first (a reboot stops the clock). */
export const mergePause = (turn: Turn, beat: Beat): void => {
  const { voter, pauseUntil } = turn.s;
  const known = voter.record?.pause;
  const { version, on, leftMs } = beat.pause;
  if (!known || version < known.version) return;
  if (version === known.version) {
    const longer = on && leftMs >= 0 && pauseUntil !== null && pauseUntil > turn.now + leftMs + PAUSE_SLACK_MS;
    if (!longer) return;
  }
  // It ran out there a moment before it does here: nobody has said `resume`.
  const ranOut = pauseUntil !== null && pauseUntil <= turn.now + PAUSE_SLACK_MS;
  record(turn, { pause: counted(turn, beat.pause) });
  applyPause(turn);
  if (!on && !ranOut) forgetTroubles(turn);
};

/** As a node starts. How long the host was off nobody can tell: by another boot's clock the time begins anew. */
export const restorePause = (turn: Turn): void => {
  const pause = turn.s.voter.record?.pause;
  if (pause?.on && pause.leftMs >= 0 && pause.boot !== turn.s.config.boot)
    record(turn, { pause: counted(turn, pause) });
  applyPause(turn);
};

export const tickPause = (turn: Turn): void => {
  const { pauseUntil, voter } = turn.s;
  if (pauseUntil === null || turn.now < pauseUntil || !voter.record) return;
  record(turn, { pause: counted(turn, { version: voter.record.pause.version + 1, on: false, leftMs: -1 }) });
  applyPause(turn);
};

/** As a BEAT tells it: what is left of it now. */
export const pauseNow = ({ voter, pauseUntil }: NodeState, now: Instant): Pause => {
  const { version, on, leftMs } = voter.record?.pause ?? { version: 0, on: false, leftMs: -1 };
  return { version, on, leftMs: pauseUntil === null ? leftMs : Math.max(0, pauseUntil - now) };
};

/** `resume`, on whichever node: what waited for the operator's word is tried again. */
const forgetTroubles = (turn: Turn): void => {
  for (const name of ['flapping', 'promotion-failed', 'hook', 'stranger', 'replication', 'loss', 'fence'] as const)
    unhold(turn, name);
  set(turn, { failovers: [], failedPromotions: 0, retryAt: turn.now });
};

/** Makes hold and deadline what the record says. */
const applyPause = (turn: Turn): void => {
  const pause = turn.s.voter.record?.pause;
  if (!pause?.on) {
    set(turn, { pauseUntil: null });
    unhold(turn, 'paused');
    return;
  }
  const pauseUntil = pause.leftMs < 0 ? null : Math.min(pause.since, turn.now) + pause.leftMs;
  const why =
    pauseUntil === null
      ? 'paused by an operator; nothing moves by itself until `vipctl resume`'
      : 'paused by an operator for a time; `vipctl resume` ends it sooner';
  hold(turn, 'paused', why);
  set(turn, { pauseUntil });
};
