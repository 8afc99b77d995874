/** Where a replica's lag comes from, beside its length: rates, workers, long transactions. Nothing is decided by it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Instant, Millis } from '../core/types.js';
import { createRateMeter, type Rates } from './apply-rate.js';
import type { ServerStatus } from './flavour.js';
import type { Links } from './links.js';

/** What only a question of its own tells. */
export interface ServerLoad {
  /** Age of the oldest open transaction, that of an applier included; 0: none is open. */
  readonly longestTransactionMs: Millis;
  /** Threads that apply in parallel; 0: one thread applies all. */
  readonly workers: number;
  /** Those of them that apply something now. */
  readonly busyWorkers: number;
}

export interface LagSources extends Rates {
  /** Null: not asked yet, or it did not answer. */
  readonly load: ServerLoad | null;
}

export interface LagWatch {
  /** Once in each check interval, with what the probe has read. */
  readonly note: (status: ServerStatus, now: Instant) => void;
  /** Undefined: nothing was read yet. Waits for the server no longer than ANSWER_MS, then tells what it said last. */
  readonly read: (now: Instant) => Promise<LagSources | undefined>;
}

/** Whoever looks waits for the load no longer than this. */
const ANSWER_MS = 200;

/**
 * The load is asked for only where somebody looks, and then no more than once in each check interval: to list open
 * transactions is work inside a server that commits ten thousand times a second. On a connection of its own: where it hangs, no
 * other waits for it, and none is asked behind it.
 */
export const createLagWatch = (
  links: Links,
  settings: () => { readonly intervalMs: Millis; readonly timeoutMs: Millis },
): LagWatch => {
  const meter = createRateMeter();
  let load: ServerLoad | null = null;
  let askedAt: Instant = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  const ask = async (): Promise<void> => {
    const { timeoutMs } = settings();
    try {
      const { session, flavour } = await links.get('load', timeoutMs);
      load = await flavour.readLoad((sql) => session.query(sql, timeoutMs));
    } catch {
      // Whatever is wrong with the server is the probe's to find.
      load = null;
    } finally {
      asking = undefined;
    }
  };

  return {
    note: ({ channel, position }, now) => meter.note(channel?.received ?? position, position, now),
    read: async (now) => {
      const rates = meter.read();
      if (rates === undefined) return undefined;
      if (asking === undefined && now - askedAt >= settings().intervalMs) {
        askedAt = now;
        asking = ask();
      }
      if (asking !== undefined) await Promise.race([asking, sleep(ANSWER_MS)]);
      return { ...rates, load };
    },
  };
};
