/**
 * What a node knows of its group, as `vipctl status --json` prints it.
 *
 * The names are an interface: they are added to, not renamed; `format` rises when one changes its meaning. Everything
 * is plain JSON. `null` means "not known" or "does not apply"; an empty text means "none".
 */

import type { JournalEntry } from '../core/effect.js';
import type { Role } from '../core/message.js';
import type { DatabaseReport, Health, Hold, Millis, Pause, Position, Term, VoterName } from '../core/types.js';
import type { Moment } from './moment.js';

export const STATUS_FORMAT = 1;

export interface Status {
  readonly format: typeof STATUS_FORMAT;
  /** Version of the agent that answers. */
  readonly version: string;
  readonly now: Moment;
  readonly group: string;
  /** The node that answers. */
  readonly node: VoterName;
  /** The highest term this node knows. */
  readonly term: Term;
  /** Who owns `term`; null: nobody, or not known here. */
  readonly owner: VoterName | null;
  /** Who serves clients, as far as this node knows; null: nobody. */
  readonly active: VoterName | null;
  /** True when, to this node's knowledge, nobody accepts writes through the VIP. Monitoring should shout at this. */
  readonly noWriter: boolean;
  /** Since when there is no writer; null while there is one, or where the beginning is not known. */
  readonly noWriterSince: Moment | null;
  /** The answering node first. */
  readonly nodes: readonly NodeStatus[];
  readonly witnesses: readonly WitnessStatus[];
  readonly vips: readonly VipStatus[];
  /** Null: none is configured. */
  readonly standbyVip: StandbyVipStatus | null;
  readonly lease: LeaseStatus;
  readonly protection: Protection;
  readonly pause: PauseStatus;
  /** This node's checks: health scripts and built-ins (`database`, `links`). */
  readonly checks: readonly CheckStatus[];
  /** This node's database. */
  readonly database: DatabaseStatus;
  /** The newest change of who is active; null: none on record. */
  readonly lastChange: ChangeStatus | null;
  readonly counters: Counters;
  readonly hooks: HooksStatus;
  readonly journal: JournalStatus;
  readonly config: ConfigStatus;
  /** This node's HTTP server; null: none is configured. */
  readonly http: HttpStatus | null;
}

/** One database host. What is said of the peer is its last word: see `agent.heardMsAgo` for its age. */
export interface NodeStatus {
  readonly name: VoterName;
  readonly address: string;
  /** This is the node that answers. */
  readonly self: boolean;
  /** `unknown`: never heard since this agent started. */
  readonly role: Role | 'unknown';
  /** Serves clients. */
  readonly active: boolean;
  readonly health: Health;
  /** The first cause of a failed health, else empty. */
  readonly cause: string;
  /** Empty: fit to take over. Else the first reason why not. */
  readonly unfit: string;
  /** Of the peer only the names are known; see holds.ts for a sentence to each. */
  readonly holds: readonly Hold[];
  readonly priority: number;
  readonly term: Term;
  /** The newest term this node owned or replicated from. */
  readonly dataTerm: Term;
  /** Empty where unknown, or longer than a BEAT carries. */
  readonly position: Position;
  /** How far its replication is behind. */
  readonly lagMs: Millis | null;
  readonly replication: ReplicationStatus;
  readonly readOnly: boolean | null;
  readonly agent: AgentStatus;
  /** What it is doing just now, for people; else empty. */
  readonly progress: string;
  /** Since when it has had this role. */
  readonly since: Moment | null;
}

/** A node's channel from the other. */
export interface ReplicationStatus {
  /** Both threads run; null: unknown. */
  readonly running: boolean | null;
  /** Known of the answering node only. */
  readonly io: 'running' | 'connecting' | 'stopped' | null;
  readonly sql: 'running' | 'stopped' | null;
  /** The last error of a thread that an error stopped, else empty. */
  readonly error: string;
}

export interface AgentStatus {
  /** Heard within the lease; of the answering node always true. */
  readonly reachable: boolean;
  /** Age of its newest genuine frame; 0 for the answering node; null: never heard. */
  readonly heardMsAgo: Millis | null;
  /** The links to it; empty for the answering node. */
  readonly paths: readonly PathStatus[];
}

export interface PathStatus {
  /** Our address and its, `10.99.0.1 - 10.99.0.2`. */
  readonly name: string;
  readonly up: boolean;
  readonly heardMsAgo: Millis | null;
}

export interface WitnessStatus {
  readonly name: VoterName;
  readonly address: string;
  readonly reachable: boolean;
  readonly heardMsAgo: Millis | null;
  /** Its present promise as known here; null: none, or not known. */
  readonly promise: { readonly to: VoterName; readonly term: Term; readonly leftMs: Millis } | null;
}

export interface VipStatus {
  /** With prefix length, `10.99.0.100/24`. */
  readonly address: string;
  readonly interface: string;
  /** On this node's interface now, as the kernel says. */
  readonly present: boolean;
  /** When it was put on; null while it is absent. */
  readonly since: Moment | null;
  /** When it was last announced; null: not since the agent started. */
  readonly announced: Moment | null;
  /** What went wrong with it last, else empty. */
  readonly error: string;
}

/** The addresses that follow the standby. */
export interface StandbyVipStatus {
  /** Who has it, as far as this node knows; null: nobody. */
  readonly holder: VoterName | null;
  /** Why it is there, or why this node does not have it. */
  readonly why: string;
  readonly vips: readonly VipStatus[];
  readonly maxLagMs: Millis;
  /** Of the lease under which this node has it; null: it has not. */
  readonly leftMs: Millis | null;
  readonly guard: readonly GuardLayer[];
}

/** This node's lease. */
export interface LeaseStatus {
  readonly lengthMs: Millis;
  /** Null: this node holds none. */
  readonly leftMs: Millis | null;
}

/** What stands between this group and two writers, or a lost commit. */
export interface Protection {
  /** Every layer that the configuration asks for. */
  readonly guard: readonly GuardLayer[];
  readonly witnessed: boolean;
  /** True for a group without witnesses: each side of a partition can take the other for dead. */
  readonly partitionCanSplit: boolean;
  readonly semiSync: SemiSyncStatus;
  readonly fence: FenceStatus;
}

export interface GuardLayer {
  readonly name: 'nftables' | 'address';
  /**
   * On the active: would shut the VIP at the lease's end. On a standby: proven to work here, and shut. On both: no client whom
   * a planned move shut out is refused any longer than that wants it.
   */
  readonly armed: boolean;
  readonly detail: string;
}

export interface SemiSyncStatus {
  readonly mode: 'off' | 'monitor' | 'manage';
  /** In force on this node's server as the source; null: unknown, or this node is not active. */
  readonly on: boolean | null;
  /** What is recorded for the serving term: nothing acknowledged can be missing on the standby. */
  readonly sync: boolean | null;
  /** Replicas attached that acknowledge. */
  readonly replicas: number | null;
}

export interface FenceStatus {
  readonly configured: boolean;
  readonly required: boolean;
  /** How it ended last; null: never run. */
  readonly last: { readonly at: Moment; readonly ok: boolean; readonly detail: string } | null;
}

/** `leftMs` of `Pause`: when a `vipctl pause --for D` ends by itself. */
export interface PauseStatus extends Pause {
  readonly since: Moment | null;
}

export interface CheckStatus {
  readonly name: string;
  /** The verdict after fall and rise; null: no verdict yet. */
  readonly ok: boolean | null;
  readonly since: Moment | null;
  /** The newest result, one sentence: `exit status 2`, `no answer within 2s`. */
  readonly detail: string;
  /** What it printed, capped. */
  readonly output: string;
}

export interface DatabaseStatus {
  /** `unknown`: not asked yet. */
  readonly state: DatabaseReport['state'] | 'unknown';
  readonly detail: string;
  readonly readOnly: boolean | null;
  /** `MariaDB 10.11.6`; empty: unknown. */
  readonly version: string;
  readonly position: Position;
  /** Which events should run on this active and do not, and why; kept until `vipctl resume`. Else empty. */
  readonly events: string;
  /** Where its lag comes from; null: not known yet. */
  readonly lag: LagStatus | null;
}

/** What this node's server is busy with; of a standby also how long it would take to apply what it has received. */
export interface LagStatus {
  /** Transactions a second that it receives, or commits as the active; null: not known yet. */
  readonly writesPerSecond: number | null;
  /** Transactions a second that it applies while some wait; null: none waits, or not known yet. */
  readonly appliesPerSecond: number | null;
  /** Transactions received and not applied. */
  readonly backlog: number;
  /** Until those are applied, as a promotion would have to wait; null: it does not move. */
  readonly applyMs: Millis | null;
  /** Until it is level with its source, if both go on like this; null: never, or not known yet. */
  readonly catchUpMs: Millis | null;
  /** `promotion.catch_up_timeout`, which a promotion should not take longer than. */
  readonly timeoutMs: Millis;
  /** Age of the oldest open transaction, an applier's included; 0: none; null: not known. */
  readonly longestTransactionMs: Millis | null;
  /** Threads that apply in parallel, 0 where one applies all, and how many of them do just now; null: not known. */
  readonly workers: number | null;
  readonly busyWorkers: number | null;
}

/** A change of who is active, with what it took. */
export interface ChangeStatus {
  readonly at: Moment;
  /** Whose role changed; the peer, where this node only saw it. */
  readonly node: VoterName;
  readonly from: Role;
  readonly to: Role;
  /** Names the row of the transition table. */
  readonly cause: string;
  readonly text: string;
  readonly steps: readonly StepStatus[];
}

export interface StepStatus {
  readonly name: string;
  readonly ok: boolean;
  readonly tookMs: Millis;
  readonly text: string;
}

/** Since the agent started. */
export interface Counters {
  readonly framesAccepted: number;
  /** What was sent to each voter and accepted from it. */
  readonly frames: Readonly<Record<VoterName, VoterFrames>>;
  /** By cause. */
  readonly framesDropped: Readonly<Record<string, number>>;
  /** Times that the agent was not scheduled for longer than an interval. */
  readonly stalls: { readonly count: number; readonly longestMs: Millis };
  /** How often this node entered each role. */
  readonly roles: Readonly<Partial<Record<Role, number>>>;
  /** Entries of the journal by kind. */
  readonly journal: Readonly<Partial<Record<JournalEntry['kind'], number>>>;
}

/** Messages between this node and another voter. */
export interface VoterFrames {
  readonly sent: number;
  /** Genuine, and new. */
  readonly accepted: number;
  /**
   * The number of the newest of these. The voter numbers what it sends this node from 1 at its start, so it shows what was
   * lost on the way. 0: none has come since the voter, or this agent, started.
   */
  readonly newest: number;
}

export interface HooksStatus {
  /** The newest failure of each hook; kept until `vipctl resume` acknowledges them. */
  readonly failures: readonly HookFailure[];
}

export interface HookFailure {
  readonly at: Moment;
  readonly phase: string;
  /** File name of the hook. */
  readonly name: string;
  readonly detail: string;
}

/** This node's journal, which `vipctl history` tells. */
export interface JournalStatus {
  /** Why the disk does not take it; its lines wait meanwhile, and past a thousand new ones are dropped. Else empty. */
  readonly problem: string;
}

export interface ConfigStatus {
  readonly path: string;
  /** A digest of the file as loaded, to compare the nodes with; empty: unknown. */
  readonly version: string;
  /** When what is in force was read. */
  readonly loaded: Moment | null;
  /** The newest reload; null: none since the agent started. */
  readonly reload: ReloadStatus | null;
}

/** How a reload ended. One that was refused has changed nothing. */
export interface ReloadStatus {
  readonly at: Moment;
  readonly ok: boolean;
  /** What has changed, or why nothing was taken over. */
  readonly text: string;
  /** Each error with its place in the file, each change that needs a restart with what to do; where it is ok, warnings. */
  readonly details: readonly string[];
}

export interface HttpStatus {
  /** `127.0.0.1:8694`, as configured. */
  readonly listen: string;
  readonly listening: boolean;
  /** Why it does not listen; it is tried again for as long as it takes. Else empty. */
  readonly error: string;
}

/** One line of the journal, as `vipctl history --json` prints it. */
export interface HistoryEntry extends JournalEntry {
  /** The wall-clock text of `Moment`: entries outlive the boot that wrote them. */
  readonly at: string;
}
