/** What can go wrong in a run, and what operators say: data, so that a run can be told, repeated and made smaller. */

import type { Step } from '../../src/core/effect.js';
import type { Command } from '../../src/core/event.js';

/** Begins at `at` and lasts `forMs`, both in milliseconds of true time; what ends by itself lasts 0. */
export type Fault = { readonly at: number; readonly forMs: number } & Kind;

export type Kind =
  /** Nothing gets from one host to another; `of: replication` is the channel between the servers only. */
  | { readonly kind: 'cut'; readonly from: string; readonly to: string; readonly of: 'all' | 'frames' | 'replication' }
  | { readonly kind: 'isolate'; readonly host: string }
  /** No gateway answers this host; the other members do. */
  | { readonly kind: 'gateways-silent'; readonly host: string }
  | { readonly kind: 'loss'; readonly from: string; readonly rate: number }
  | { readonly kind: 'delay'; readonly from: string; readonly upToMs: number }
  | { readonly kind: 'duplicate'; readonly from: string; readonly rate: number }
  /** kill -9. With `cleanup` the service manager takes the VIP down and the database read-only after it. */
  | { readonly kind: 'agent-kill'; readonly host: string; readonly cleanup: boolean }
  /** SIGSTOP and SIGCONT; `midway`: between a decision and its effects. */
  | { readonly kind: 'agent-stop'; readonly host: string; readonly midway: boolean }
  /** The hypervisor stops the machine: its clocks stand still. */
  | { readonly kind: 'machine-freeze'; readonly host: string }
  | { readonly kind: 'power-off'; readonly host: string; readonly torn: boolean }
  /** The record cannot be read at the next start, which follows at once. */
  | { readonly kind: 'record-lost'; readonly host: string }
  | { readonly kind: 'mysqld-kill'; readonly host: string }
  | { readonly kind: 'mysqld-hang'; readonly host: string }
  | { readonly kind: 'steps-slow'; readonly host: string; readonly upToMs: number }
  | { readonly kind: 'steps-fail'; readonly host: string; readonly step: Step['name']; readonly hangs: boolean }
  | { readonly kind: 'applier-stuck'; readonly host: string }
  /** The channel to this host carries one commit at a time. */
  | { readonly kind: 'channel-slow'; readonly host: string }
  | { readonly kind: 'disk-slow'; readonly host: string; readonly upToMs: number }
  | { readonly kind: 'disk-full'; readonly host: string }
  | { readonly kind: 'check-fails'; readonly host: string }
  | { readonly kind: 'link-down'; readonly host: string }
  | { readonly kind: 'vip-lost'; readonly host: string; readonly restored: boolean }
  /** The kernel refuses to take the address off and to shut the guard. */
  | { readonly kind: 'vip-stuck'; readonly host: string }
  /** Another hand changes the server. */
  | { readonly kind: 'made-read-only'; readonly host: string }
  | { readonly kind: 'made-writable'; readonly host: string }
  | { readonly kind: 'operator'; readonly host: string; readonly command: Command };

export const describeFault = (fault: Fault): string => {
  const { at, forMs, kind, ...rest } = fault;
  const details = Object.entries(rest).map(([key, value]) =>
    key === 'host' ? `${value}` : `${key}=${typeof value === 'object' ? JSON.stringify(value) : `${value}`}`,
  );
  const duration = forMs > 0 ? ` for ${forMs} ms` : '';
  return `${String(at).padStart(6)} ${kind} ${details.join(' ')}${duration}`;
};
