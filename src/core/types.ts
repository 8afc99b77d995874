/** The words of the decision core: who takes part, for how long, and what is known of the data. */

/** Name of a node or a witness, unique in its group. */
export type VoterName = string;

/** Number of an ownership; 0 means that there has been none. */
export type Term = number;

/** Milliseconds of the voter's own CLOCK_BOOTTIME, with fractions. Never a wall-clock time. */
export type Instant = number;

/** A length of time in milliseconds. */
export type Millis = number;

/**
 * What a server has committed, as its flavour writes it:
 * `mariadb:` and the server's `gtid_binlog_state`, or `mysql:` and its `gtid_executed`.
 * Compared only by the functions of position.ts.
 */
export type Position = string;

/** What gives a standby the right to ask for a term; each is a cause of the transition table. */
export type Opening = 'promise-ran-out' | 'released' | 'no-owner' | 'ordered';

/** One verdict for a node; there are no weights. */
export type Health = 'ok' | 'failed' | 'unknown';

/** A standing reason not to act. */
export interface Hold {
  readonly name: HoldName;
  /** One sentence for the operator: why it holds and what ends it. */
  readonly why: string;
}

export type HoldName =
  | 'paused'
  | 'maintenance'
  | 'stale'
  | 'quarantined'
  | 'cooldown'
  | 'flapping'
  | 'loss'
  | 'replication'
  | 'peer-alive'
  | 'isolated'
  | 'alone'
  | 'hook'
  | 'promotion-failed'
  | 'stranger'
  | 'no-record'
  | 'fence';

/** What every member of the group must agree on, and what this one does with it. Times in milliseconds. */
export interface CoreConfig {
  readonly group: string;
  readonly self: VoterName;
  /** Which boot of this host it is: instants of another one are of another clock. */
  readonly boot: string;
  /** The other database host. */
  readonly peer: VoterName;
  /** None, or an odd number. */
  readonly witnesses: readonly VoterName[];
  readonly priority: number;
  readonly peerPriority: number;
  readonly intervalMs: Millis;
  /** interval × dead_after. */
  readonly leaseMs: Millis;
  /** What voters are asked to promise: the lease, and 2 s more with `guard: address`, whose lifetimes are whole seconds. */
  readonly promiseMs: Millis;
  /** Gateways are configured, so being cut off can be told from the peer's death. */
  readonly gateways: boolean;
  readonly semiSync: 'off' | 'monitor' | 'manage';
  /** Checks by name with how many results in a row turn them. `database` and `links` are built in. */
  readonly checks: Readonly<Record<string, { readonly fall: number; readonly rise: number }>>;
  readonly cooldownMs: Millis;
  readonly maxFailovers: number;
  readonly failoverWindowMs: Millis;
  readonly catchUpTimeoutMs: Millis;
  /** A dead server's binary logs are asked for, where its agent answers. */
  readonly salvage: boolean;
  /** The loss accepted without asking; `any` accepts whatever cannot be had. */
  readonly maxLossMs: Millis | 'any';
  /** The operator's command that cuts off a silent peer; `required`: nothing opens here before it has succeeded. */
  readonly fence: { readonly required: boolean; readonly timeoutMs: Millis } | null;
  /** Hooks exist for these phases; for others no step is taken. */
  readonly hookPhases: readonly HookPhase[];
  /** Addresses that follow the standby, while it is no further behind than this; null: none. */
  readonly standbyVip: { readonly maxLagMs: Millis } | null;
}

/** What may change while a node runs: nothing of it is counted on by another voter. */
export type LiveSettings = Pick<
  CoreConfig,
  | 'priority'
  | 'peerPriority'
  | 'gateways'
  | 'checks'
  | 'cooldownMs'
  | 'maxFailovers'
  | 'failoverWindowMs'
  | 'catchUpTimeoutMs'
  | 'salvage'
  | 'maxLossMs'
  | 'hookPhases'
  | 'standbyVip'
>;

export type HookPhase = 'pre-promote' | 'post-promote' | 'pre-demote' | 'post-demote' | 'hold';

/** What the database says of itself, and what it could be asked last. */
export interface DatabaseReport {
  /**
   * ok: answers (and on the active, takes a write); down: refused or gone; shutting-down; hanging: no answer in time;
   * denied: our login or privileges fail; full: no connection left; failed: answers, but the write probe fails.
   */
  readonly state: 'ok' | 'down' | 'shutting-down' | 'hanging' | 'denied' | 'full' | 'failed';
  /** What came back, for people. */
  readonly detail: string;
  /** Absent where it could not be asked. */
  readonly readOnly?: boolean;
  readonly position?: Position;
  readonly replica?: ReplicaReport;
  /** Semi-synchronous replication is in force as the source: each commit waits for a replica. */
  readonly semiSync?: boolean;
  /** Replicas now attached that acknowledge. */
  readonly semiSyncReplicas?: number;
}

/** This server as a replica of the peer. */
export interface ReplicaReport {
  readonly io: 'running' | 'connecting' | 'stopped';
  readonly sql: 'running' | 'stopped';
  /** Everything received, applied or not. */
  readonly received: Position;
  /** Seconds_Behind as milliseconds; absent where unknown. */
  readonly lagMs?: Millis;
  /** The thread's last error, when one stopped it. */
  readonly error?: string;
  readonly filters: boolean;
}

/** What of a voter survives a crash. `dataTerm`, `pause` and `maintenance` are of nodes only. */
export interface VoterRecord {
  /** The highest term granted or adopted. */
  readonly maxTerm: Term;
  /** To whom `maxTerm` was granted. */
  readonly holder: VoterName | null;
  /** The newest term that opened for clients. */
  readonly servedTerm: Term;
  /** While `servedTerm` serves: nothing can be missing on the standby. */
  readonly sync: boolean;
  /** The largest lease ever promised. */
  readonly maxLeaseMs: Millis;
  /** The newest term this node owned or replicated from. */
  readonly dataTerm: Term;
  /** An operator's word stands for a record that was lost: good for a term of this node's own, and until it serves for nothing else. */
  readonly byWord: boolean;
  readonly pause: RecordedPause;
  readonly maintenance: boolean;
}

/** The group's pause: the higher version wins. */
export interface Pause {
  readonly version: number;
  readonly on: boolean;
  /** Ends by itself after this long; -1: only by `resume`. */
  readonly leftMs: Millis;
}

/** As a node writes it down, so that a restart of the agent takes nothing off the time that is left, and adds nothing. */
export interface RecordedPause extends Pause {
  /** When `leftMs` was counted, on the clock of `boot`. */
  readonly since: Instant;
  readonly boot: string;
}
