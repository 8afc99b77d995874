/** A wall clock that is stepped by a day. */

import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

const DAY_SECONDS = 86_400;
/** Of a day: more than any delay, and far less than the step. */
const NEAR_SECONDS = 3_600;
/** Many leases, several check intervals and heartbeats of the channel. */
const STEADY_MS = 2_500;
const LOOK_EVERY_MS = 50;
const HOSTS = ['db1', 'db2', 'w1'] as const;
/** Ahead, straight on to behind, and back. */
const STEPS = [DAY_SECONDS, -DAY_SECONDS, 0] as const;

/** How far that host's clocks, as agent and server see them, are from the machine's. */
const offsetsOf = async ({ lab }: Stage, node: NodeName): Promise<readonly number[]> => {
  const { wall } = (await lab.status(node)).now;
  const [row] = await lab.database[node].sql('SELECT UNIX_TIMESTAMP() AS now');
  return [Date.parse(wall), Number(row?.now) * 1_000].map((at) => (at - Date.now()) / 1_000);
};

/** A step is no lag, and makes nobody unfit, not even for a moment. */
const watchStandby = async ({ lab, standby, goOn }: Stage): Promise<void> => {
  for (let waitedMs = 0; waitedMs < STEADY_MS; waitedMs += LOOK_EVERY_MS) {
    const self = (await lab.status(standby)).nodes.find((node) => node.self);
    if (self?.unfit !== '') throw new Error(`${standby} has become unfit: ${self?.unfit}`);
    if ((self.lagMs ?? 0) > NEAR_SECONDS * 1_000) throw new Error(`${standby} tells a lag of ${self.lagMs} ms`);
    await goOn(LOOK_EVERY_MS);
  }
};

const step = async (stage: Stage, host: (typeof HOSTS)[number], seconds: number): Promise<void> => {
  const { lab, fault, untilSettled, untilWritesPass } = stage;
  await fault(`wall clock of ${host} ${seconds} s off`, async () => lab.setWallClock(host, seconds));
  for (const node of NODES.filter((one) => one === host)) {
    await waitFor(
      async () => {
        const offsets = await offsetsOf(stage, node);
        return offsets.every((offset) => Math.abs(offset - seconds) < NEAR_SECONDS) || offsets.join(' and ');
      },
      `agent and server of ${node} see the step`,
      PATIENCE_MS,
    );
  }
  await watchStandby(stage);
  await untilWritesPass();
  await untilSettled();
  stage.noteOutage();
};

const stepped = async (stage: Stage): Promise<void> => {
  for (const host of HOSTS) for (const seconds of STEPS) await step(stage, host, seconds);
};

export const CLOCK_FAULTS: readonly Scenario[] = [
  {
    id: '33',
    title: 'wall clock of each host stepped by a day in either direction',
    outcome: 'nothing happens',
    lab: { ownClocks: true },
    run: stepped,
  },
];
