/** Databases and hosts that die, hang and come back. */

import { containsPosition } from '../../src/core/position.js';
import { restartOnDeath } from '../lab/database.js';
import { bothWays } from '../lab/faults.js';
import { monotonicMs } from '../lab/load.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage, untilInSync } from './stage.js';

/** A service manager that waits this long before it starts a dead service again. */
const SERVICE_RESTART_MS = 500;
const CLIENTS = ['client', 'pin1', 'pin2'] as const;
/** What clients sent before they were cut off has reached the server by then. */
const QUIET_MS = 300;
const LARGE_MB = 120;
const HALF_BYTES = 3_000_000;
/** Less than a busy machine is at work on it without anything else to show; a salvage is to go on all the same. */
const CATCH_UP_TIMEOUT_MS = 10_000;
/** MySQL alone would wait for a minute (decision 66). */
const HALF_GIVEN_UP_MS = 30_000;
/** Long enough for a move back to show, were there one: several check intervals and leases. */
const STEADY_MS = 4_000;

const killDatabase = async ({ lab, fault, active, standby, untilActive }: Stage): Promise<void> => {
  await fault(`kill -9 mysqld of ${active}`, () => lab.database[active].stop('SIGKILL'));
  await untilActive(standby);
  await lab.database[active].start();
};

const killRestartedDatabase = async ({ lab, fault, active, goOn, untilWritesPass }: Stage): Promise<void> => {
  const noMore = restartOnDeath(lab.database[active], SERVICE_RESTART_MS);
  await fault(`kill -9 mysqld of ${active}, restarted ${SERVICE_RESTART_MS} ms later`, async () =>
    lab.database[active].signal('SIGKILL'),
  );
  await waitFor(() => lab.database[active].running, 'mysqld is restarted', PATIENCE_MS);
  await untilWritesPass();
  await goOn(STEADY_MS);
  await noMore();
};

const killLoneDatabase = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, goOn, untilWritesPass } = stage;
  await lab.powerOff(standby);
  await untilWritesPass();
  const noMore = restartOnDeath(lab.database[active], SERVICE_RESTART_MS);
  await fault(`kill -9 mysqld of ${active}, ${standby} off; restarted ${SERVICE_RESTART_MS} ms later`, async () =>
    lab.database[active].signal('SIGKILL'),
  );
  await untilWritesPass();
  await goOn(STEADY_MS);
  await noMore();
  await lab.powerOn(standby);
};

const killHost = async ({ lab, fault, active, standby, untilActive }: Stage): Promise<void> => {
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilActive(standby);
  await lab.powerOn(active);
};

interface Death {
  readonly what: string;
  readonly dies: (stage: Stage) => Promise<unknown>;
  readonly returns: (stage: Stage) => Promise<unknown>;
  /** How many rows of the transaction the new active may have. */
  readonly rows: readonly number[];
}

/** `dies` comes while a transaction of many megabytes is on its way to the standby, which has some of it. */
const cutInHalf =
  ({ what, dies, returns, rows }: Death) =>
  async (stage: Stage): Promise<void> => {
    const { lab, fault, active, standby, untilActive, note } = stage;
    const [source, replica] = [lab.database[active], lab.database[standby]];
    await source.sql('CREATE TABLE lab.large (id INT AUTO_INCREMENT PRIMARY KEY, t LONGBLOB)');
    await untilInSync(stage);
    const relayed = async () => Number((await replica.sql(replica.kind.showReplica))[0]?.Relay_Log_Space);
    const before = await relayed();
    const numbers = `WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < ${LARGE_MB}) SELECT i FROM n`;
    void source
      .sql(`INSERT INTO lab.large (t) SELECT REPEAT('x', 1000000) FROM (${numbers}) AS d`)
      .catch(() => undefined);
    await waitFor(async () => (await relayed()) > before + HALF_BYTES || 'not yet', 'some of it has come', PATIENCE_MS);
    await fault(`${what} ${active} in the middle of a large transaction`, () => dies(stage));
    await untilActive(standby);
    const applier = async () => (await replica.channel()).applier;
    await waitFor(async () => (await applier()) === 'No' || 'it waits', 'the half is given up', HALF_GIVEN_UP_MS);
    const taken = Number((await replica.sql('SELECT COUNT(*) AS n FROM lab.large'))[0]?.n);
    note(`${taken} of its ${LARGE_MB} rows are on ${standby}`);
    if (!rows.includes(taken)) throw new Error(`${taken} rows of it are there, and not ${rows.join(' or ')}`);
    await returns(stage);
  };

const hangDatabase = async ({ lab, fault, active, standby, untilActive, goOn, note }: Stage): Promise<void> => {
  await fault(`SIGSTOP to mysqld of ${active}`, async () => lab.database[active].signal('SIGSTOP'));
  await untilActive(standby);
  // Woken, it would commit what it has queued: the agent is to have killed it (mysql.kill_on_hang).
  lab.database[active].signal('SIGCONT');
  await waitFor(() => !lab.database[active].running || 'it runs', `mysqld of ${active} was killed`, PATIENCE_MS);
  const salvaged = (await lab.journal(standby)).find(({ kind, cause }) => kind === 'step' && cause === 'salvage');
  if (salvaged === undefined) throw new Error(`${standby} opened without what was in the binary logs of ${active}`);
  note(salvaged.text);
  await goOn(STEADY_MS);
  await lab.database[active].start();
};

/** Twice the same, so that no commit was under way at the first look. */
const untilReplicated = async ({ lab, active, standby }: Stage): Promise<void> => {
  let before = '';
  await waitFor(
    async () => {
      const [own, other] = await Promise.all([lab.database[active].position(), lab.database[standby].position()]);
      const still = own === before && containsPosition(other, own);
      before = own;
      return still || `${active} has ${own}, ${standby} ${other}`;
    },
    `${standby} has all that ${active} has, and no more comes`,
    PATIENCE_MS,
  );
};

const returnClean = async (stage: Stage): Promise<void> => {
  const { lab, active, goOn } = stage;
  // No commit is under way when the host dies: what comes back has nothing of its own.
  await lab.cut(CLIENTS.flatMap((client) => bothWays('all', client, active)));
  await goOn(QUIET_MS);
  await untilReplicated(stage);
  await stage.fault(`power off ${active}`, () => lab.powerOff(active));
  await lab.heal();
  await stage.untilActive(stage.standby);
  await lab.powerOn(active);
  await stage.untilSettled();
  // No preemption: the old active has the higher priority, and stays standby all the same.
  await stage.goOn(STEADY_MS);
};

/** The node is up, says why it does not serve, and goes on saying so; nothing is written meanwhile. */
const holdsAlone = async ({ lab, acknowledgedSince, goOn, note }: Stage, node: NodeName): Promise<void> => {
  const since = monotonicMs();
  const holds = async (): Promise<string> => {
    const status = await lab.status(node);
    if (status.active !== null) throw new Error(`${node} says that ${status.active} is active`);
    return (status.nodes.find((one) => one.self)?.holds ?? []).map((hold) => hold.name).join(' ');
  };
  await waitFor(async () => (await holds()) !== '' || 'no hold', `${node} says why it waits`, PATIENCE_MS);
  await goOn(STEADY_MS);
  const held = await holds();
  note(`${node} holds: ${held}`);
  const written = acknowledgedSince(since).length;
  if (held === '') throw new Error(`${node} gives no reason any more why it waits`);
  if (written > 0) throw new Error(`${written} writes passed while ${node} should have waited`);
};

const coldStart = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilWritesPass } = stage;
  await fault('power off both', () => Promise.all([lab.powerOff(active), lab.powerOff(standby)]));
  await lab.powerOn(standby);
  await holdsAlone(stage, standby);
  await lab.powerOn(active);
  await untilWritesPass();
};

const servedLast = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive, untilWritesPass, goOn } = stage;
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilActive(standby);
  await goOn(STEADY_MS);
  await lab.powerOff(standby);
  await lab.powerOn(active);
  await holdsAlone(stage, active);
  await lab.powerOn(standby);
  await untilActive(standby);
  await untilWritesPass();
};

export const CRASHES: readonly Scenario[] = [
  {
    id: '1',
    orphans: 'may be kept',
    title: 'mysqld of the active killed',
    outcome: 'one handoff, nothing lost',
    moves: { exactly: 1 },
    run: killDatabase,
  },
  {
    id: '1-ipv6',
    orphans: 'may be kept',
    title: 'mysqld of the active killed, IPv6 VIP',
    outcome: 'one handoff, nothing lost',
    lab: { ipv6: true },
    moves: { exactly: 1 },
    run: killDatabase,
  },
  {
    id: '1c',
    orphans: 'may be kept',
    title: 'mysqld of the active killed while it sends a large transaction',
    outcome: 'one handoff that does not wait for the rest of it, nothing lost',
    lab: { config: { promotion: { catch_up_timeout: `${CATCH_UP_TIMEOUT_MS}ms` } } },
    moves: { exactly: 1 },
    run: cutInHalf({
      what: 'kill -9 mysqld of',
      dies: ({ lab, active }) => lab.database[active].stop('SIGKILL'),
      returns: ({ lab, active }) => lab.database[active].start(),
      rows: [LARGE_MB],
    }),
  },
  {
    id: '2',
    orphans: 'may be kept',
    title: 'the same, mysqld restarted by its service within a second',
    outcome: 'at most one handoff, the old one returns as standby',
    moves: { atMost: 1 },
    run: killRestartedDatabase,
  },
  {
    id: '2b',
    orphans: 'may be kept',
    title: 'the same, the standby off',
    outcome: 'no move; the active opens its server again',
    run: killLoneDatabase,
  },
  {
    id: '3',
    orphans: 'may be kept',
    title: 'host of the active dies',
    outcome: 'takeover after the lease, nothing lost under semi-sync',
    moves: { exactly: 1 },
    run: killHost,
  },
  {
    id: '3-ipv6',
    orphans: 'may be kept',
    title: 'host of the active dies, IPv6 VIP',
    outcome: 'takeover after the lease, nothing lost under semi-sync',
    lab: { ipv6: true },
    moves: { exactly: 1 },
    run: killHost,
  },
  {
    id: '3c',
    orphans: 'may be kept',
    title: 'host of the active dies while it sends a large transaction',
    outcome: 'takeover that does not wait for the rest of it, nothing lost under semi-sync',
    moves: { exactly: 1 },
    run: cutInHalf({
      what: 'power off',
      dies: ({ lab, active }) => lab.powerOff(active),
      returns: ({ lab, active }) => lab.powerOn(active),
      rows: [0, LARGE_MB],
    }),
  },
  {
    id: '4',
    orphans: 'may be kept',
    title: 'mysqld of the active hangs, then goes on',
    outcome: 'handoff, nothing written through it afterwards',
    moves: { exactly: 1 },
    run: hangDatabase,
  },
  {
    id: '15',
    title: 'both hosts cold-started, the old standby first',
    outcome: 'waits for the peer',
    // With a record that the standby was in sync it may serve alone; without semi-sync it must not.
    lab: { semiSync: 'off' },
    moves: { atMost: 1 },
    run: coldStart,
  },
  {
    id: '17',
    title: 'active returns clean',
    outcome: 'replicates, stays standby',
    moves: { exactly: 1 },
    run: returnClean,
  },
  {
    id: '35',
    orphans: 'may be kept',
    title: 'A dies, B serves, both off, A starts alone beside the witness',
    outcome: 'A holds: B served last',
    moves: { exactly: 1 },
    leasesLost: 2,
    run: servedLast,
  },
];
