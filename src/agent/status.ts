/** What `vipctl status` is told: the core's state and what the shell knows besides, as plain data. */

import { holdOf } from '../control/holds.js';
import type { Moment } from '../control/moment.js';
import {
  type ChangeStatus,
  type ConfigStatus,
  type HookFailure,
  type HttpStatus,
  type NodeStatus,
  STATUS_FORMAT,
  type Status,
} from '../control/status.js';
import { unfit } from '../core/fitness.js';
import { verdict } from '../core/health.js';
import { ownerText } from '../core/peer.js';
import type { NodeState } from '../core/state.js';
import { peerHeard } from '../core/turn.js';
import type { Instant } from '../core/types.js';
import type { LagSources } from '../mysql/lag-sources.js';
import type { PathStats } from '../net/paths.js';
import type { AddressState } from './address.js';
import type { ChangeLog } from './changes.js';
import { guardLayers, standbyVipStatus, vipStatus } from './vip-status.js';

/** What the shell adds to the core's state. */
export interface StatusFacts {
  readonly version: string;
  readonly now: Instant;
  readonly momentOf: (at: Instant) => Moment;
  readonly addresses: Readonly<Record<string, string>>;
  readonly vips: readonly { readonly address: string; readonly interface: string }[];
  readonly vipsPresent: readonly string[];
  readonly address: AddressState;
  readonly guard: 'nftables' | 'address';
  /** Null: none is configured. */
  readonly standbyVip: {
    readonly vips: StatusFacts['vips'];
    readonly present: readonly string[];
    readonly address: AddressState;
  } | null;
  readonly paths: readonly PathStats[];
  /** When a genuine frame of the peer last came by each path, by our address on it. */
  readonly pathsHeard: ReadonlyMap<string, Instant>;
  readonly counters: Readonly<Record<string, number>>;
  /** By voter. */
  readonly frames: Status['counters']['frames'];
  readonly checkOutputs: ReadonlyMap<string, string>;
  readonly hookFailures: readonly HookFailure[];
  /** Null: it is written. */
  readonly journalProblem: string | null;
  readonly databaseVersion: string;
  readonly lagSources: LagSources | null;
  readonly events: string;
  readonly changes: ChangeLog;
  readonly config: ConfigStatus;
  readonly noWriterSince: Instant | null;
  readonly http: HttpStatus | null;
}

export const composeStatus = (s: NodeState, facts: StatusFacts): Status => {
  const { now, momentOf } = facts;
  const { record } = s.voter;
  const active = activeNode(s, now);
  const writer = hasWriter(s, now);
  return {
    format: STATUS_FORMAT,
    version: facts.version,
    now: momentOf(now),
    group: s.config.group,
    node: s.config.self,
    term: s.owner?.term ?? record?.maxTerm ?? 0,
    owner: s.owner ? s.config.self : peerHeard(s, now) && s.peer.beat?.owner ? s.config.peer : null,
    active,
    noWriter: !writer,
    noWriterSince: writer || facts.noWriterSince === null ? null : momentOf(facts.noWriterSince),
    nodes: [selfStatus(s, facts), peerStatus(s, facts)],
    witnesses: s.config.witnesses.map((name) => witnessStatus(s, facts, name)),
    vips: facts.vips.map((vip) => vipStatus(facts, { address: facts.address, present: facts.vipsPresent }, vip)),
    standbyVip: standbyVipStatus(s, facts),
    lease: { lengthMs: s.config.leaseMs, leftMs: s.owner ? Math.max(0, s.owner.leaseUntil - now) : null },
    protection: {
      guard: guardLayers(facts.guard, facts.address),
      witnessed: s.config.witnesses.length > 0,
      partitionCanSplit: s.config.witnesses.length === 0,
      semiSync: {
        mode: s.config.semiSync,
        on: s.owner ? (s.database.report?.semiSync ?? null) : null,
        sync: record && record.servedTerm > 0 ? record.sync : null,
        replicas: s.owner ? (s.database.report?.semiSyncReplicas ?? null) : null,
      },
      fence: fenceStatus(s, facts),
    },
    pause: pauseStatus(s, facts),
    checks: checkStatuses(s, facts),
    database: {
      state: s.database.report?.state ?? 'unknown',
      detail: s.database.report?.detail ?? 'not asked yet',
      readOnly: s.database.report?.readOnly ?? null,
      version: facts.databaseVersion,
      position: s.database.position,
      lag: lagStatus(s, facts),
      events: facts.events,
    },
    lastChange: lastChange(facts, s, active),
    counters: {
      framesAccepted: facts.counters.accepted ?? 0,
      frames: facts.frames,
      framesDropped: dropCauses(facts.counters),
      stalls: s.stalls,
      ...facts.changes.counts(),
    },
    hooks: { failures: facts.hookFailures },
    journal: { problem: facts.journalProblem ?? '' },
    config: facts.config,
    http: facts.http,
  };
};

const lagStatus = ({ config }: NodeState, { lagSources }: StatusFacts): Status['database']['lag'] => {
  if (lagSources === null) return null;
  const { load, ...rates } = lagSources;
  return {
    ...rates,
    timeoutMs: config.catchUpTimeoutMs,
    longestTransactionMs: load?.longestTransactionMs ?? null,
    workers: load?.workers ?? null,
    busyWorkers: load?.busyWorkers ?? null,
  };
};

/** Who serves clients, as far as this node knows. */
export const activeNode = (s: NodeState, now: Instant): string | null => {
  if (s.role === 'active' || s.role === 'handing-off') return s.config.self;
  const { beat } = s.peer;
  const serves = beat?.owner && (beat.role === 'active' || beat.role === 'handing-off');
  return serves && peerHeard(s, now) ? s.config.peer : null;
};

/** Does anybody accept writes through the VIP? */
export const hasWriter = (s: NodeState, now: Instant): boolean => {
  const active = activeNode(s, now);
  if (active === null) return false;
  if (active === s.config.peer) return s.peer.beat?.readOnly === false && s.peer.beat.health !== 'failed';
  const { report } = s.database;
  return report?.readOnly === false && (report.state === 'ok' || report.state === 'full' || report.state === 'denied');
};

const selfStatus = (s: NodeState, facts: StatusFacts): NodeStatus => {
  const { health, cause } = verdict(s);
  const replica = s.database.report?.replica;
  const serving = s.role === 'active' || s.role === 'handing-off';
  return {
    name: s.config.self,
    address: facts.addresses[s.config.self] ?? '',
    self: true,
    role: s.role,
    active: serving,
    health,
    cause,
    unfit: serving ? '' : unfit(s, facts.now),
    holds: [...s.holds.values()].map(({ name, why }) => ({ name, why })),
    priority: s.config.priority,
    term: s.owner?.term ?? s.voter.record?.maxTerm ?? 0,
    dataTerm: s.voter.record?.dataTerm ?? 0,
    position: s.database.position,
    lagMs: replica?.lagMs ?? null,
    replication: {
      running: replica ? replica.io === 'running' && replica.sql === 'running' : null,
      io: replica?.io ?? null,
      sql: replica?.sql ?? null,
      error: replica?.error ?? '',
    },
    readOnly: s.database.report?.readOnly ?? null,
    agent: { reachable: true, heardMsAgo: 0, paths: [] },
    progress: s.promotion?.progress ?? s.handoff?.phase ?? '',
    since: facts.momentOf(s.roleSince),
  };
};

const msAgo = (at: Instant | undefined, now: Instant): number | null =>
  at === undefined ? null : Math.max(0, now - at);

const peerStatus = (s: NodeState, facts: StatusFacts): NodeStatus => {
  const { beat, heardAt } = s.peer;
  const reachable = peerHeard(s, facts.now);
  const heardMsAgo = beat ? Math.max(0, facts.now - heardAt) : null;
  const address = facts.addresses[s.config.peer] ?? '';
  const paths = facts.paths.map((path) => ({
    name: `${path.local} - ${path.remotes[s.config.peer] ?? address}`,
    up: path.open && path.lastError === '',
    heardMsAgo: msAgo(facts.pathsHeard.get(path.local), facts.now),
  }));
  return {
    name: s.config.peer,
    address,
    self: false,
    role: beat?.role ?? 'unknown',
    active: beat?.owner === true && (beat.role === 'active' || beat.role === 'handing-off') && reachable,
    health: beat?.health ?? 'unknown',
    cause: beat?.cause ?? '',
    unfit: beat?.unfit ?? '',
    holds: (beat?.holds ?? []).map(holdOf),
    priority: s.config.peerPriority,
    term: beat?.term ?? 0,
    dataTerm: beat?.dataTerm ?? 0,
    position: beat?.position ?? '',
    lagMs: beat && beat.lagMs >= 0 ? beat.lagMs : null,
    replication: { running: beat?.replicating ?? null, io: null, sql: null, error: '' },
    readOnly: beat?.readOnly ?? null,
    agent: { reachable, heardMsAgo, paths },
    progress: beat?.progress ?? '',
    since: beat ? facts.momentOf(heardAt - beat.sinceMs) : null,
  };
};

/** Since when and why the peer is active it tells itself: this node may have been started after that. */
const lastChange = (facts: StatusFacts, s: NodeState, active: string | null): ChangeStatus | null => {
  const last = facts.changes.last();
  const { beat, heardAt } = s.peer;
  const { peer } = s.config;
  if (active !== peer || !beat) return last;
  const change = {
    node: peer,
    from: 'promoting',
    to: 'active',
    cause: 'serving',
    text: ownerText(peer, beat),
  } as const;
  return { ...change, at: facts.momentOf(heardAt - beat.sinceMs), steps: last?.node === peer ? last.steps : [] };
};

/** A standby hears a witness each second (POLL?), an owner with each BEAT. */
const WITNESS_SILENT_MS = 3_000;

const witnessStatus = (s: NodeState, facts: StatusFacts, name: string): Status['witnesses'][number] => {
  const heardAt = s.witnessHeard.get(name);
  const heardMsAgo = msAgo(heardAt, facts.now);
  return {
    name,
    address: facts.addresses[name] ?? '',
    reachable: heardMsAgo !== null && heardMsAgo < WITNESS_SILENT_MS,
    heardMsAgo,
    promise:
      s.owner && heardMsAgo !== null && heardMsAgo < s.config.leaseMs
        ? { to: s.config.self, term: s.owner.term, leftMs: Math.max(0, s.owner.leaseUntil - facts.now) }
        : null,
  };
};

const fenceStatus = ({ config, peerFence }: NodeState, facts: StatusFacts): Status['protection']['fence'] => ({
  configured: config.fence !== null,
  required: config.fence?.required ?? false,
  last: peerFence.last && { ...peerFence.last, at: facts.momentOf(peerFence.last.at) },
});

const pauseStatus = (s: NodeState, facts: StatusFacts): Status['pause'] => {
  const pause = s.voter.record?.pause ?? { version: 0, on: false, leftMs: -1 };
  const since = s.holds.get('paused')?.since;
  const leftMs = s.pauseUntil === null ? -1 : Math.max(0, s.pauseUntil - facts.now);
  return { version: pause.version, on: pause.on, leftMs, since: since === undefined ? null : facts.momentOf(since) };
};

const checkStatuses = (s: NodeState, facts: StatusFacts): Status['checks'] => {
  const links = {
    name: 'links',
    ok: s.linksDown.length === 0,
    since: null,
    detail: s.linksDown.map((name) => `${name} is down`).join(', ') || 'up',
    output: '',
  };
  const { health, cause } = s.database;
  const database = {
    name: 'database',
    ok: health === 'unknown' ? null : health === 'ok',
    since: null,
    detail: cause || (s.database.report?.detail ?? ''),
    output: '',
  };
  const scripts = [...s.checks].map(([name, check]) => ({
    name,
    ok: check.health === 'unknown' ? null : check.health === 'ok',
    since: facts.momentOf(check.since),
    detail: check.detail,
    output: facts.checkOutputs.get(name) ?? '',
  }));
  return [database, links, ...scripts];
};

/** Counters that are no causes of a dropped frame. */
const NOT_DROPPED: readonly string[] = ['accepted', 'sealed', 'unsealable', 'greeted', 'hello'];

const dropCauses = (counters: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(counters).filter(([cause, count]) => count > 0 && !NOT_DROPPED.includes(cause)));
