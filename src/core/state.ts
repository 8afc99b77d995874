/** All that a node's core remembers. Every part is replaced, never changed in place. */

import type { Beat, Release, Role, Verdict, Wish, WishAnswer } from './message.js';
import type {
  CoreConfig,
  DatabaseReport,
  Health,
  Hold,
  HoldName,
  Instant,
  Millis,
  Opening,
  Position,
  Term,
  VoterName,
} from './types.js';
import type { VoterState } from './voter.js';

export interface NodeState {
  readonly config: CoreConfig;
  readonly role: Role;
  readonly roleSince: Instant;
  readonly startedAt: Instant;
  /** This node's own vote. */
  readonly voter: VoterState;
  /** Ids of steps; never used twice. */
  readonly nextId: number;
  readonly beats: Beats;
  readonly peer: PeerView;
  /** When anything was last heard of each witness. */
  readonly witnessHeard: ReadonlyMap<VoterName, Instant>;
  readonly database: DatabaseView;
  readonly checks: ReadonlyMap<string, CheckState>;
  /** Links that are down. */
  readonly linksDown: readonly string[];
  readonly holds: ReadonlyMap<HoldName, TimedHold>;
  readonly pauseUntil: Instant | null;
  /** The last write of the record failed; it is tried again at `retryAt`, null: that is under way. */
  readonly recordFault: { readonly detail: string; readonly retryAt: Instant | null } | null;
  /** Operators' words that wait for the disk; as many as the control socket lets wait. */
  readonly unanswered: readonly Unanswered[];
  /** Set while this node owns a term. */
  readonly owner: Ownership | null;
  readonly election: Election | null;
  readonly promotion: Promotion | null;
  readonly handoff: Handoff | null;
  readonly fencing: Fencing | null;
  /** RELEASEs being repeated, one of each term, the oldest first. */
  readonly releasing: readonly Releasing[];
  readonly following: Following;
  /** A planned move whose outcome is waited for: the peer is to become active. */
  readonly moving: Moving | null;
  /** The better candidate is given until then. */
  readonly yieldUntil: Instant | null;
  /** No candidacy before. */
  readonly retryAt: Instant;
  /** The highest term that votes were asked for: none is asked for twice, or a late answer would count anew. */
  readonly askedTerm: Term;
  readonly failedPromotions: number;
  /** Elections lost in a row: the wait between them grows. */
  readonly failedElections: number;
  /** The operator's word: become active, and accept what would be lost. */
  readonly order: { readonly commandId: number; readonly acceptLoss: boolean } | null;
  /** Unplanned changes of owner, newest last. */
  readonly failovers: readonly Instant[];
  readonly lastChangeAt: Instant | null;
  readonly lastOwner: { readonly name: VoterName; readonly term: Term } | null;
  /** A wish of an operator on this node, carried to the owner; and the answer to the peer's. */
  readonly wish: {
    readonly commandId: number;
    readonly wish: Wish;
    readonly until: Instant;
    /** The step that the operator was told last. */
    readonly told: string;
  } | null;
  readonly wishAnswer: WishAnswer;
  /** `stop` was asked; leaving as soon as nothing is held. */
  readonly stopping: { readonly commandId: number; readonly tried: boolean } | null;
  readonly evidence: EvidenceState;
  /** In a pair without a witness: this node stopped serving while the peer was there, which may have taken over unheard. */
  readonly mayBeReplaced: boolean;
  /** The peer may have served since then, by a vote of this node and unheard (`mayHaveServedSince`); null: it did not. */
  readonly unheardSince: Instant | null;
  readonly peerFence: PeerFence;
  /** Null: none is configured. */
  readonly standbyVip: StandbyVip | null;
  /** What was told last of each cause, so that it is told once; begins anew with each role. */
  readonly notices: ReadonlyMap<string, string>;
  readonly stalls: { readonly count: number; readonly longestMs: Millis };
  /** The newest stall: what is read until `until` may have lain there since `from`. Null: none yet. */
  readonly asleep: { readonly from: Instant; readonly until: Instant } | null;
  readonly witnessPollAt: Instant;
  /** This position is applied as the owner's final one. */
  readonly applied: Position;
}

export interface Beats {
  /** Number of the newest BEAT. */
  readonly last: number;
  readonly sentAt: Instant;
  readonly resentAt: Instant;
}

export interface PeerView {
  readonly beat: Beat | null;
  readonly heardAt: Instant;
  /** Its newest BEAT was sent no earlier than then, but for the time on the wire; before `heardAt` only after a stall. */
  readonly asOf: Instant;
  /** While it owned: our data had all that its BEAT named at this time. */
  readonly caughtUpAt: Instant | null;
  /** As `asOf`, of the newest BEAT that told a position: the text of an older one is kept. */
  readonly positionAsOf: Instant;
  /** It said that it serves, since our start. */
  readonly servedSeen: Term;
  readonly servedSince: Instant;
  /** Its last RELEASE, and when it came: until then it may have served, also unheard. */
  readonly release: Release | null;
  readonly releasedAt: Instant;
}

export interface DatabaseView {
  readonly report: DatabaseReport | null;
  readonly at: Instant;
  /** The newest known, kept when the server is gone. */
  readonly position: Position;
  readonly received: Position;
  /** Reports since a step last ended: one of before, or under way then, must not be judged as another hand's doing. */
  readonly seen: number;
  /** Results in a row that were not `ok`. */
  readonly failures: number;
  readonly successes: number;
  readonly health: Health;
  readonly cause: string;
  /** The replication channel has not run since. */
  readonly channelDownSince: Instant | null;
}

export interface CheckState {
  readonly health: Health;
  readonly failures: number;
  readonly successes: number;
  readonly detail: string;
  readonly since: Instant;
}

export interface TimedHold extends Hold {
  readonly since: Instant;
  /** Ends by itself; null: not by time. */
  readonly until: Instant | null;
}

export interface Ownership {
  readonly term: Term;
  readonly leaseUntil: Instant;
  /** BEATs not yet acknowledged by a majority, and the newest that is. */
  readonly unacked: readonly SentBeat[];
  /** A majority recorded that this term serves. */
  readonly served: boolean;
  readonly sync: boolean;
  /** SERVED? under way: no majority has recorded it yet. */
  readonly recording: Recording | null;
  /** What a majority has recorded: voters that have not yet are asked on. Null: nothing, or something else is under way. */
  readonly recorded: Recording | null;
  /** Where we stood when semi-sync had come into force; empty: it is not, or that was not seen yet. */
  readonly syncFrom: Position;
  /** Where we stood when the standby was seen to be attached, with semi-sync off; empty: it is not, or semi-sync is on. */
  readonly attachedAt: Position;
  readonly semiSyncStep: number | null;
  /**
   * Where the server stood when it went down while this term served: started anew it is read-only by its configuration, and by
   * no other hand. Null: it did not go down.
   */
  readonly wentDownAt: Position | null;
  readonly reopenStep: number | null;
  readonly reverseStep: number | null;
  readonly stepRetryAt: Instant;
  readonly reason: Opening;
}

/** What the voters are asked to record of our term. */
export interface Recording {
  readonly sync: boolean;
  readonly acks: ReadonlySet<VoterName>;
  readonly sentAt: Instant;
}

export interface SentBeat {
  readonly beat: number;
  readonly sentAt: Instant;
  readonly acks: ReadonlySet<VoterName>;
}

export interface Election {
  readonly phase: 'polling' | 'voting' | 'own-vote';
  readonly term: Term;
  readonly startedAt: Instant;
  /** When the first VOTE? left: what the lease is counted from. */
  readonly voteSentAt: Instant;
  readonly askedAt: Instant;
  readonly answers: ReadonlyMap<VoterName, Verdict>;
  /** Voters that refused for a time, and when it is over. */
  readonly askAgain: ReadonlyMap<VoterName, Instant>;
  /** The newest term that served, as the answers have it. */
  readonly servedTerm: Term;
  readonly reason: Opening;
}

export interface Promotion {
  readonly phase: 'prepare' | 'fence' | 'gate' | 'record' | 'open' | 'address';
  readonly phaseSince: Instant;
  readonly startedAt: Instant;
  readonly probeId: number | null;
  readonly catchUpId: number | null;
  readonly stepId: number | null;
  readonly catchUpUntil: Instant;
  readonly progress: string;
  /** When the operator who ordered it was told of it. */
  readonly toldAt: Instant;
  /** What voters and the RELEASE know of the last owner's data. */
  readonly lastPosition: Position;
  readonly lastSync: boolean;
  /** Every voter of our majority heard the last owner, and told where it stood. */
  readonly lastPositionTold: boolean;
  /** Where the silent peer's server was made read-only for this promotion; empty: it was not. */
  readonly shutAt: Position;
  /** The newest term that served before this one. */
  readonly servedBefore: Term;
  /** Null: not weighed yet. */
  readonly lossMs: Millis | null;
  /** Under way with the peer's agent beside its dead server. */
  readonly salvageId: number | null;
  /** `done`: everything in the dead server's binary logs is here. */
  readonly salvage: 'none' | 'done' | 'failed';
  /** Why it failed, and what can be done. */
  readonly salvageProblem: string;
  readonly acceptLoss: boolean;
  /** Of the database as it was made writable; empty: it was not, yet. */
  readonly openedAt: Position;
  readonly dataTermBefore: Term;
  /** The channel was stopped with what it had received, by the operator's word. */
  readonly channelGivenUp: boolean;
}

export interface Handoff {
  /** The pre-flight runs while the role is still `active`: it changes nothing. */
  readonly phase: 'preflight' | 'pre-demote' | 'demoting' | 'applying' | 'undoing';
  readonly cause: 'switchover' | 'check-failed' | 'stop';
  readonly dryRun: boolean;
  readonly stepId: number;
  readonly startedAt: Instant;
  readonly phaseSince: Instant;
  readonly until: Instant;
  readonly force: boolean;
  readonly timeoutMs: Millis;
  readonly finalPosition: Position;
  /** When the database began to refuse writes. */
  readonly demotedAt: Instant | null;
  readonly reason: string;
  /** 0: nobody waits for an answer. */
  readonly commandId: number;
  /** The peer's wish this answers; 0 none. */
  readonly wishId: number;
  readonly why: string;
}

export interface Moving {
  readonly planned: boolean;
  readonly commandId: number;
  readonly wishId: number;
  readonly startedAt: Instant;
  readonly outageFrom: Instant;
  readonly until: Instant;
}

export interface Fencing {
  readonly vipOffId: number | null;
  readonly vipOffRetryAt: Instant | null;
  /** The first attempt to take it off failed. */
  readonly vipStayed: boolean;
  readonly databaseId: number | null;
  readonly startedAt: Instant;
  readonly finalPosition: Position;
  readonly releaseBy: Instant;
  readonly released: boolean;
  readonly successor: VoterName | '';
  readonly reason: string;
  readonly databaseRetryAt: Instant | null;
  readonly term: Term;
  /** A promotion that had not made the database writable. */
  readonly unopened: boolean;
  /** Where the database stood when it was opened without the VIP following; empty: it was not. */
  readonly openedAt: Position;
  readonly goBack: Pick<Release, 'unserved' | 'servedTerm' | 'sync'>;
}

export interface Releasing {
  readonly message: Release;
  readonly unacked: readonly VoterName[];
  readonly sentAt: Instant;
  readonly until: Instant;
}

export interface Unanswered {
  readonly persistId: number;
  readonly commandId: number;
  readonly text: string;
  readonly until: Instant;
}

/** What a standby does with its database. */
export interface Following {
  /** Our data was compared with the owner of this term, and follows it: once each term, also where a channel runs already. */
  readonly term: Term;
  /** Steps failed in a row. */
  readonly failures: number;
  readonly step: {
    readonly id: number;
    readonly name: 'follow' | 'fence' | 'apply' | 'halt';
    readonly target: Position;
  } | null;
  /** The receiver was stopped at a final position, ahead of the promotion that stops the channel. */
  readonly halted: boolean;
  readonly retryAt: Instant;
}

/** The command that cuts off the peer: the run under way, and how the last one ended. */
export interface PeerFence {
  readonly stepId: number | null;
  readonly startedAt: Instant;
  readonly last: { readonly at: Instant; readonly ok: boolean; readonly detail: string } | null;
}

export interface StandbyVip {
  /** dropping: shut, and not known to be off yet. */
  readonly phase: 'off' | 'asking' | 'taking' | 'held' | 'dropping';
  readonly since: Instant;
  /** What the owner granted; an owner counts on its own lease besides. */
  readonly until: Instant;
  /** BEATs that asked, and may be answered by a grant still. */
  readonly asks: readonly { readonly beat: number; readonly sentAt: Instant }[];
  /** The newest BEAT that was granted. */
  readonly granted: number;
  readonly stepId: number | null;
  /** The step that was to put it on and was given up last. */
  readonly givenUpId: number | null;
  /** While dropping: the kernel lets nothing through any more from then on, whatever became of the step. */
  readonly shutBy: Instant;
  readonly offRetryAt: Instant;
  /** What our newest BEAT says of it. */
  readonly told: boolean;
  /** By what we granted, or may have granted before our start. */
  readonly peerMayHaveUntil: Instant;
  /** Nothing has spoken against this standby's having it since. */
  readonly eligibleSince: Instant | null;
  /** Steps failed in a row. */
  readonly failures: number;
  readonly retryAt: Instant;
  /** What the shell says against it; empty: nothing. */
  readonly unusable: string;
  /** Why it is where it is, for people. */
  readonly why: string;
}

export interface EvidenceState {
  readonly stepId: number | null;
  readonly askedAt: Instant;
  /** What was asked last: the peer's database too. */
  readonly fencePeer: boolean;
  /** Gateways have answered since; null: they did not when last asked, or a link has changed since. */
  readonly reachableSince: Instant | null;
  readonly verdict: 'unknown' | 'peer-dead' | 'peer-alive' | 'isolated';
  /** Where the peer's database ends, which we made read-only; empty: we did not. */
  readonly position: Position;
  readonly detail: string;
  readonly at: Instant;
}
