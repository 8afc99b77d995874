/** Rules on times: what cannot work together is refused with its reason, never adjusted in silence. */

import { CLOCK_DRIFT, countedLease } from '../core/timing.js';
import { formatDuration } from './duration.js';
import { type Path, type Problem, wrongAt } from './problem.js';
import type { VipdFile } from './schema.js';

/** The guard in the kernel is set to shut this long before the lease ends. */
export const GUARD_MARGIN_MS = 10;

/** The guard must outlast an interval by half of one, or it shuts between two renewals that are only a little late. */
const GUARD_OUTLASTS_INTERVALS = 1.5;

/** After a death nobody can take over for a lease, and a witness that restarted is mute for one. */
export const MAX_LEASE_MS = 60_000;

/** A lease shorter than this ends in a garbage collection, or in a busy host's scheduling delay. */
export const COMFORTABLE_LEASE_MS = 100;

/** How long the guard stays open after a renewal, at the most. */
export const guardOpenMs = (leaseMs: number): number => countedLease(leaseMs) - GUARD_MARGIN_MS;

export const checkTimings = (file: Partial<VipdFile>): readonly Problem[] => [
  ...checkLease(file),
  ...checkTimeouts(file),
  ...checkMoves(file),
  ...checkLoss(file),
];

const checkLease = ({ heartbeat }: Partial<VipdFile>): readonly Problem[] => {
  if (heartbeat === undefined) return [];
  const { interval, dead_after: deadAfter } = heartbeat;
  const leaseMs = interval * deadAfter;
  const sum = `${formatDuration(interval)} × ${deadAfter} makes a lease of ${formatDuration(leaseMs)}`;
  const path: Path = ['heartbeat', 'dead_after'];
  if (leaseMs > MAX_LEASE_MS) {
    const why = `${sum}, and for so long nobody could take over from a dead host`;
    const fitting = Math.floor(MAX_LEASE_MS / interval);
    return [wrongAt(path, why, `write at most ${fitting}, or a shorter heartbeat.interval`)];
  }
  const neededMs = GUARD_OUTLASTS_INTERVALS * interval;
  if (guardOpenMs(leaseMs) >= neededMs) return [];
  const open = Math.max(0, Math.floor(guardOpenMs(leaseMs)));
  const why = `${sum}; less ${CLOCK_DRIFT * 100} % for clock drift and ${GUARD_MARGIN_MS}ms for the guard, ${open}ms are left, which the next heartbeat could miss`;
  const fitting = Math.ceil((neededMs + GUARD_MARGIN_MS) / (1 - CLOCK_DRIFT) / interval);
  return [wrongAt(path, why, `write ${fitting} or more, or a longer heartbeat.interval`)];
};

/** Runs of one check do not overlap, so one that may outlast its interval would never be run at it. */
const checkTimeouts = ({ mysql, checks }: Partial<VipdFile>): readonly Problem[] => {
  const probes = [
    ...(mysql === undefined ? [] : [{ path: ['mysql', 'check'], ...mysql.check }]),
    ...(checks ?? []).map((check, index) => ({ path: ['checks', index], ...check })),
  ];
  return probes.flatMap(({ path, interval, timeout }) => {
    if (timeout <= interval) return [];
    const why = `${formatDuration(timeout)} is longer than the interval of ${formatDuration(interval)}, and runs do not overlap`;
    return [wrongAt([...path, 'timeout'], why, `write at most ${formatDuration(interval)}, or a longer interval`)];
  });
};

const checkMoves = ({ moves, heartbeat }: Partial<VipdFile>): readonly Problem[] => {
  if (moves === undefined) return [];
  const problems: Problem[] = [];
  const window = formatDuration(moves.window);
  if (moves.cooldown >= moves.window) {
    const why = `${formatDuration(moves.cooldown)} is not shorter than the window of ${window}, in which max_failovers could then count one move of a health script at most`;
    problems.push(wrongAt(['moves', 'cooldown'], why, `write less than ${window}, or a longer window`));
  }
  if (heartbeat === undefined) return problems;
  const leaseMs = heartbeat.interval * heartbeat.dead_after;
  const leastMs = leaseMs * (moves.max_failovers + 1);
  if (leastMs > moves.window) {
    const why = `${window} has no room for more than ${moves.max_failovers} failovers of one lease (${formatDuration(leaseMs)}) each, so they would never be too many`;
    problems.push(
      wrongAt(['moves', 'window'], why, `write at least ${formatDuration(leastMs)}, or a smaller max_failovers`),
    );
  }
  return problems;
};

/** What the standby knows of the active's position is as old as the last heartbeat. */
const checkLoss = ({ promotion, heartbeat }: Partial<VipdFile>): readonly Problem[] => {
  const maxLoss = promotion?.max_loss;
  if (heartbeat === undefined || maxLoss === undefined || maxLoss === 'any' || maxLoss === 0) return [];
  if (maxLoss >= heartbeat.interval) return [];
  const interval = formatDuration(heartbeat.interval);
  const why = `${formatDuration(maxLoss)} is shorter than heartbeat.interval (${interval}), and a loss is known no finer than that`;
  return [wrongAt(['promotion', 'max_loss'], why, `write 0s, ${interval} or more, or any`)];
};
