/** A witness that dies and comes back, with its record and without it. */

import { mkdirSync, rmSync } from 'node:fs';
import { createRecordStore } from '../../src/host/store.js';
import { GROUP } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import type { SeenFrame } from '../lab/lease-watch.js';
import { monotonicMs } from '../lab/load.js';
import { startTap } from '../lab/tap.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage, untilInSync } from './stage.js';

/** Many leases, or two long ones, and time for a standby to ask again several times. */
const STEADY_MS = 6_000;
const VOTERS = NODES.length + 1;

const untilWitnessHeard = async (lab: Lab, from: readonly NodeName[] = NODES): Promise<void> => {
  for (const node of from) {
    await waitFor(
      async () => (await lab.status(node)).witnesses.every((witness) => witness.reachable),
      `${node} hears the witness`,
      PATIENCE_MS,
    );
  }
};

/** Nobody is active, and no write passes, for as long as it takes to be sure. */
const nobodyTakesOver = async (stage: Stage, why: string): Promise<void> => {
  const since = monotonicMs();
  await stage.goOn(STEADY_MS);
  const status = await stage.lab.status(stage.standby);
  if (status.active !== null) throw new Error(`${status.active} took over although ${why}`);
  const written = stage.acknowledgedSince(since).length;
  if (written > 0) throw new Error(`${written} writes passed although ${why}`);
};

const witnessRestarts = async ({ lab, fault, goOn, untilWritesPass }: Stage): Promise<void> => {
  await fault('kill -9 the witness', () => lab.witness.stop('SIGKILL'));
  await goOn(STEADY_MS);
  await untilWritesPass();
  lab.witness.start();
  await untilWitnessHeard(lab);
  await goOn(STEADY_MS);
  await untilWritesPass();
};

/** What the witness answered to whoever asked for its vote, in order. */
interface Answer {
  readonly atMs: number;
  readonly granted: boolean;
  /** Until when it said that it would grant nothing; null: it did not say. */
  readonly muteUntilMs: number | null;
}

const answerOf = ({ atMs, direction, sender, message }: SeenFrame): Answer | null => {
  if (direction !== 'in' || sender !== 'w1' || (message.kind !== 'poll' && message.kind !== 'vote')) return null;
  const { verdict } = message;
  const mute = !verdict.granted && verdict.why === 'mute';
  return { atMs, granted: verdict.granted, muteUntilMs: mute ? atMs + verdict.leftMs : null };
};

/** On its disk: a majority can have recorded it without the witness, and its old word would hold a takeover up. */
const untilWitnessRecordsSync = ({ witnessFiles }: Lab): Promise<void> => {
  const store = createRecordStore({ directory: witnessFiles.stateDirectory, group: GROUP, voter: 'w1' });
  return waitFor(
    async () => {
      const loaded = await store.load();
      return (loaded.kind === 'found' && loaded.record.sync) || `its record: ${JSON.stringify(loaded)}`;
    },
    'the witness has recorded sync=on',
    PATIENCE_MS,
  );
};

const muteAfterRestart = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive, note } = stage;
  await untilInSync({ lab, active });
  await untilWitnessRecordsSync(lab);
  await fault('kill -9 the witness', () => lab.witness.stop('SIGKILL'));
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await nobodyTakesOver(stage, 'the witness is dead');
  const answers: Answer[] = [];
  const tap = await startTap({
    vips: lab.vips,
    voters: VOTERS,
    onFrame: (frame) => {
      const answer = answerOf(frame);
      if (answer !== null) answers.push(answer);
    },
  });
  try {
    lab.witness.start();
    await untilActive(standby);
  } finally {
    await tap.stop();
  }
  const muteUntil = Math.min(...answers.flatMap(({ muteUntilMs }) => muteUntilMs ?? []));
  const granted = Math.min(...answers.filter((answer) => answer.granted).map(({ atMs }) => atMs));
  if (!Number.isFinite(muteUntil)) throw new Error('the witness that came back never said that it is mute');
  note(`the witness granted ${(granted - muteUntil).toFixed(1)} ms after the end of its silence`);
  if (granted < muteUntil)
    throw new Error(`it granted ${(muteUntil - granted).toFixed(1)} ms before its silence ended`);
  await lab.powerOn(active);
};

/** What a majority records without the witness it is told later: else it would answer for ever that nothing was in sync. */
const awayWhenInSync = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, goOn, untilActive, untilWritesPass } = stage;
  await fault('TCP 3306 between db1 and db2 cut', () => lab.cutBetween('db1', 'db2', 'replication'));
  await waitFor(
    async () => (await lab.status(active)).protection.semiSync.sync === false || 'recorded as in sync',
    `${active} is out of sync`,
    PATIENCE_MS,
  );
  await fault('kill -9 the witness', () => lab.witness.stop('SIGKILL'));
  await lab.heal();
  await untilInSync({ lab, active });
  lab.witness.start();
  await untilWitnessHeard(lab);
  await untilWitnessRecordsSync(lab);
  // Longer than the grace for which it grants nothing, and writes that only semi-sync makes sure are on the standby.
  await goOn(STEADY_MS);
  await untilWritesPass();
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilActive(standby);
  await lab.powerOn(active);
};

/** As after the loss of its disk. */
const forgetRecord = ({ witnessFiles }: Lab): void => {
  rmSync(witnessFiles.stateDirectory, { recursive: true });
  mkdirSync(witnessFiles.stateDirectory);
};

const recordLost = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, goOn, untilActive, untilWritesPass } = stage;
  await fault('kill -9 the witness, its record lost', () => lab.witness.stop('SIGKILL'));
  forgetRecord(lab);
  lab.witness.start();
  await untilWitnessHeard(lab);
  await goOn(STEADY_MS);
  await untilWritesPass();
  // Both nodes have told it their terms: its vote counts again.
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilActive(standby);
  await lab.powerOn(active);
};

const recordLostWithActive = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilWritesPass } = stage;
  await fault('kill -9 the witness, its record lost', () => lab.witness.stop('SIGKILL'));
  forgetRecord(lab);
  await fault(`power off ${active}`, () => lab.powerOff(active));
  lab.witness.start();
  await untilWitnessHeard(lab, [standby]);
  await nobodyTakesOver(stage, `the witness has no record, and ${active} has not told it its term`);
  await lab.powerOn(active);
  await untilWritesPass();
};

export const WITNESS_FAULTS: readonly Scenario[] = [
  { id: '10a', title: 'witness dies, restarts', outcome: 'no move', run: witnessRestarts },
  {
    id: '10b',
    orphans: 'may be kept',
    title: 'active dies while the witness is dead, which then restarts',
    outcome: 'no takeover for one lease after its return',
    // A standby asks each second, and the first question after a restart only makes the two known to each other.
    lab: { config: { heartbeat: { interval: '1s' } } },
    moves: { exactly: 1 },
    run: muteAfterRestart,
  },
  {
    id: '10c',
    orphans: 'may be kept',
    title: 'witness comes back without its record, then the active dies',
    outcome: 'no move; takeover, since both nodes have spoken',
    moves: { exactly: 1 },
    run: recordLost,
  },
  {
    id: '10d',
    orphans: 'may be kept',
    title: 'witness comes back without its record, the active dead',
    outcome: 'grants nothing until both nodes have spoken',
    moves: { atMost: 1 },
    run: recordLostWithActive,
  },
  {
    id: '10e',
    orphans: 'may be kept',
    title: 'standby comes in sync while the witness is dead, which comes back; then the active dies',
    outcome: 'takeover, nothing lost: the witness was told',
    moves: { exactly: 1 },
    run: awayWhenInSync,
  },
];
