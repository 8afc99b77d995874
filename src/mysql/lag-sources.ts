/** Where a replica's lag comes from, beside its length: rates, workers, long transactions. Nothing is decided by it. */

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
  /** Undefined: nothing was read yet. */
  readonly read: () => LagSources | undefined;
}

/**
 * One question in each check interval, on a connection of its own: where it hangs, no other waits for it, and none is asked
 * behind it.
 */
export const createLagWatch = (links: Links, timeoutMs: () => Millis): LagWatch => {
  const meter = createRateMeter();
  let load: ServerLoad | null = null;
  let asking = false;

  const ask = async (): Promise<void> => {
    asking = true;
    try {
      const { session, flavour } = await links.get('load', timeoutMs());
      load = await flavour.readLoad((sql) => session.query(sql, timeoutMs()));
    } catch {
      // Whatever is wrong with the server is the probe's to find.
      load = null;
    } finally {
      asking = false;
    }
  };

  return {
    note: ({ channel, position }, now) => {
      meter.note(channel?.received ?? position, position, now);
      if (!asking) void ask();
    },
    read: () => {
      const rates = meter.read();
      return rates === undefined ? undefined : { ...rates, load };
    },
  };
};
