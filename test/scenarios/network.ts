/** Networks that are cut, lose packets, or work in one direction only. */

import type { Cut } from '../lab/faults.js';
import { bothWays } from '../lab/faults.js';
import { monotonicMs } from '../lab/load.js';
import { addressesOf, type HostName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** Many leases and several check intervals: toggling would show. */
const STEADY_MS = 6_000;
const LOSS_PERCENT = 30;
const LOSS_MS = 60_000;
/** A client may see its last acknowledgement this long after the active has lost its majority. */
const FENCED_AFTER_MS = 3_000;

const heartbeats = (from: HostName, to: HostName): Cut => ({ traffic: 'heartbeat', from, to });

const witnessSeesBoth = async ({ lab, fault, active, standby, goOn, untilWritesPass }: Stage): Promise<void> => {
  await fault('db1 and db2 cut off from each other', () => lab.cutBetween(active, standby));
  await goOn(STEADY_MS);
  await untilWritesPass();
  await lab.heal();
};

const witnessSeesStandby = async ({ lab, fault, active, standby, goOn, untilActive }: Stage): Promise<void> => {
  await fault(`${active} cut off from ${standby} and w1, not from the clients`, () =>
    lab.cut([...bothWays('all', active, standby), ...bothWays('all', active, 'w1')]),
  );
  await untilActive(standby);
  await goOn(STEADY_MS);
  await lab.heal();
};

const witnessSeesActive = async ({ lab, fault, active, standby, goOn, untilWritesPass }: Stage): Promise<void> => {
  await fault(`${standby} cut off from ${active} and w1`, () =>
    lab.cut([...bothWays('all', active, standby), ...bothWays('all', standby, 'w1')]),
  );
  await goOn(STEADY_MS);
  await untilWritesPass();
  await lab.heal();
};

const witnessSeesNone = async (stage: Stage): Promise<void> => {
  const { lab, fault, goOn, acknowledgedSince, untilWritesPass } = stage;
  await fault('db1, db2 and w1 cut off from each other', () =>
    lab.cut([...bothWays('all', 'db1', 'db2'), ...bothWays('all', 'db1', 'w1'), ...bothWays('all', 'db2', 'w1')]),
  );
  await goOn(FENCED_AFTER_MS);
  const fenced = monotonicMs();
  await goOn(STEADY_MS);
  const written = acknowledgedSince(fenced).length;
  if (written > 0) throw new Error(`${written} writes passed while no node had a majority`);
  await lab.heal();
  await untilWritesPass();
};

const oneDirection = async ({ lab, fault, active, standby, goOn, untilWritesPass }: Stage): Promise<void> => {
  for (const cut of [heartbeats(active, standby), heartbeats(standby, active)]) {
    await fault(`heartbeats from ${cut.from} to ${cut.to} lost`, () => lab.cut([cut]));
    await goOn(STEADY_MS);
    await untilWritesPass();
    await lab.heal();
  }
};

const lossy = async ({ lab, fault, goOn, untilWritesPass }: Stage): Promise<void> => {
  await fault(`${LOSS_PERCENT} % loss between db1, db2 and w1 for ${LOSS_MS / 1_000} s`, () =>
    lab.lose(LOSS_PERCENT, ['db1', 'db2', 'w1']),
  );
  await goOn(LOSS_MS);
  await lab.heal();
  await untilWritesPass();
};

/** The active alone, which has to notice it by itself. */
export const linkDown = async ({ lab, fault, active, standby, untilActive, goOn }: Stage): Promise<void> => {
  await fault(`cable of ${active} pulled`, () => lab.cable(active, false));
  await untilActive(standby);
  await waitFor(
    async () => !(await addressesOf(active)).includes(lab.vip),
    `the VIP is gone from ${active}`,
    PATIENCE_MS,
  );
  await goOn(STEADY_MS);
  await lab.cable(active, true);
};

const deaf = async ({ lab, fault, active, standby, goOn, untilWritesPass }: Stage): Promise<void> => {
  const deafCuts = [heartbeats(active, standby), heartbeats('w1', standby)];
  const muteCuts = [heartbeats(standby, active), heartbeats(standby, 'w1')];
  for (const [what, cuts] of [
    [`${standby} hears nothing`, deafCuts],
    [`${standby} is not heard`, muteCuts],
  ] as const) {
    await fault(what, () => lab.cut(cuts));
    await goOn(STEADY_MS);
    await untilWritesPass();
    await lab.heal();
  }
};

export const NETWORK_FAULTS: readonly Scenario[] = [
  {
    id: '6a',
    title: 'both halves cut from each other, witness sees both',
    outcome: 'one writer, no move',
    run: witnessSeesBoth,
  },
  {
    id: '6b',
    orphans: 'may be kept',
    title: 'the same, witness sees the standby only',
    outcome: 'one writer, the standby takes over',
    moves: { exactly: 1 },
    leasesLost: 1,
    run: witnessSeesStandby,
  },
  {
    id: '6c',
    title: 'the same, witness sees the active only',
    outcome: 'one writer, no move',
    run: witnessSeesActive,
  },
  {
    id: '6d',
    orphans: 'may be kept',
    title: 'the same, witness sees none',
    outcome: 'no writer until a majority is back',
    moves: { atMost: 1 },
    leasesLost: 1,
    run: witnessSeesNone,
  },
  {
    id: '7',
    title: 'heartbeats lost in one direction only',
    outcome: 'no second writer, no endless toggling',
    moves: { atMost: 1 },
    run: oneDirection,
  },
  { id: '11', title: '30 % packet loss for a minute', outcome: 'no move at the default settings', run: lossy },
  {
    id: '25',
    orphans: 'may be kept',
    title: 'link of the active down',
    outcome: 'VIP gone there, takeover',
    moves: { exactly: 1 },
    leasesLost: 1,
    run: linkDown,
  },
  { id: '38', title: 'a node deaf, then mute', outcome: 'never unseats the owner', run: deaf },
];
