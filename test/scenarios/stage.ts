/** What a scenario has at hand: a healthy lab under write load, and words for what it does and awaits. */

import type { HistoryEntry, NodeStatus } from '../../src/control/status.js';
import { activeNode, allAttempts, changesOf, groupProblems, type Move, movesIn, type Orphans } from '../lab/checks.js';
import type { LabOptions } from '../lab/host-files.js';
import { type Lab, type Load, peerOf } from '../lab/lab.js';
import { type Attempt, longestOutage, monotonicMs } from '../lab/load.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';

/** Ample, also on a machine that is busy with something else: a wait is over as soon as it can be. */
export const PATIENCE_MS = 60_000;
/** This many writes in a row that began after the question was asked. */
const FLOWING_WRITES = 20;

/** `short`: often enough to see it work. `full`: as often as the list of faults asks for. */
export type Extent = 'short' | 'full';

/** For what may be asked over and over, and is not about a quick takeover: no move but those, also on a busy machine. */
export const PATIENT_CONFIG = {
  heartbeat: { interval: '200ms', dead_after: 5 },
  moves: { max_failovers: 100 },
} as const;

export interface Scenario {
  /** Number in the list of faults; a letter tells variants apart. */
  readonly id: string;
  readonly title: string;
  /** What must come of it. */
  readonly outcome: string;
  readonly lab?: LabOptions;
  /** How often the active may change; the default is not at all. */
  readonly moves?: Moves;
  /** At any moment, so that a new active may not come to its second announcement. */
  readonly killsAgents?: boolean;
  readonly orphans?: Orphans;
  /** `announced`: an operator accepts that acknowledged writes are missing on the active; they are kept on the other. */
  readonly loss?: 'announced';
  /** How many leases at least have to be seen to run out, instead of being given up. */
  readonly leasesLost?: number;
  readonly run: (stage: Stage) => Promise<void>;
}

export type Moves = { readonly exactly: number } | { readonly atMost: number };

export interface Stage {
  readonly lab: Lab;
  readonly load: Load;
  /** As it was when the scenario began. */
  readonly active: NodeName;
  readonly standby: NodeName;
  /** Outages are measured from the newest fault on. */
  fault(what: string, act: () => Promise<unknown>): Promise<void>;
  /** Something to be printed with the result. */
  note(text: string): void;
  /** The node says that it is active, and clients' writes pass. */
  untilActive(node: NodeName): Promise<void>;
  untilWritesPass(): Promise<void>;
  /** All hosts are up, one is active, the other fit, and both say the same. */
  untilSettled(): Promise<void>;
  /** For this long the load goes on; the scenario's checks look at it afterwards. */
  goOn(ms: number): Promise<void>;
  /** Attempts of all clients that were acknowledged and began after `since`. */
  acknowledgedSince(since: number): readonly Attempt[];
  /** The longest time without an acknowledged write since the newest fault. */
  outageMs(): number;
  /** Notes the outage under the name of what caused it. */
  noteOutage(): void;
}

export interface StageRecord {
  readonly notes: readonly string[];
  /** Of the clients that start a fresh connection each time; undefined before the first fault. */
  readonly longestOutageMs: number | undefined;
}

export const createStage = async (
  lab: Lab,
  load: Load,
  orphans: Orphans,
): Promise<{ stage: Stage; record: () => StageRecord }> => {
  const active = await activeNode(lab);
  const notes: string[] = [];
  let faultAt: number | undefined;
  const outages: number[] = [];

  const outageMs = (): number => longestOutage(load.fresh.attempts, faultAt ?? 0).ms;
  const acknowledgedSince = (since: number): readonly Attempt[] =>
    allAttempts(load).filter((attempt) => attempt.acknowledged && attempt.begin >= since);
  const untilWritesPass = async (): Promise<void> => {
    const since = monotonicMs();
    const fresh = () => load.fresh.attempts.filter((attempt) => attempt.acknowledged && attempt.begin >= since).length;
    await waitFor(() => fresh() >= FLOWING_WRITES || `${fresh()} writes`, 'writes pass', PATIENCE_MS);
  };

  const stage: Stage = {
    lab,
    load,
    active,
    standby: peerOf(active),
    fault: async (what, act) => {
      notes.push(what);
      faultAt = monotonicMs();
      await act();
    },
    note: (text) => {
      notes.push(text);
    },
    untilActive: async (node) => {
      await waitFor(async () => (await activeNode(lab)) === node, `${node} becomes active`, PATIENCE_MS);
      await untilWritesPass();
    },
    untilWritesPass,
    untilSettled: () => untilSettled(lab, orphans),
    goOn: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    acknowledgedSince,
    outageMs,
    noteOutage: () => {
      outages.push(outageMs());
    },
  };
  const record = (): StageRecord => ({
    notes,
    longestOutageMs: faultAt === undefined ? undefined : Math.max(outageMs(), ...outages),
  });
  return { stage, record };
};

export const untilSettled = (lab: Lab, orphans: Orphans = 'none'): Promise<void> =>
  waitFor(
    async () => {
      const problems = await groupProblems(lab, orphans);
      return problems.length === 0 || problems.join('; ');
    },
    'the group settles',
    PATIENCE_MS,
  );

/** What a node says of itself. */
export const selfOf = async (lab: Lab, node: NodeName): Promise<NodeStatus | undefined> =>
  (await lab.status(node)).nodes.find((one) => one.self);

/** Semi-sync is in force, and that is recorded: whatever is acknowledged now has been received by the standby. */
export const untilInSync = ({ lab, active }: Pick<Stage, 'lab' | 'active'>): Promise<void> =>
  waitFor(
    async () => {
      const { on, sync } = (await lab.status(active)).protection.semiSync;
      return (on === true && sync === true) || `semi-sync ${on}, recorded ${sync}`;
    },
    `${active} is in sync`,
    PATIENCE_MS,
  );

/** For this long no write is acknowledged; those that were under way before have had their time to end. */
export const nobodyWrites = async ({ goOn, acknowledgedSince }: Stage, forMs: number): Promise<void> => {
  const since = monotonicMs();
  await goOn(forMs);
  const written = acknowledgedSince(since).length;
  if (written > 0) throw new Error(`${written} writes passed where nobody should serve`);
};

export const journalsOf = async (lab: Lab): Promise<Readonly<Record<NodeName, readonly HistoryEntry[]>>> => {
  const [db1, db2] = await Promise.all([lab.journal('db1'), lab.journal('db2')]);
  return { db1, db2 };
};

/** The journals of both nodes, put together. */
export const movesOf = async (lab: Lab): Promise<readonly Move[]> => movesIn(await journalsOf(lab));

export const checkMoves = (moves: readonly Move[], allowed: Moves): readonly string[] => {
  const seen = changesOf(moves);
  const fits = 'exactly' in allowed ? seen === allowed.exactly : seen <= allowed.atMost;
  if (fits) return [];
  const wanted = 'exactly' in allowed ? `${allowed.exactly}` : `at most ${allowed.atMost}`;
  const told = moves.map((move) => `term ${move.term} ${move.node} (${move.cause})`).join(', ');
  return [`the active changed ${seen} times instead of ${wanted}: ${told}`];
};
