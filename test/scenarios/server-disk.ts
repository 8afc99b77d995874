/** The disk of a server full: its processes live, it answers, and commits wait for room without a word. */

import { restartOnDeath } from '../lab/database.js';
import { emptyDisk, fillDisk } from '../lab/disk.js';
import type { Scenario, Stage } from './stage.js';

/** Several check intervals: a move back would show. */
const STEADY_MS = 4_000;
const SERVICE_RESTART_MS = 1_000;

const fillServerDisk = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note, untilActive, untilSettled } = stage;
  const directory = lab.files[active].mysqlDirectory;
  await fault(`disk of the server of ${active} full`, () => fillDisk(directory));
  await untilActive(standby);
  const move = (await lab.journal(active)).find(({ from, to }) => from === 'active' && to === 'fencing');
  note(`${active}: ${move?.text ?? 'no reason'}`);
  if (!/bytes left|write/.test(move?.text ?? '')) throw new Error(`${active} does not say that its disk is full`);
  await goOn(STEADY_MS);
  emptyDisk(directory);
  // One that hangs where it is to be fenced is ended by the agent.
  const stopService = restartOnDeath(lab.database[active], SERVICE_RESTART_MS);
  try {
    await untilSettled();
  } finally {
    await stopService();
  }
};

export const SERVER_DISKS: readonly Scenario[] = [
  {
    id: '21',
    title: 'disk of the active full',
    outcome: 'the probe fails; handoff',
    lab: { smallServerDisks: true },
    moves: { exactly: 1 },
    // What it could not acknowledge for want of room it commits once there is some.
    orphans: 'may be kept',
    run: fillServerDisk,
  },
];
