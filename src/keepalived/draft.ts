/** The vipd.yaml that an import makes, before it is written. */

/** Stands for what only the operator knows; check-config refuses it wherever an address or a path belongs. */
export const FILL_IN = 'FILL-IN';

export interface NodeDraft {
  readonly name: string;
  readonly address: string;
  readonly priority: number | null;
}

export interface VipDraft {
  /** With its prefix length. */
  readonly address: string;
  readonly interface: string;
}

export interface CheckDraft {
  readonly name: string;
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly fall: number;
  readonly rise: number;
  readonly user: string;
}

/** Phases that keepalived's notify scripts map to (src/core/types.ts has them all). */
export type NotifyPhase = 'post-promote' | 'post-demote' | 'hold';

export interface HookDraft {
  readonly phase: NotifyPhase;
  /** File name by run-parts' rule: letters, digits, `_` and `-`. */
  readonly name: string;
  readonly command: readonly string[];
  /** Whether keepalived added arguments of its own, so that vipd's three are handed on. */
  readonly takesArguments: boolean;
}

export interface WitnessDraft {
  readonly name: string;
  readonly address: string;
}

export interface Draft {
  readonly group: string;
  readonly nodes: readonly [NodeDraft, NodeDraft];
  readonly witness: WitnessDraft | null;
  readonly gateway: string | null;
  readonly vips: readonly VipDraft[];
  /** Addresses of the two nodes on further links. */
  readonly paths: readonly (readonly [string, string])[];
  readonly heartbeat: { readonly intervalMs: number; readonly deadAfter: number };
  readonly checks: readonly CheckDraft[];
  readonly hooks: readonly HookDraft[];
  /** What is to be done before the file can be used, besides the fixed list. */
  readonly todo: readonly string[];
}
