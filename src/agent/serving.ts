/** Whether this node serves clients just now, told to all who have to know: database, guard, HTTP, service manager. */

import type { NodeState } from '../core/state.js';
import type { Instant } from '../core/types.js';
import type { ServiceManager } from '../host/systemd.js';
import { hasWriter } from './status.js';

export interface ServingOptions {
  readonly now: () => Instant;
  readonly service: ServiceManager;
  /** The database is probed by a write. */
  readonly probeWrites: (serves: boolean) => void;
  /** New connections to the VIP are refused. */
  readonly rejectNew: (rejects: boolean) => void;
  /** Until when this node may call itself active; 0: it may not. */
  readonly servesUntil: (until: Instant) => void;
}

export interface Serving {
  /** After every event. */
  readonly settled: (state: NodeState) => void;
  /** Since when nobody accepts writes through the VIP; null: somebody does. */
  readonly noWriterSince: (state: NodeState) => Instant | null;
}

/** Until when this node may say that it serves clients; 0: it does not. Once a planned move shuts them out, none should come. */
export const servesUntil = (state: NodeState): Instant =>
  state.role === 'active' || (state.role === 'handing-off' && state.handoff?.phase === 'pre-demote')
    ? (state.owner?.leaseUntil ?? 0)
    : 0;

export const createServing = (options: ServingOptions): Serving => {
  const { now, service } = options;
  let without: Instant | null = now();
  let serving = false;
  let rejecting = false;
  let summary = '';
  return {
    settled: (state) => {
      // The write probe would fail, or write, while the database is being made read-only.
      const until = servesUntil(state);
      const serves = until > 0;
      if (serves !== serving) options.probeWrites(serves);
      serving = serves;
      const rejects = state.handoff?.phase === 'demoting' || state.handoff?.phase === 'applying';
      if (rejects !== rejecting) options.rejectNew(rejects);
      rejecting = rejects;
      options.servesUntil(until);
      without = hasWriter(state, now()) ? null : (without ?? now());
      const text = `${state.role}, term ${state.owner?.term ?? state.voter.record?.maxTerm ?? 0}`;
      if (text !== summary) service.status(text);
      summary = text;
      service.pet();
    },
    noWriterSince: (state) => (hasWriter(state, now()) ? null : without),
  };
};
