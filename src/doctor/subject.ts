/** What all checks of the doctor look at: the configuration, and what the agents of both nodes say. */

import type { Facts } from '../agent/facts.js';
import type { VipdConfig } from '../config/types.js';
import type { Status } from '../control/status.js';

/** The other node's answer over the agents' channel. */
export type PeerAnswer =
  | { readonly kind: 'facts'; readonly facts: Facts; readonly askedWallMs: number }
  /** TCP: nothing came back. */
  | { readonly kind: 'silent' }
  /** TCP: the host says that nobody listens there. */
  | { readonly kind: 'refused' }
  /** Connected, and the other agent did not take our key, group or name. */
  | { readonly kind: 'not-trusted'; readonly why: string }
  /** Our own end cannot be had: no such address here. */
  | { readonly kind: 'unasked'; readonly why: string };

export interface Subject {
  readonly config: VipdConfig;
  /** Of the file as it is now. */
  readonly digest: string;
  /** Null: no agent answers on this host. */
  readonly status: Status | null;
  /** Null: it is not known whose rights the agent has. */
  readonly agentPid: number | null;
  readonly peer: PeerAnswer;
}

/** Where a setting of `net.ipv4` or `net.ipv6` is read. */
export type ReadSetting = (name: string) => string | null;
