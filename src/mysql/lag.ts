/**
 * How long a replica has not applied what it received, by a clock of ours.
 *
 * `Seconds_Behind_Source` is the difference of two wall clocks: where one of them is set back by a day, an idle replica is
 * a day behind (server manual, SHOW REPLICA STATUS). No decision may come of that.
 */

import { containsPosition } from '../core/position.js';
import type { Instant, Millis, Position } from '../core/types.js';

export interface LagMeter {
  /** Answers the age of the oldest that was received and is not applied; 0: all is applied. */
  readonly read: (received: Position, applied: Position, now: Instant) => Millis;
}

interface Sample {
  readonly received: Position;
  /** When it was first seen. */
  readonly at: Instant;
}

/** A minute of polls. Past it they are kept at twice the distance, and the age is told that much too low. */
const SAMPLES_LIMIT = 600;

export const createLagMeter = (): LagMeter => {
  let samples: readonly Sample[] = [];
  let apartMs: Millis = 0;

  const note = (received: Position, now: Instant): void => {
    const last = samples.at(-1);
    if (received === '' || received === last?.received) return;
    // A rebuilt server, or one that lost its relay logs in a restart: it will never apply what it does not have any more.
    const begunAnew = last !== undefined && !containsPosition(received, last.received);
    if (begunAnew) samples = [];
    if (last && !begunAnew && now - last.at < apartMs) return;
    samples = [...samples, { received, at: now }];
    if (samples.length <= SAMPLES_LIMIT) return;
    samples = samples.filter((_, index) => index % 2 === 0);
    apartMs = (now - (samples[0]?.at ?? now)) / samples.length;
  };

  return {
    read: (received, applied, now) => {
      note(received, now);
      const oldest = samples.findIndex((sample) => !containsPosition(applied, sample.received));
      const waiting = samples[oldest];
      samples = samples.slice(oldest);
      if (waiting) return now - waiting.at;
      apartMs = 0;
      return 0;
    },
  };
};
