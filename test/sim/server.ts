/** A database server of a node: commits, its channel from the other server, semi-sync waits and who has been told what. */

import type { DatabaseReport, Position } from '../../src/core/types.js';
import { positionOf } from '../world/database.js';

/** By server: the last sequence number known of that server's own commits. MariaDB's `gtid_binlog_state` of one domain. */
export type Commits = [number, number];

/** A client's write that waits for the other server's acknowledgement before its client hears of it. */
export interface Waiting {
  readonly sequence: number;
  readonly connections: number;
}

export interface Server {
  /** 0 or 1: which of the pair. */
  readonly index: 0 | 1;
  up: boolean;
  hanging: number;
  readOnly: boolean;
  committed: Commits;
  received: Commits;
  io: boolean;
  sql: boolean;
  stuck: number;
  /** Faults that slow the channel: one commit at a time comes through. */
  narrow: number;
  semiSync: boolean;
  waiting: Waiting[];
  /** Since when the applier is behind; null: it is not. */
  behindSince: number | null;
  /** Since when the source cannot be reached; its connection looks alive for a while. */
  cutSince: number | null;
}

export const createServer = (index: 0 | 1): Server => ({
  index,
  up: true,
  hanging: 0,
  readOnly: true,
  committed: [0, 0],
  received: [0, 0],
  io: false,
  sql: false,
  stuck: 0,
  narrow: 0,
  semiSync: false,
  waiting: [],
  behindSince: null,
  cutSince: null,
});

const texts = new Map<number, Position>();
const TEXTS_LIMIT = 50_000;

/** Positions are asked for far more often than they change. */
export const textOf = ([first, second]: Commits): Position => {
  const key = first * 0x10_0000 + second;
  const known = texts.get(key);
  if (known !== undefined) return known;
  if (texts.size >= TEXTS_LIMIT) texts.clear();
  const commits = new Map<number, number>();
  if (first > 0) commits.set(1, first);
  if (second > 0) commits.set(2, second);
  const text = positionOf(commits);
  texts.set(key, text);
  return text;
};

export const parseCommits = (position: Position): Commits => {
  const commits: Commits = [0, 0];
  for (const gtid of position.slice(position.indexOf(':') + 1).split(',')) {
    const [, server, sequence] = gtid.split('-');
    if (server === '1') commits[0] = Number(sequence);
    if (server === '2') commits[1] = Number(sequence);
  }
  return commits;
};

export const contains = (a: Commits, b: Commits): boolean => a[0] >= b[0] && a[1] >= b[1];

const merged = (a: Commits, b: Commits): Commits => [Math.max(a[0], b[0]), Math.max(a[1], b[1])];

export const answers = (server: Server): boolean => server.up && server.hanging === 0;

/** A client's transaction reaches the binary log; its sequence number. */
export const commit = (server: Server): number => {
  const sequence = Math.max(...server.committed) + 1;
  const committed: Commits = [...server.committed];
  committed[server.index] = sequence;
  server.committed = committed;
  server.received = merged(server.received, committed);
  return sequence;
};

/** What the channel brings in an instant. True: something new was received. */
export const pull = (replica: Server, source: Server, reachable: boolean, now: number): boolean => {
  if (!answers(replica)) return false;
  if (!replica.io || reachable) replica.cutSince = null;
  else replica.cutSince ??= now;
  let news = false;
  if (replica.io && reachable && answers(source) && !contains(replica.received, source.committed)) {
    replica.received = replica.narrow > 0 ? oneMore(replica, source) : merged(replica.received, source.committed);
    news = true;
  }
  apply(replica, now);
  return news;
};

const oneMore = ({ received }: Server, { committed }: Server): Commits => [
  Math.max(received[0], Math.min(committed[0], received[0] + 1)),
  Math.max(received[1], Math.min(committed[1], received[1] + 1)),
];

export const apply = (replica: Server, now: number): void => {
  if (contains(replica.committed, replica.received)) return;
  if (replica.sql && replica.stuck === 0) {
    replica.committed = merged(replica.committed, replica.received);
    replica.behindSince = null;
  } else replica.behindSince ??= now;
};

/** Started by its service manager: read-only, replication stopped, semi-sync off (mysql.md, my.cnf). */
export const boot = (server: Server): void => {
  server.up = true;
  server.readOnly = true;
  server.io = false;
  server.sql = false;
  server.semiSync = false;
  server.waiting = [];
  server.behindSince = null;
};

/** How long a connection to a source that fell silent looks alive: `slave_net_timeout`, and TCP on the other side. */
const CHANNEL_TIMEOUT_MS = 4_000;
const SOURCE_NOTICES_MS = 2_000;

export const reportOf = (server: Server, source: Server, now: number): DatabaseReport => {
  if (!server.up) return { state: 'down', detail: 'connection refused' };
  if (server.hanging > 0) return { state: 'hanging', detail: 'no answer within 1000 ms' };
  const connected = source.up && (server.cutSince === null || now - server.cutSince < CHANNEL_TIMEOUT_MS);
  const attached = source.io && source.up && (source.cutSince === null || now - source.cutSince < SOURCE_NOTICES_MS);
  return {
    state: 'ok',
    detail: 'answers',
    readOnly: server.readOnly,
    position: textOf(server.committed),
    semiSync: server.semiSync,
    semiSyncReplicas: attached ? 1 : 0,
    replica: {
      io: !server.io ? 'stopped' : connected ? 'running' : 'connecting',
      sql: server.sql ? 'running' : 'stopped',
      received: textOf(server.received),
      lagMs: server.behindSince === null ? 0 : now - server.behindSince,
      filters: false,
    },
  };
};
