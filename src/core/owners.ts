/** Who served, one after the other: for cooldown, flapping and `status`. */

import { hold, set, type Turn } from './turn.js';

/** A RELEASE by an operator's word: no failure, and none to be counted on either node. */
export const isPlanned = (reason: string): boolean =>
  reason.startsWith('handed-off: switchover') || reason.startsWith('handed-off: stop') || reason.startsWith('stop');

/** Remembers who serves, for cooldown, flapping and `status`. */
export const noteOwner = (turn: Turn, name: string, term: number, planned: boolean): void => {
  const { lastOwner, failovers, config } = turn.s;
  if (lastOwner?.name === name && lastOwner.term === term) return;
  const moved = lastOwner !== null && lastOwner.name !== name;
  set(turn, { lastOwner: { name, term }, lastChangeAt: turn.now });
  if (!moved || planned) return;
  const recent = [...failovers, turn.now].filter((at) => turn.now - at < config.failoverWindowMs);
  set(turn, { failovers: recent });
  if (recent.length >= config.maxFailovers) {
    hold(
      turn,
      'flapping',
      `${recent.length} unplanned moves within ${Math.round(config.failoverWindowMs / 60_000)} min; look for the cause, then run \`vipctl resume\``,
    );
  }
};
