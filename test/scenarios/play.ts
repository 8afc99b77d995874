/** Plays one scenario on a fresh lab, under load, and looks at everything that has to hold afterwards. */

import {
  activeNode,
  allAttempts,
  checkLossKept,
  checkNothingLost,
  checkOneWriter,
  checkReasons,
  checkRowsInTurn,
  isQuarantined,
  type Move,
  rowsOf,
  sameData,
} from '../lab/checks.js';
import type { LabOptions } from '../lab/host-files.js';
import { createLab, type Lab, type Load, peerOf } from '../lab/lab.js';
import { errorsSeen } from '../lab/load.js';
import { untold, watchStatus } from '../lab/told.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { ANNOUNCEMENT_FILTER, checkAnnouncements } from './announcements.js';
import { checkLeases, type LeaseWatching } from './leases.js';
import { checkMoves, createStage, journalsOf, movesOf, PATIENCE_MS, type Scenario, untilSettled } from './stage.js';

/** The load goes on for this long once all is settled, so that what comes late is seen. */
const AFTERMATH_MS = 1_500;
const NAMED_ERRORS = 4;

export interface Result {
  /** Empty: it passed. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  readonly outageMs: number | undefined;
  /** Logs and journals, for a scenario that failed. */
  readonly evidence: string;
}

export interface PlayOptions {
  readonly lab?: LabOptions;
  /** Where a failed scenario's files are to be copied. */
  readonly keep?: string;
}

/** What every scenario has to leave behind. */
const finalProblems = async (
  lab: Lab,
  load: Load,
  moves: readonly Move[],
  apart: NodeName | null,
  { loss }: Scenario,
): Promise<readonly string[]> => {
  const attempts = allAttempts(load);
  const [db1, db2] = await Promise.all(NODES.map((node) => rowsOf(lab, node)));
  if (db1 === undefined || db2 === undefined) return ['a table cannot be read'];
  return [
    ...checkRowsInTurn({ db1, db2 }, moves),
    ...checkOneWriter(attempts, new Map([...db1, ...db2]), moves),
    ...(loss === 'announced' && apart
      ? checkLossKept(attempts, { db1, db2 }, peerOf(apart))
      : [
          ...(apart === 'db1' ? [] : checkNothingLost(attempts, db1, 'db1')),
          ...(apart === 'db2' ? [] : checkNothingLost(attempts, db2, 'db2')),
        ]),
    ...checkReasons(moves),
  ];
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const playWatched = async (lab: Lab, scenario: Scenario, leases: LeaseWatching): Promise<Omit<Result, 'evidence'>> => {
  await untilSettled(lab);
  const before = await movesOf(lab);
  const capture = await lab.capture('client', 'eth0', ANNOUNCEMENT_FILTER);
  const watch = watchStatus(lab);
  const load = lab.load();
  const { stage, record } = await createStage(lab, load, scenario.orphans ?? 'none');
  const problems: string[] = [];
  try {
    await stage.untilWritesPass();
    await scenario.run(stage);
    await stage.untilSettled();
    await stage.goOn(AFTERMATH_MS);
    await load.stop();
    const old = peerOf(await activeNode(lab));
    const apart = scenario.orphans === 'may be kept' && (await isQuarantined(lab, old)) ? old : null;
    // Its rows that the active has not are none that were acknowledged: that is looked at below.
    if (apart) stage.note('the old active is quarantined with a commit that it could not acknowledge');
    else await waitFor(() => sameData(lab), 'both servers hold the same rows', PATIENCE_MS);
    const moves = await movesOf(lab);
    const since = moves.slice(before.length);
    problems.push(...(await finalProblems(lab, load, moves, apart, scenario)));
    problems.push(...checkMoves([...before.slice(-1), ...since], scenario.moves ?? { exactly: 0 }));
    problems.push(...checkAnnouncements(await capture.stop(), lab.vips, since, scenario.killsAgents));
    problems.push(...untold(await watch.stop(), await journalsOf(lab)));
  } catch (error) {
    problems.push(messageOf(error));
  }
  await load.stop();
  await capture.stop();
  await watch.stop();
  const seen = await leases.stop();
  problems.push(...seen.problems);
  const { notes, longestOutageMs } = record();
  const errors = errorsSeen(load.fresh.attempts).slice(0, NAMED_ERRORS);
  const refused = errors.map(([text, count]) => `${count} writes refused: ${text}`);
  return { problems, notes: [...notes, ...seen.notes, ...refused], outageMs: longestOutageMs };
};

const playOn = async (lab: Lab, scenario: Scenario): Promise<Omit<Result, 'evidence'>> => {
  const leases = await checkLeases(lab, scenario);
  try {
    return await playWatched(lab, scenario, leases);
  } finally {
    await leases.stop();
  }
};

/** What the hosts have written, newest last. */
const evidenceOf = async (lab: Lab): Promise<string> => {
  const parts: string[] = [];
  for (const node of NODES) {
    const journal = await lab.journal(node).catch(() => []);
    const lines = journal.map(({ at, kind, term, cause, text }) => `  ${at} term ${term} ${kind} ${cause}: ${text}`);
    parts.push(`journal of ${node}:`, ...lines, `log of ${node}:`, lab.agent[node].tail());
    parts.push(`log of the server of ${node}:`, await lab.database[node].tail());
  }
  parts.push('log of w1:', lab.witness.tail());
  return parts.join('\n');
};

export const play = async (scenario: Scenario, options: PlayOptions = {}): Promise<Result> => {
  const lab = await createLab({ ...scenario.lab, ...options.lab });
  try {
    const result = await playOn(lab, scenario).catch(
      (error: unknown): Omit<Result, 'evidence'> => ({
        problems: [messageOf(error)],
        notes: [],
        outageMs: undefined,
      }),
    );
    const failed = result.problems.length > 0;
    if (failed && options.keep !== undefined) lab.keep(options.keep);
    return { ...result, evidence: failed ? await evidenceOf(lab) : '' };
  } finally {
    await lab.destroy();
  }
};
