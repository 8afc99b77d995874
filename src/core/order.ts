/** The operator's `promote`: kept until it is done, and answered whatever becomes of it. */

import { reply, set, type Turn } from './turn.js';

/** Answers the operator's `promote` in the negative. */
export const dropOrder = (turn: Turn, text: string): void => {
  const { order } = turn.s;
  if (!order) return;
  set(turn, { order: null });
  reply(turn, order.commandId, true, false, text);
};
