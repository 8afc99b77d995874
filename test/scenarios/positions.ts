/** Positions that no heartbeat carries whole: planned moves and losses are judged by them all the same. */

import { bothWays } from '../lab/faults.js';
import { NODES } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** Of what a frame carries of a position. */
const FRAME_CARRIES = 1_024;
/** Commits under way have ended by then, and are on the standby. */
const QUIET_MS = 1_000;
/** The new active has announced itself for the second time, before its clients are cut off. */
const ANNOUNCED_MS = 2_000;
const CLIENTS = ['client', 'pin1', 'pin2'] as const;

/** Each tells what the other has, in full. */
const untilKnown = async ({ lab, note }: Stage): Promise<void> => {
  for (const node of NODES) {
    const told = async () => (await lab.status(node)).nodes.find(({ self }) => !self)?.position.length ?? 0;
    await waitFor(
      async () => (await told()) > FRAME_CARRIES || `${await told()} characters`,
      `${node} knows the position of the other`,
      PATIENCE_MS,
    );
    note(`${node} knows a position of ${await told()} characters`);
  }
};

const moveByLongPositions = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn } = stage;
  await untilKnown(stage);
  await fault(`switchover to ${standby}`, async () => {
    const { status, stdout, stderr } = await lab.vipctl(active, ['switchover']);
    if (status !== 0) throw new Error(`vipctl switchover: exit status ${status}: ${stdout}${stderr}`);
  });
  stage.noteOutage();
  await stage.untilActive(standby);
  await stage.untilSettled();
  await untilKnown(stage);
  await goOn(ANNOUNCED_MS);
  // Without semi-sync the loss is judged by the last position that was told, and one that is unknown stops the takeover.
  await lab.cut(CLIENTS.flatMap((client) => bothWays('all', client, standby)));
  await goOn(QUIET_MS);
  await fault(`power off ${standby}`, () => lab.powerOff(standby));
  await lab.heal();
  await stage.untilActive(active);
  await lab.powerOn(standby);
};

export const LONG_POSITIONS: readonly Scenario[] = [
  {
    id: '18b',
    title: 'switchover, then the host dies, with positions that no heartbeat carries, without semi-sync',
    outcome: 'both known in full; moved, and taken over, with nothing lost',
    lab: { longHistory: true, semiSync: 'off' },
    moves: { exactly: 2 },
    run: moveByLongPositions,
  },
];
