/** Everything that can happen to the core. */

import type { Message } from './message.js';
import type { DatabaseReport, LiveSettings, Position, VoterName } from './types.js';

export type Event =
  /** Time has passed. */
  | { readonly type: 'tick' }
  /** A frame that proved genuine and new. */
  | { readonly type: 'message'; readonly from: VoterName; readonly message: Message }
  /** A check's result: a health script, or a built-in of the shell. */
  | { readonly type: 'check'; readonly name: string; readonly ok: boolean; readonly detail: string }
  | { readonly type: 'database'; readonly report: DatabaseReport }
  /** A VIP's link, or the route to it, changed. */
  | { readonly type: 'link'; readonly name: string; readonly up: boolean }
  /** A VIP we hold was taken off by somebody, and has been put back (or could not be). */
  | { readonly type: 'vip-lost'; readonly address: string; readonly restored: boolean }
  /** Why the standby VIP cannot be had on this host: a link that is down, a guard that cannot be used. Empty: it can. */
  | { readonly type: 'standby-vip-usable'; readonly why: string }
  /** The standby VIP that we hold is shut already, or could not be put back. */
  | { readonly type: 'standby-vip-lost'; readonly detail: string }
  /** The agent was not scheduled for this long. */
  | { readonly type: 'stall'; readonly forMs: number }
  /** A step the core asked for has ended. */
  | { readonly type: 'outcome'; readonly id: number; readonly outcome: Outcome }
  /** Progress of a step, so that its deadline is extended. */
  | { readonly type: 'progress'; readonly id: number; readonly text: string }
  | { readonly type: 'persisted'; readonly id: number; readonly ok: boolean; readonly detail: string }
  /** Without a witness: what speaks for and against the peer's death. */
  /** Of the step `gather-evidence`, before its outcome. */
  | { readonly type: 'evidence'; readonly id: number; readonly evidence: Evidence }
  /** Other settings from now on, and the links that carry the VIPs from now on. */
  | { readonly type: 'reconfigured'; readonly settings: LiveSettings; readonly links: readonly string[] }
  | { readonly type: 'command'; readonly id: number; readonly command: Command };

export type Outcome =
  | {
      readonly ok: true;
      readonly detail: string;
      readonly position?: Position;
      /** Of a catch-up: where the silent peer's server stands, which was made read-only for it. */
      readonly shutAt?: Position;
    }
  | { readonly ok: false; readonly detail: string };

export interface Evidence {
  readonly gateways: 'answer' | 'silent' | 'none';
  readonly peerDatabase: 'silent' | 'made-read-only' | 'refuses';
  /** Where it stands, once it was made read-only and its sessions are ended. */
  readonly position?: Position;
  readonly detail: string;
}

/** An operator's word. */
export type Command =
  | { readonly name: 'switchover'; readonly dryRun: boolean; readonly force: boolean; readonly timeoutMs: number }
  | { readonly name: 'promote'; readonly acceptLoss: boolean }
  | { readonly name: 'pause'; readonly forMs: number }
  | { readonly name: 'resume' }
  | { readonly name: 'maintenance'; readonly on: boolean }
  | { readonly name: 'stop' };
