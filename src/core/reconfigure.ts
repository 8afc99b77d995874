/** Settings that change while the node runs, and what that makes of what was counted under the old ones. */

import { initialChecks } from './health.js';
import { set, type Turn, unhold } from './turn.js';
import type { CoreConfig, LiveSettings } from './types.js';

/**
 * The part of a configuration that a running node may take over. Who votes and for how long they promise is not among it:
 * majorities of two sets of voters need not share one, and a lease is counted from BEATs that asked for its length.
 */
export const liveSettings = (config: LiveSettings): LiveSettings => ({
  priority: config.priority,
  peerPriority: config.peerPriority,
  gateways: config.gateways,
  checks: config.checks,
  cooldownMs: config.cooldownMs,
  maxFailovers: config.maxFailovers,
  failoverWindowMs: config.failoverWindowMs,
  catchUpTimeoutMs: config.catchUpTimeoutMs,
  salvage: config.salvage,
  maxLossMs: config.maxLossMs,
  hookPhases: config.hookPhases,
  standbyVip: config.standbyVip,
});

/** A check that both settings have keeps its verdict, a new one has to rise first; a link without a VIP is no one's concern. */
export const onReconfigured = (turn: Turn, settings: LiveSettings, links: readonly string[]): void => {
  const { s, now } = turn;
  const config: CoreConfig = { ...s.config, ...liveSettings(settings) };
  const checks = new Map([...initialChecks(config, now)].map(([name, fresh]) => [name, s.checks.get(name) ?? fresh]));
  set(turn, { config, checks, linksDown: s.linksDown.filter((link) => links.includes(link)) });
  // What may be lost is weighed anew.
  if (config.maxLossMs !== s.config.maxLossMs) unhold(turn, 'loss');
};
