/** One measurement: a fresh pair under load, one fault, and what clients saw of it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { allAttempts, type Rows, rowsOf } from '../lab/checks.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { type Attempt, longestOutage, monotonicMs } from '../lab/load.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import type { Fault } from './fault.js';
import type { Running, System } from './system.js';

/** Writes flow before the fault, and long enough after it for a second writer to show, and what was received to be applied. */
const BEFORE_MS = 500;
const AFTER_MS = 1_500;
/** A fault is to fall at any point of a check's interval. */
const PHASE_MS = 2_000;
const RECOVERY_WITHIN_MS = 30_000;
const FLOWING_WRITES = 20;

export interface Measurement {
  readonly system: System['name'];
  readonly fault: Fault['name'];
  /** Null: writes did not come back. */
  readonly outageMs: number | null;
  readonly acknowledged: number;
  /** Acknowledged, and not on the host that serves at the end. */
  readonly lost: number;
  /** Acknowledged by one server that began after the other had acknowledged one. */
  readonly doubleWrites: number;
  /** How long each step of the takeover took, where the system tells. */
  readonly steps: Readonly<Record<string, number>>;
}

/** `random`: from 0 to 1, chooses the moment of the fault. */
export const measure = async (system: System, fault: Fault, random: () => number): Promise<Measurement> => {
  const lab = await createLab(system.lab(fault.settings));
  try {
    const running = await system.start(lab, fault.settings);
    try {
      return await underLoad(lab, system, fault, running, random() * PHASE_MS);
    } finally {
      await running.stop();
    }
  } finally {
    await lab.destroy();
  }
};

interface Watched {
  readonly attempts: readonly Attempt[];
  /** Null: no write passed any more. */
  readonly outageMs: number | null;
}

const underLoad = async (
  lab: Lab,
  system: System,
  fault: Fault,
  running: Running,
  phaseMs: number,
): Promise<Measurement> => {
  const active = await running.active();
  const { attempts, outageMs } = await watch(lab, fault, running, active, phaseMs);
  const rows = await allRows(lab);
  const last = lastServer(attempts, rows);
  const steps = last === undefined ? {} : Object.fromEntries(await running.steps(last).catch(() => []));
  return {
    system: system.name,
    fault: fault.name,
    outageMs,
    acknowledged: attempts.filter((attempt) => attempt.acknowledged).length,
    lost:
      last === undefined ? 0 : attempts.filter(({ id, acknowledged }) => acknowledged && !rows[last].has(id)).length,
    doubleWrites: last === undefined ? 0 : doubleWrites(attempts, rows, last),
    steps,
  };
};

/** The fault, and what the clients' attempts came to until it was over and for a while after. */
const watch = async (lab: Lab, fault: Fault, running: Running, active: NodeName, phaseMs: number): Promise<Watched> => {
  const load = lab.load();
  try {
    await untilFlowing(load.fresh.attempts, monotonicMs());
    await sleep(BEFORE_MS + phaseMs);
    const before = monotonicMs();
    await fault.inflict(lab, running, active);
    const at = fault.measure === 'gap' ? before : monotonicMs();
    await fault.settle?.(lab, active);
    await sleep(fault.lastsMs);
    const recovered = await untilFlowing(load.fresh.attempts, at + fault.lastsMs).then(
      () => true,
      () => false,
    );
    await fault.relieve?.(lab, active);
    await sleep(AFTER_MS);
    await load.stop();
    return { attempts: allAttempts(load), outageMs: recovered ? outage(fault, load.fresh.attempts, at) : null };
  } finally {
    await load.stop();
  }
};

const untilFlowing = (attempts: readonly Attempt[], since: number): Promise<void> =>
  waitFor(
    () => attempts.filter((attempt) => attempt.acknowledged && attempt.begin >= since).length >= FLOWING_WRITES,
    'writes pass',
    RECOVERY_WITHIN_MS,
  );

const outage = (fault: Fault, attempts: readonly Attempt[], at: number): number => {
  if (fault.measure === 'gap') return longestOutage(attempts, at).ms;
  const ends = attempts.filter(({ acknowledged, begin }) => acknowledged && begin >= at).map(({ end }) => end);
  return Math.min(...ends) - at;
};

type AllRows = Readonly<Record<NodeName, Rows>>;

/** A server that is dead has no say in what was lost, nor in who wrote last. */
const allRows = async (lab: Lab): Promise<AllRows> => {
  const [db1, db2] = await Promise.all(NODES.map((node) => rowsOf(lab, node).catch((): Rows => new Map())));
  return { db1: db1 ?? new Map(), db2: db2 ?? new Map() };
};

const serverOf = (rows: AllRows, id: number): NodeName | undefined => (rows.db1.get(id) ?? rows.db2.get(id))?.node;

/** The server of the newest acknowledged write: where clients are now. */
const lastServer = (attempts: readonly Attempt[], rows: AllRows): NodeName | undefined => {
  const newest = attempts
    .filter(({ id, acknowledged }) => acknowledged && serverOf(rows, id) !== undefined)
    .reduce<Attempt | undefined>((best, one) => (best === undefined || one.end > best.end ? one : best), undefined);
  return newest && serverOf(rows, newest.id);
};

/** Writes that the other server took and acknowledged, begun after this one had acknowledged its first. */
const doubleWrites = (attempts: readonly Attempt[], rows: AllRows, last: NodeName): number => {
  const acknowledged = attempts.filter((attempt) => attempt.acknowledged);
  const first = Math.min(...acknowledged.filter(({ id }) => serverOf(rows, id) === last).map(({ end }) => end));
  return acknowledged.filter(({ id, begin }) => begin > first && serverOf(rows, id) === peerOf(last)).length;
};
