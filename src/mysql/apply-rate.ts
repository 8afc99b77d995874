/** How fast transactions arrive and are applied, from positions that the probe has read anyway, and how long the rest will take. */

import { countMissing } from '../core/position.js';
import type { Instant, Millis, Position } from '../core/types.js';

export interface Rates {
  /** Transactions a second that this server received, or committed itself; null: not known yet. */
  readonly writesPerSecond: number | null;
  /** Transactions a second that it applied, while some waited; null: none waited, or not known yet. */
  readonly appliesPerSecond: number | null;
  /** Transactions received and not applied. */
  readonly backlog: number;
  /** Until what has been received is applied, as a promotion would have to wait; null: it does not move. */
  readonly applyMs: Millis | null;
  /** Until it is level with a source that goes on writing like this; null: never, like this. */
  readonly catchUpMs: Millis | null;
}

export interface RateMeter {
  readonly note: (received: Position, applied: Position, now: Instant) => void;
  /** Undefined before the first note. */
  readonly read: () => Rates | undefined;
}

interface Sample {
  readonly at: Instant;
  readonly received: Position;
  readonly applied: Position;
  readonly backlog: number;
}

/** Long enough to even out bursts, short enough to follow a change. */
const WINDOW_MS = 10_000;
const MAX_SAMPLES = 100;
const PER_SECOND = 1_000;

export const createRateMeter = (): RateMeter => {
  let samples: readonly Sample[] = [];
  return {
    note: (received, applied, now) => {
      const backlog = countAhead(received, applied);
      const kept = samples.filter(({ at }) => now - at <= WINDOW_MS).slice(1 - MAX_SAMPLES);
      samples = [...kept, { at: now, received, applied, backlog }];
    },
    read: () => {
      const last = samples.at(-1);
      if (last === undefined) return undefined;
      const writes = rateBetween(samples[0], last, 'received');
      const { backlog } = last;
      if (backlog === 0) return { writesPerSecond: writes, appliesPerSecond: null, backlog, applyMs: 0, catchUpMs: 0 };
      // An applier that waits for work shows how much comes in, and not how much it could do.
      const busySince = samples.slice(samples.findLastIndex((sample) => sample.backlog === 0) + 1);
      const applies = rateBetween(busySince[0], last, 'applied');
      return {
        writesPerSecond: writes,
        appliesPerSecond: applies,
        backlog,
        applyMs: timeFor(backlog, applies ?? 0),
        catchUpMs: timeFor(backlog, (applies ?? 0) - (writes ?? 0)),
      };
    },
  };
};

const rateBetween = (first: Sample | undefined, last: Sample, what: 'received' | 'applied'): number | null => {
  if (first === undefined || last.at <= first.at) return null;
  return (countAhead(last[what], first[what]) * PER_SECOND) / (last.at - first.at);
};

const timeFor = (count: number, perSecond: number): Millis | null =>
  perSecond > 0 ? Math.round((count / perSecond) * PER_SECOND) : null;

/** On MariaDB the servers of a domain share its sequence numbers, so that those of one are not what another has committed. */
const countAhead = (a: Position, b: Position): number => {
  if (!a.startsWith('mariadb:')) return countMissing(a, b);
  const before = lastOfDomains(b);
  return [...lastOfDomains(a)].reduce((sum, [domain, last]) => sum + Math.max(0, last - (before.get(domain) ?? 0)), 0);
};

const lastOfDomains = (position: Position): ReadonlyMap<string, number> => {
  const last = new Map<string, number>();
  for (const [, domain = '', sequence = '0'] of position.matchAll(/(\d+)-\d+-(\d+)/g))
    last.set(domain, Math.max(last.get(domain) ?? 0, Number(sequence)));
  return last;
};
