/** Whether a node can be sent readers as a standby. */

import type { Millis } from '../core/types.js';
import { formatElapsed } from './elapsed.js';
import type { Status } from './status.js';

/**
 * Why the answering node should get no readers: empty where it is a healthy standby that replicates, and is not further
 * behind than `maxLagMs` (null: however far). A quarantined node's data is not the active's, and it does not replicate.
 */
export const unreadable = (status: Status, maxLagMs: Millis | null): string => {
  const self = status.nodes.find((node) => node.self);
  if (self === undefined) return 'it does not know itself';
  if (self.role !== 'standby') return `it is ${self.role}`;
  if (self.health !== 'ok') return `its health is ${self.health}${self.cause === '' ? '' : `: ${self.cause}`}`;
  const { io, sql } = self.replication;
  if (self.replication.running !== true)
    return `it does not replicate (io ${io ?? 'unknown'}, sql ${sql ?? 'unknown'})`;
  if (maxLagMs === null) return '';
  if (self.lagMs === null) return 'its lag is not known';
  return self.lagMs > maxLagMs ? `it is ${formatElapsed(self.lagMs)} behind` : '';
};
