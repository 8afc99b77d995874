/** Everything the core can ask of the shell. The shell carries them out in the order given. */

import type { Message, Role } from './message.js';
import type { HookPhase, Millis, Position, Term, VoterName, VoterRecord } from './types.js';

export type Effect =
  | { readonly type: 'send'; readonly to: VoterName; readonly message: Message }
  /** Write with fsync, then answer with `persisted`. Later ones overtake none. */
  | { readonly type: 'persist'; readonly id: number; readonly record: VoterRecord }
  /** Ends with an `outcome` of the same id, whatever happens. */
  | { readonly type: 'run'; readonly id: number; readonly step: Step }
  /** Give up a running step; its outcome is not waited for any more. */
  | { readonly type: 'cancel'; readonly id: number }
  /** VIPs off and their sockets destroyed, now; waits for nothing. Ends with an `outcome`. */
  | { readonly type: 'vip-off'; readonly id: number }
  /** The same for the standby VIP. */
  | { readonly type: 'standby-vip-off'; readonly id: number }
  | { readonly type: 'journal'; readonly entry: JournalEntry }
  /** Answer of an operator's command; `done` ends it. */
  | { readonly type: 'reply'; readonly id: number; readonly done: boolean; readonly ok: boolean; readonly text: string }
  /** The agent may exit. */
  | { readonly type: 'exit' };

/** One thing the shell does that takes time. Each has a deadline of the shell's. */
export type Step =
  /** Read-only at its strongest, verified, client sessions killed. Answers the position. A database that is down is fenced. */
  | { readonly name: 'database-fence' }
  /**
   * As the first half of a switchover: events off, semi-sync off, read-only, sessions killed until none returns, position
   * stable. `force` kills what blocks it.
   */
  | { readonly name: 'database-demote'; readonly force: boolean; readonly timeoutMs: number }
  /** Nothing is changed: what would block a switchover. */
  | { readonly name: 'database-preflight' }
  /**
   * Apply what was received (up to `target`, or all there is), then stop the channel. `resume`: a receiver that was stopped
   * too early is started again for what is missing of `target`. Answers the position.
   */
  | {
      readonly name: 'database-catch-up';
      readonly target: Position | null;
      readonly stop: boolean;
      readonly resume?: boolean;
    }
  /** Pull from nobody for the moment; what was received goes on being applied. */
  | { readonly name: 'database-stop-receiver' }
  /** Pull from nobody any more, applied or not: the operator accepted what that loses. */
  | { readonly name: 'database-stop-channel' }
  /** Ask the peer's agent for what is in its dead server's binary logs and not here, and apply it. Answers the position. */
  | { readonly name: 'salvage'; readonly have: Position }
  /** Writable, read back, one probe write. */
  | { readonly name: 'database-open' }
  /** As a standby: compare with the active, and replicate from it where nothing is extra. */
  | { readonly name: 'database-follow'; readonly activePosition: Position }
  /** As the active: pull from the standby again, which was judged clean. */
  | { readonly name: 'database-open-reverse' }
  | { readonly name: 'database-semi-sync'; readonly on: boolean }
  | { readonly name: 'database-events-on' }
  /** Ask who answers for the VIPs; ok: nobody, or only the peer. */
  | { readonly name: 'vip-probe' }
  /** VIPs on, verified, announced. */
  | { readonly name: 'vip-on' }
  /** Nobody else answers for the standby VIP; then on under its lease, verified, announced. */
  | { readonly name: 'standby-vip-on' }
  | {
      readonly name: 'hook';
      readonly phase: HookPhase;
      readonly term: Term;
      readonly role: Role;
      readonly reason: string;
    }
  /** The operator's command that cuts off the peer for certain, under this deadline; ok: it is off. */
  | { readonly name: 'fence-peer'; readonly term: Term; readonly reason: string; readonly timeoutMs: Millis }
  /** Gateways, and with `fencePeer` the peer's database, made read-only if it answers. Ends with an `evidence` event first. */
  | { readonly name: 'gather-evidence'; readonly fencePeer: boolean };

export interface JournalEntry {
  readonly kind: 'transition' | 'refusal' | 'hold' | 'step' | 'notice' | 'alarm';
  readonly term: Term;
  readonly from?: Role;
  readonly to?: Role;
  /** Names the row, the hold or the step. */
  readonly cause: string;
  /** One sentence for people. */
  readonly text: string;
  /** Duration of a step. */
  readonly tookMs?: number;
}
