/** A database as the core sees it: commits, a channel from the other server, and steps that succeed, fail or hang. */

import type { Step } from '../../src/core/effect.js';
import type { Outcome } from '../../src/core/event.js';
import { containsPosition } from '../../src/core/position.js';
import type { DatabaseReport, Position } from '../../src/core/types.js';

export interface Server {
  readonly id: number;
  up: boolean;
  hanging: boolean;
  readOnly: boolean;
  /** Last sequence number of each server whose commits are here: `gtid_binlog_state` of domain 0. */
  committed: Map<number, number>;
  /** The same, received but perhaps not applied. */
  received: Map<number, number>;
  io: boolean;
  sql: boolean;
  error: string;
  /** Its channel leaves out a part of the data. */
  filters: boolean;
  /** Received commits are not applied while this holds. */
  stuck: boolean;
  /** The probe's state where it is not ok: full, denied, failed. */
  trouble: DatabaseReport['state'] | null;
  semiSync: boolean;
  /** Servers outside of the group that acknowledge too. */
  others: number;
  /** How far it says it is behind. */
  lagMs: number;
}

export const createServer = (id: number): Server => ({
  id,
  up: true,
  hanging: false,
  readOnly: true,
  committed: new Map(),
  received: new Map(),
  io: false,
  sql: false,
  error: '',
  filters: false,
  stuck: false,
  trouble: null,
  semiSync: false,
  others: 0,
  lagMs: 0,
});

export const positionOf = (commits: ReadonlyMap<number, number>): Position =>
  `mariadb:${[...commits]
    .sort(([a], [b]) => a - b)
    .map(([server, seq]) => `0-${server}-${seq}`)
    .join(',')}`;

const nextSequence = (server: Server): number => Math.max(0, ...server.committed.values()) + 1;

/** A client's write; true when it was accepted. */
export const commit = (server: Server): boolean => {
  if (!server.up || server.hanging || server.readOnly) return false;
  const sequence = nextSequence(server);
  server.committed.set(server.id, sequence);
  server.received.set(server.id, sequence);
  return true;
};

/** What the channel brings in an instant, when the source can be reached. */
export const replicate = (replica: Server, source: Server, reachable: boolean): void => {
  if (!replica.up || replica.hanging) return;
  if (replica.io && reachable && source.up && !source.hanging) {
    for (const [server, sequence] of source.committed) {
      if (sequence > (replica.received.get(server) ?? 0)) replica.received.set(server, sequence);
    }
  }
  if (replica.sql && !replica.stuck && replica.error === '') replica.committed = new Map(replica.received);
};

export const reportOf = (server: Server, source: Server, reachable: boolean): DatabaseReport => {
  if (!server.up) return { state: 'down', detail: 'connection refused' };
  if (server.hanging) return { state: 'hanging', detail: 'no answer within 1000 ms' };
  const connected = server.io && reachable && source.up;
  return {
    state: server.trouble ?? 'ok',
    detail: server.trouble ?? 'answers',
    readOnly: server.readOnly,
    position: positionOf(server.committed),
    semiSync: server.semiSync,
    semiSyncReplicas: server.others + (source.io && source.up && reachable ? 1 : 0),
    replica: {
      io: connected ? 'running' : server.io ? 'connecting' : 'stopped',
      sql: server.sql ? 'running' : 'stopped',
      received: positionOf(server.received),
      lagMs: server.lagMs,
      filters: server.filters,
      ...(server.error === '' ? {} : { error: server.error }),
    },
  };
};

/** Carries out a database step; null: it hangs until its deadline. */
export const carryOut = (server: Server, step: Step): Outcome | null => {
  const position = () => positionOf(server.committed);
  if (step.name === 'database-fence' && !server.up) return { ok: true, detail: 'down' };
  if (!server.up) return { ok: false, detail: 'connection refused' };
  if (server.hanging) return { ok: false, detail: 'no answer within 1000 ms' };
  switch (step.name) {
    case 'database-fence':
    case 'database-demote':
      server.readOnly = true;
      server.semiSync = false;
      return { ok: true, detail: 'read-only', position: position() };
    case 'database-preflight':
      return { ok: true, detail: 'nothing blocks' };
    case 'database-stop-receiver':
      server.io = false;
      return { ok: true, detail: 'receiver stopped' };
    case 'database-stop-channel':
      server.io = false;
      server.sql = false;
      return { ok: true, detail: 'channel stopped', position: position() };
    case 'database-open':
      server.readOnly = false;
      return { ok: true, detail: 'writable' };
    case 'database-catch-up':
      return catchUp(server, step.target, step.stop);
    case 'database-follow':
      if (!containsPosition(step.activePosition, position()))
        return { ok: false, detail: `diverged: ${position().slice(8)}` };
      server.io = true;
      server.sql = true;
      return { ok: true, detail: 'replicating' };
    case 'database-open-reverse':
      server.io = true;
      server.sql = true;
      return { ok: true, detail: 'reverse channel open' };
    case 'database-semi-sync':
      server.semiSync = step.on;
      return { ok: true, detail: step.on ? 'on' : 'off' };
    default:
      return { ok: true, detail: 'done' };
  }
};

const catchUp = (server: Server, target: Position | null, stop: boolean): Outcome | null => {
  if (server.error !== '') return { ok: false, detail: `the SQL thread stopped: ${server.error}` };
  if (server.stuck) return null;
  if (server.sql) server.committed = new Map(server.received);
  const position = positionOf(server.committed);
  if (target !== null && !containsPosition(position, target))
    return stop ? { ok: true, detail: 'applied all that was received', position } : null;
  if (stop) {
    server.io = false;
    server.sql = false;
  }
  return { ok: true, detail: 'caught up', position };
};
