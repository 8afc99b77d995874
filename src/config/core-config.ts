/** Hands the core its part of the configuration. */

import { addressPromiseMs } from '../core/timing.js';
import type { CoreConfig, HookPhase } from '../core/types.js';
import type { VipdConfig } from './types.js';

/** `hookPhases`: the phases whose hook directory holds something to run; `boot` names this boot of the host. */
export const toCoreConfig = (config: VipdConfig, hookPhases: readonly HookPhase[], boot: string): CoreConfig => ({
  group: config.group,
  self: config.self.name,
  boot,
  peer: config.peer.name,
  witnesses: config.witnesses.map(({ name }) => name),
  priority: config.self.priority,
  peerPriority: config.peer.priority,
  intervalMs: config.heartbeat.intervalMs,
  leaseMs: config.heartbeat.leaseMs,
  promiseMs: promiseMsOf(config),
  gateways: config.gateways.length > 0,
  semiSync: config.mysql.semiSync,
  checks: {
    database: { fall: config.mysql.check.fall, rise: config.mysql.check.rise },
    ...Object.fromEntries(config.checks.map(({ name, fall, rise }) => [name, { fall, rise }])),
  },
  cooldownMs: config.moves.cooldownMs,
  maxFailovers: config.moves.maxFailovers,
  failoverWindowMs: config.moves.windowMs,
  salvage: config.promotion.salvage,
  catchUpTimeoutMs: config.promotion.catchUpTimeoutMs,
  maxLossMs: config.promotion.maxLossMs,
  fence: config.fence === null ? null : { required: config.fence.required, timeoutMs: config.fence.timeoutMs },
  hookPhases,
  standbyVip: config.standbyVip && { maxLagMs: config.standbyVip.maxLagMs },
});

/** What voters are asked to promise, in milliseconds. */
export const promiseMsOf = ({ heartbeat, guard }: VipdConfig): number =>
  guard === 'address' ? addressPromiseMs(heartbeat.leaseMs) : heartbeat.leaseMs;
