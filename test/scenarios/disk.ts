/** State directories that cannot be written, or not be read: votes are refused rather than forgotten. */

import { mkdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemon } from '../lab/daemon.js';
import { emptyDisk, fillDisk, makeReadOnly, makeWritable } from '../lab/disk.js';
import { GROUP } from '../lab/host-files.js';
import { monotonicMs } from '../lab/load.js';
import { addressesOf } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage, untilInSync } from './stage.js';

/** Many leases, and several elections. */
const STEADY_MS = 3_000;
/** Attempts that were under way when the active died have ended by then. */
const QUIET_MS = 2_000;

/** One way in which a state directory stops working, and what is said of it. */
interface Damage {
  readonly text: string;
  readonly error: string;
  readonly inflict: (directory: string) => Promise<void> | void;
  readonly mend: (directory: string) => Promise<void> | void;
}

const recordIn = (directory: string): string => join(directory, GROUP, 'record.json');

const FULL: Damage = { text: 'full', error: 'ENOSPC', inflict: fillDisk, mend: emptyDisk };
const READ_ONLY: Damage = { text: 'read-only', error: 'EROFS', inflict: makeReadOnly, mend: makeWritable };
/** Root may read whatever has a mode; a directory in the place of the record it can neither read nor replace. */
const UNREADABLE: Damage = {
  text: 'without a record that can be read',
  error: 'EISDIR',
  inflict: (directory) => {
    renameSync(recordIn(directory), join(directory, 'record.kept'));
    mkdirSync(recordIn(directory));
  },
  mend: (directory) => {
    rmdirSync(recordIn(directory));
    renameSync(join(directory, 'record.kept'), recordIn(directory));
  },
};

const says = (daemon: Daemon, words: RegExp): Promise<void> =>
  waitFor(
    () => words.test(readFileSync(daemon.logFile, 'utf8')) || daemon.tail(),
    `${daemon.name} says ${words}`,
    PATIENCE_MS,
  );

const refusesVotes = (daemon: Daemon, { error }: Damage): Promise<void> =>
  says(daemon, new RegExp(`votes are refused.*${error}`));

const nobodyServes = async ({ lab, standby, goOn, acknowledgedSince }: Stage): Promise<void> => {
  await goOn(QUIET_MS);
  const since = monotonicMs();
  await goOn(STEADY_MS);
  const written = acknowledgedSince(since).length;
  if (written > 0) throw new Error(`${written} writes passed without a majority of votes on disk`);
  if ((await addressesOf(standby)).includes(lab.vip)) throw new Error(`${standby} has taken ${lab.vip}`);
};

/** A renewal writes nothing: whoever is active stays so. */
const activeGoesOn = async (stage: Stage, damage: Damage): Promise<void> => {
  const { lab, active, fault, goOn, untilWritesPass } = stage;
  const { stateDirectory } = lab.files[active];
  await fault(`state directory of the active ${active} ${damage.text}`, async () => damage.inflict(stateDirectory));
  await goOn(STEADY_MS);
  await untilWritesPass();
  await damage.mend(stateDirectory);
};

/** `first` is mended first, and that is not enough: two of three votes must be on disk. */
const unwritable = (damage: Damage, first: 'witness' | 'standby') => async (stage: Stage) => {
  const { lab, active, standby, fault, note, untilActive } = stage;
  const places = {
    witness: { daemon: lab.witness, directory: lab.witnessFiles.stateDirectory },
    standby: { daemon: lab.agent[standby], directory: lab.files[standby].stateDirectory },
  };
  const [early, late] = first === 'witness' ? [places.witness, places.standby] : [places.standby, places.witness];
  await activeGoesOn(stage, damage);
  // What is still to be recorded would tell each of them of its disk: the standby would not even ask then.
  await untilInSync(stage);
  await stage.goOn(STEADY_MS);
  await damage.inflict(early.directory);
  await damage.inflict(late.directory);
  await fault(`state directories of ${standby} and w1 ${damage.text}, then ${active} is powered off`, () =>
    lab.powerOff(active),
  );
  await nobodyServes(stage);
  await refusesVotes(lab.witness, damage);
  await damage.mend(early.directory);
  note(`${early.daemon.name} can write again`);
  await nobodyServes(stage);
  await refusesVotes(late.daemon, damage);
  await operatorReads(stage, damage);
  await damage.mend(late.directory);
  await untilActive(standby);
  await lab.powerOn(active);
};

const operatorReads = async ({ lab, standby }: Stage, { error }: Damage): Promise<void> => {
  const history = (await lab.vipctl(standby, ['history'])).stdout;
  if (!/disk|record/.test(history)) throw new Error(`the history of ${standby} says nothing of ${error}: ${history}`);
};

const restartUnreadable = async (stage: Stage, daemon: Daemon, directory: string): Promise<void> => {
  await stage.fault(`${daemon.name} restarted ${UNREADABLE.text}`, async () => {
    await daemon.stop();
    await UNREADABLE.inflict(directory);
    daemon.start();
  });
  await says(daemon, /the record .* is access/);
};

const unreadable = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, untilActive, untilWritesPass, untilSettled } = stage;
  const { stateDirectory } = lab.files[standby];
  await activeGoesOn(stage, UNREADABLE);
  await restartUnreadable(stage, lab.agent[standby], stateDirectory);
  await goOn(STEADY_MS);
  await untilWritesPass();
  await UNREADABLE.mend(stateDirectory);
  await untilSettled();
  await restartUnreadable(stage, lab.witness, lab.witnessFiles.stateDirectory);
  // What it was told by both nodes meanwhile it cannot write down, so it is no more worth than nothing.
  await goOn(STEADY_MS);
  await untilWritesPass();
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await nobodyServes(stage);
  await refusesVotes(lab.witness, UNREADABLE);
  await UNREADABLE.mend(lab.witnessFiles.stateDirectory);
  await untilActive(standby);
  await lab.powerOn(active);
};

const scenario = (id: string, title: string, run: (stage: Stage) => Promise<void>): Scenario => ({
  id,
  orphans: 'may be kept',
  title,
  outcome: 'votes are refused rather than forgotten',
  lab: { smallDisks: true },
  moves: { exactly: 1 },
  run,
});

export const DISK_FAULTS: readonly Scenario[] = [
  scenario('30a', 'state directories full', unwritable(FULL, 'witness')),
  scenario('30b', 'state directories read-only', unwritable(READ_ONLY, 'standby')),
  scenario('30c', 'state directories unreadable', unreadable),
];
