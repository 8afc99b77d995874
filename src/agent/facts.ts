/** What an agent tells the doctor on the other node: its settings, whom it hears, and what its host is like. */

import { z } from 'zod';
import { formatDuration } from '../config/duration.js';
import type { VipdConfig } from '../config/types.js';
import type { NodeState } from '../core/state.js';
import type { Instant, Millis } from '../core/types.js';
import { listInterfaces, withRouteChannel } from '../net/interfaces.js';

/** The purpose by which the agents' channel knows the question. */
export const DOCTOR = 'doctor';

const factsSchema = z.object({
  version: z.string(),
  /** Of its wall clock, for comparing logs; no decision reads it. */
  wallMs: z.number(),
  /** What both nodes should say alike, by key. */
  settings: z.record(z.string(), z.string()).readonly(),
  /** Age of the newest genuine frame by member; null: none yet. */
  heard: z.record(z.string(), z.number().nullable()).readonly(),
  /** Of the links that carry VIPs. */
  mtus: z.array(z.number()).readonly(),
});

export type Facts = z.output<typeof factsSchema>;

/** Null where the other agent speaks of something else. */
export const parseFacts = (value: unknown): Facts | null => factsSchema.safeParse(value).data ?? null;

export const collectFacts = (
  version: string,
  config: VipdConfig,
  state: NodeState | null,
  now: Instant,
  wallMs: Millis,
): Facts => {
  const ageOf = (at: Instant | undefined): number | null =>
    at === undefined || !Number.isFinite(at) ? null : Math.max(0, Math.round(now - at));
  const witnesses = config.witnesses.map(({ name }) => [name, ageOf(state?.witnessHeard.get(name))] as const);
  return {
    version,
    wallMs,
    settings: sharedSettings(config),
    heard: { [config.peer.name]: ageOf(state?.peer.heardAt), ...Object.fromEntries(witnesses) },
    mtus: mtusOf(config),
  };
};

/** Of those links that are there. */
export const mtusOf = ({ vips }: VipdConfig): readonly number[] =>
  withRouteChannel('reading the MTU', (channel) =>
    listInterfaces(channel)
      .filter((link) => vips.some((vip) => vip.interface === link.name))
      .flatMap((link) => link.mtu ?? []),
  );

/** The settings that two nodes of a group should have alike, as text; an interface may be called otherwise on each. */
export const sharedSettings = (config: VipdConfig): Readonly<Record<string, string>> => {
  const { self, peer, heartbeat, mysql, moves, promotion, standbyVip } = config;
  const nodes = [self, peer].sort((a, b) => a.name.localeCompare(b.name));
  const { maxLossMs } = promotion;
  return {
    group: config.group,
    nodes: nodes.map(({ name, address, priority }) => `${name} ${address} priority ${priority}`).join(', '),
    witnesses:
      config.witnesses.map(({ name, address, port }) => `${name} ${address} port ${port}`).join(', ') || 'none',
    vip: config.vips.map(({ address, prefixLength }) => `${address}/${prefixLength}`).join(', '),
    standby_vip: standbyVip
      ? standbyVip.vips.map(({ address, prefixLength }) => `${address}/${prefixLength}`).join(', ')
      : 'none',
    'heartbeat.port': String(heartbeat.port),
    'heartbeat.interval': formatDuration(heartbeat.intervalMs),
    'heartbeat.dead_after': String(heartbeat.deadAfter),
    'heartbeat.paths': heartbeat.paths
      .map((path) => [path.self.address, path.peer.address].sort().join(' - '))
      .join(', '),
    guard: config.guard,
    'mysql.port': String(mysql.port),
    'mysql.semi_sync': mysql.semiSync,
    'moves.cooldown': formatDuration(moves.cooldownMs),
    'moves.max_failovers': String(moves.maxFailovers),
    'moves.window': formatDuration(moves.windowMs),
    'promotion.catch_up_timeout': formatDuration(promotion.catchUpTimeoutMs),
    'promotion.salvage': String(promotion.salvage),
    'promotion.max_loss': maxLossMs === 'any' ? 'any' : formatDuration(maxLossMs),
    'agents.port': String(config.agents.port),
  };
};
