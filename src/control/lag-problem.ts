/** Tells of a standby whose promotion would take too long. */

import { formatElapsed } from './elapsed.js';
import type { Problem } from './problem.js';
import type { Status } from './status.js';

/** A standby that could take over, and not soon. */
export const lagProblems = ({ database: { lag }, nodes }: Status): readonly Problem[] => {
  const self = nodes.find((n) => n.self);
  if (lag === null || self === undefined || self.active || lag.backlog === 0) return [];
  const { applyMs, timeoutMs, backlog } = lag;
  // An applier that is busy with one long transaction tells no rate; how long it has been is all that is known.
  if ((applyMs ?? self.lagMs ?? 0) <= timeoutMs) return [];
  const limit = `longer than promotion.catch_up_timeout (${formatElapsed(timeoutMs)})`;
  const told =
    applyMs === null ? `has taken ${formatElapsed(self.lagMs ?? 0)} so far` : `would take ${formatElapsed(applyMs)}`;
  const text = `to promote ${self.name} ${told}, ${limit}: it has received ${backlog} transactions that it has not applied`;
  const next = 'see "Lag" below: long transactions on the active, parallel workers here, the load of this host';
  return [{ severity: 'warning', brief: `${self.name} far behind`, text, next }];
};
