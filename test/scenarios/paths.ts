/** Heartbeats with two ways to go, of which one is cut. */

import { bothWays, type Cut } from '../lab/faults.js';
import type { Lab } from '../lab/lab.js';
import { NODES, SECOND_PATH } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** Many leases and several check intervals. */
const STEADY_MS = 6_000;

type Path = 'switch' | 'second';

/** Both nodes say over which path they hear each other, and over which not any more. */
const untilHeardOver = async (lab: Lab, heard: Path): Promise<void> => {
  for (const node of NODES) {
    await waitFor(
      async () => {
        const status = await lab.status(node);
        const paths = status.nodes.find((one) => !one.self)?.agent.paths ?? [];
        const asTold = paths.map(({ name, heardMsAgo }) => `${name}: ${heardMsAgo} ms ago`).join(', ');
        const right = paths.every(({ name, heardMsAgo }) => {
          const path: Path = name.startsWith(SECOND_PATH[node]) ? 'second' : 'switch';
          const within = heardMsAgo !== null && heardMsAgo <= status.lease.lengthMs;
          return within === (path === heard);
        });
        return (paths.length === 2 && right) || asTold;
      },
      `${node} hears its peer over the ${heard} path only`,
      PATIENCE_MS,
    );
  }
};

const onePathCut = async ({ lab, fault, active, standby, goOn, untilWritesPass }: Stage): Promise<void> => {
  // Without the cable between the nodes, standby and witness would be a majority that hears nothing of the active.
  await fault(`heartbeats cut between ${active} and both ${standby} and w1, crossover cable alive`, () =>
    lab.cut([...bothWays('heartbeat', active, standby), ...bothWays('heartbeat', active, 'w1')]),
  );
  await untilHeardOver(lab, 'second');
  await goOn(STEADY_MS);
  await untilWritesPass();
  await lab.heal();
  const cable = bothWays('all', active, standby).map((cut): Cut => ({ ...cut, path: 'second' }));
  await fault('crossover cable cut, switch alive', () => lab.cut(cable));
  await untilHeardOver(lab, 'switch');
  await goOn(STEADY_MS);
  await untilWritesPass();
  await lab.heal();
};

export const PATHS: readonly Scenario[] = [
  {
    id: '9',
    title: 'only one heartbeat path cut, the other alive',
    outcome: 'no move, and each node says which path is silent',
    lab: { secondPath: true },
    run: onePathCut,
  },
];
