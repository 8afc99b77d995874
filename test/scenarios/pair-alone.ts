/** A pair without a witness: each judges the other's silence by gateways and by the other's database. */

import { bothWays } from '../lab/faults.js';
import { monotonicMs } from '../lab/load.js';
import { restartAsService } from './agents.js';
import { linkDown } from './network.js';
import { nobodyWrites, type Scenario, type Stage, untilInSync } from './stage.js';

/** Many leases and several check intervals: toggling would show. */
const STEADY_MS = 6_000;

const hostDies = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive, goOn } = stage;
  await untilInSync(stage);
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilActive(standby);
  await goOn(STEADY_MS);
  await lab.powerOn(active);
};

const agentDies = async ({ lab, fault, active, standby, untilActive, goOn }: Stage): Promise<void> => {
  await fault(`kill -9 the agent of ${active}, its server lives on`, () => lab.agent[active].stop('SIGKILL'));
  await untilActive(standby);
  const [row] = await lab.database[active].sql('SELECT @@global.read_only AS readOnly');
  if (Number(row?.readOnly) === 0) throw new Error(`${active} was left writable`);
  await goOn(STEADY_MS);
  await restartAsService(lab, active);
};

const standbyCutOff = async ({ lab, fault, standby, goOn, untilWritesPass }: Stage): Promise<void> => {
  await fault(`cable of ${standby} pulled`, () => lab.cable(standby, false));
  await goOn(STEADY_MS);
  await untilWritesPass();
  await lab.cable(standby, true);
};

const heartbeatsCut = async ({ lab, fault, active, standby, untilActive, goOn }: Stage): Promise<void> => {
  await fault(`heartbeats cut between ${active} and ${standby}, each reaches the other's database`, () =>
    lab.cut(bothWays('heartbeat', active, standby)),
  );
  await untilActive(standby);
  await goOn(STEADY_MS);
  await lab.heal();
};

/** A server that cannot be made read-only from here, on a host that is seen to live. */
const onlyReplicationGoesOn = async ({
  lab,
  fault,
  active,
  standby,
  goOn,
  untilWritesPass,
  note,
}: Stage): Promise<void> => {
  await fault(`heartbeats and new connections cut between ${active} and ${standby}, replication goes on`, () =>
    lab.cut([...bothWays('heartbeat', active, standby), ...bothWays('logins', active, standby)]),
  );
  await goOn(STEADY_MS);
  const holds = (await lab.status(standby)).nodes.find((one) => one.self)?.holds ?? [];
  const hold = holds.find(({ name }) => name === 'peer-alive');
  if (!hold?.why.includes('replication from it brought something'))
    throw new Error(`${standby} does not hold peer-alive`);
  note(`${standby}: ${hold.why}`);
  await untilWritesPass();
  await lab.heal();
};

/** Neither can know whether the other lives, nor be told: who starts alone waits for the other, or for an operator. */
const coldStartAlone = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive, goOn, note } = stage;
  await fault('power off both', () => Promise.all([lab.powerOff(standby), lab.powerOff(active)]));
  await lab.powerOn(active);
  await goOn(STEADY_MS);
  await nobodyWrites(stage, STEADY_MS);
  const holds = (await lab.status(active)).nodes.find((one) => one.self)?.holds ?? [];
  if (holds.length === 0) throw new Error(`${active} stands alone and does not say what it waits for`);
  note(`${active} alone: ${holds.map(({ name }) => name).join(', ')}`);
  const since = monotonicMs();
  await lab.powerOn(standby);
  await untilActive(active);
  note(`writes pass ${(monotonicMs() - since).toFixed(0)} ms after ${standby} was started`);
};

const WITHOUT_WITNESS = { witness: false } as const;

export const PAIRS_ALONE: readonly Scenario[] = [
  {
    id: 'p1',
    title: 'no witness: host of the active dies',
    outcome: 'takeover, nothing lost under semi-sync',
    lab: WITHOUT_WITNESS,
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: hostDies,
  },
  {
    id: 'p2',
    title: 'no witness: agent of the active dies, its server lives',
    outcome: 'its server is made read-only, takeover, nothing lost',
    lab: WITHOUT_WITNESS,
    moves: { exactly: 1 },
    run: agentDies,
  },
  {
    id: 'p3',
    title: 'no witness: standby cut off from everything',
    outcome: 'no move, writes go on',
    lab: WITHOUT_WITNESS,
    run: standbyCutOff,
  },
  {
    id: 'p4',
    title: 'no witness: active cut off from everything',
    outcome: 'it fences itself, takeover',
    lab: WITHOUT_WITNESS,
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: linkDown,
  },
  {
    id: 'p5',
    title: 'no witness: heartbeats cut, the databases reach each other',
    outcome: 'the old active is made read-only and gives way, one writer',
    lab: WITHOUT_WITNESS,
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: heartbeatsCut,
  },
  {
    id: 'p6',
    title: 'no witness: both hosts off, and one starts alone',
    outcome: 'nobody serves until the other is there',
    lab: WITHOUT_WITNESS,
    orphans: 'may be kept',
    run: coldStartAlone,
  },
  {
    id: 'p7',
    title: 'no witness: heartbeats and new connections cut, replication goes on',
    outcome: 'the standby sees that the active lives: no move, writes go on',
    lab: WITHOUT_WITNESS,
    run: onlyReplicationGoesOn,
  },
];
