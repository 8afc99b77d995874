/** A standby that lacks something when the active dies: not applied yet, not applicable, or never received. */

import { containsPosition, countMissing } from '../../src/core/position.js';
import { type Brakes, fitBrakes } from '../lab/brakes.js';
import { bothWays } from '../lab/faults.js';
import { monotonicMs } from '../lab/load.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { checkAnnounced, heldBy, promoteByHand, reachOf, staysHeld } from './held.js';
import { PATIENCE_MS, type Scenario, type Stage, selfOf, untilInSync } from './stage.js';

/** Many leases, and several attempts to stand. */
const STEADY_MS = 4_000;
/** Commits under way have ended by then. */
const QUIET_MS = 300;
/** So much of the load lies between two marks at which the applier comes to a stand. */
const STRETCH_MS = 1_000;
const STRETCHES = 6;
const CATCH_UP_TIMEOUT_MS = 5_000;
/** At each mark; together far longer than a catch-up without progress may take. */
const STAND_MS = 1_500;
const MAX_LOSS_MS = 2_000;
/** For how long the channel is broken: far above what may be lost. */
const BROKEN_MS = 10 * MAX_LOSS_MS;
const DUPLICATE_KEY = /Duplicate entry/;

const power = async ({ lab, fault, active }: Stage): Promise<number> => {
  await fault(`power off ${active}`, () => lab.powerOff(active));
  return monotonicMs();
};

/** What was given up stands in nobody's way any more: it needs no second word. */
const takesItsPlaceAgain = async ({ lab, fault, untilActive }: Stage, node: NodeName): Promise<void> => {
  await fault(`kill -9 the agent of ${node}, and start it again`, async () => {
    await lab.agent[node].stop('SIGKILL');
    lab.agent[node].start();
  });
  await untilActive(node);
};

/** A row that only the standby has, out of every binary log, and then the same row from the active. */
const breakApplier = async ({ lab, active, standby, fault }: Stage): Promise<void> => {
  const { [active]: source, [standby]: replica } = lab.database;
  await source.sql('CREATE TABLE lab.clash (id INT PRIMARY KEY)');
  await waitFor(
    async () => (await replica.sql("SHOW TABLES IN lab LIKE 'clash'")).length === 1,
    'the table arrives',
    PATIENCE_MS,
  );
  const { openForAccounts, closeAfterAccounts } = replica.kind;
  const alone = ['SET SESSION sql_log_bin=0', 'INSERT INTO lab.clash VALUES (1)'];
  await fault(`the applier of ${standby} broken by a duplicate key`, async () => {
    await replica.sql([openForAccounts, ...alone, closeAfterAccounts].join('; '));
    await source.sql('INSERT INTO lab.clash VALUES (1)');
  });
  await waitFor(
    async () => (await replica.channel()).applier === 'No' || 'applies',
    `the applier of ${standby} has stopped`,
    PATIENCE_MS,
  );
};

const brokenApplier = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, goOn, untilWritesPass } = stage;
  await breakApplier(stage);
  await untilWritesPass();
  await waitFor(
    async () => DUPLICATE_KEY.test((await selfOf(lab, standby))?.unfit ?? '') || 'fit',
    `${standby} says why it is unfit`,
    PATIENCE_MS,
  );
  await goOn(STEADY_MS);
  const diedAt = await power(stage);
  await staysHeld(stage, standby, 'replication', DUPLICATE_KEY);
  const announced = await promoteByHand(stage, standby, DUPLICATE_KEY);
  await takesItsPlaceAgain(stage, standby);
  await lab.powerOn(active);
  await heldBy(stage, active, 'quarantined');
  await checkAnnounced(stage, standby, announced, diedAt);
};

const brokenChannel = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, untilWritesPass } = stage;
  await fault('TCP 3306 between db1 and db2 cut', () => lab.cutBetween('db1', 'db2', 'replication'));
  const brokenAt = monotonicMs();
  await untilWritesPass();
  await goOn(BROKEN_MS);
  const diedAt = await power(stage);
  const why = await staysHeld(stage, standby, 'loss', /up to the last \d+ ms.*\d+ transactions/);
  const brokenMs = diedAt - brokenAt;
  // The last that was received is older than the cut by no more than what a BEAT takes, and the lease is added.
  const most = monotonicMs() - brokenAt + 2 * (await lab.status(standby)).lease.lengthMs;
  const named = reachOf(why);
  // Nothing was committed as long as the active still waited for the standby, and so nothing lost.
  if (named < BROKEN_MS / 2 || named > most)
    throw new Error(`the channel was broken for ${brokenMs.toFixed(0)} ms; the loss named is ${named} ms`);
  await lab.heal();
  const announced = await promoteByHand(stage, standby, /up to the last \d+ ms/);
  await lab.powerOn(active);
  await heldBy(stage, active, 'quarantined');
  await checkAnnounced(stage, standby, announced, diedAt);
};

/** What lies in the relay logs of the standby, and how much of it is not applied. */
const backlogOf = async ({ lab, standby, note }: Stage): Promise<string> => {
  const received = await lab.database[standby].received();
  const behind = countMissing(received, await lab.database[standby].position());
  note(`${standby} has received ${behind} transactions that it has not applied`);
  if (behind === 0) throw new Error(`${standby} is not behind, so nothing is tried`);
  return received;
};

/** Acknowledged under semi-sync, all of it, and nothing applied from the first of the marks on. */
const letLag = async ({ lab, active, standby, goOn, ...stage }: Stage): Promise<Brakes> => {
  await untilInSync({ lab, active });
  const brakes = await fitBrakes(lab.database[active], lab.database[standby], STRETCHES);
  for (let mark = 1; mark <= STRETCHES; mark += 1) {
    await brakes.mark();
    await goOn(STRETCH_MS);
  }
  await stage.untilWritesPass();
  const { lagMs } = (await selfOf(lab, standby)) ?? {};
  stage.note(`${standby} tells a lag of ${lagMs} ms`);
  if ((lagMs ?? 0) < (STRETCHES * STRETCH_MS) / 2) throw new Error(`${standby} does not tell its lag: ${lagMs} ms`);
  if ((await lab.status(active)).protection.semiSync.sync !== true) throw new Error('a lag ended semi-sync');
  return brakes;
};

/** The standby's server: may clients write on it, and has it all that it had received? The answer ends the watch. */
const watchOpening = ({ lab, standby }: Stage, received: string): (() => Promise<string>) => {
  const { sql, kind } = lab.database[standby];
  let over = false;
  let looks = 0;
  const look = async (): Promise<string> => {
    const [row] = await sql(`${kind.position}, @@global.read_only AS readOnly`);
    looks += 1;
    const position = `${kind.name}:${row?.position}`;
    return Number(row?.readOnly) === 1 || containsPosition(position, received) ? '' : position;
  };
  const watching = (async (): Promise<string> => {
    while (!over) {
      const early = await look();
      if (early !== '') return `${standby} opened with ${early}, having received ${received}`;
    }
    return looks === 0 ? `nobody looked at ${standby}` : '';
  })().catch((error: Error) => `${standby} could not be watched: ${error.message}`);
  return () => {
    over = true;
    return watching;
  };
};

/** From mark to mark. Answers at each what was left to apply, as the status told it. */
const applyInStretches = async ({ lab, standby, goOn }: Stage, brakes: Brakes): Promise<readonly number[]> => {
  const left: number[] = [];
  const told = async (): Promise<number | undefined> => {
    const { role, progress } = (await selfOf(lab, standby)) ?? {};
    const count = /(\d+) transactions to apply/.exec(progress ?? '')?.[1];
    return role === 'promoting' && count !== undefined ? Number(count) : undefined;
  };
  for (let mark = 2; mark <= STRETCHES; mark += 1) {
    await brakes.letPast();
    await waitFor(
      async () => ((await told()) ?? Number.POSITIVE_INFINITY) < (left.at(-1) ?? Number.POSITIVE_INFINITY),
      `${standby} tells of progress at mark ${mark} of ${STRETCHES}, after ${left.join(' ')}`,
      PATIENCE_MS,
    );
    await goOn(STAND_MS);
    const count = await told();
    if (count === undefined) throw new Error(`${standby} is not promoting any more at mark ${mark} of ${STRETCHES}`);
    left.push(count);
  }
  return left;
};

const farBehind = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, note, acknowledgedSince, untilActive } = stage;
  const brakes = await letLag(stage);
  try {
    const diedAt = await power(stage);
    const opening = watchOpening(stage, await backlogOf(stage));
    const left = await applyInStretches(stage, brakes);
    note(`transactions left to apply, as told: ${left.join(' ')}`);
    const falls = left.every((count, index) => count < (left[index - 1] ?? Number.POSITIVE_INFINITY));
    if (!falls) throw new Error(`the status of ${standby} shows no progress: ${left.join(' ')}`);
    const written = acknowledgedSince(diedAt).length;
    if (written > 0) throw new Error(`${written} writes passed before ${standby} had caught up`);
    await brakes.letPast();
    await untilActive(standby);
    const early = await opening();
    if (early !== '') throw new Error(early);
  } finally {
    brakes.end();
  }
  await lab.powerOn(active);
};

/** Its server dies, or is shut down, with relay logs that are not applied; nobody can send them again. */
const restartedBehind = (signal: 'SIGKILL' | 'SIGTERM') => async (stage: Stage) => {
  const { lab, active, standby, fault, note, untilActive } = stage;
  const brakes = await letLag(stage);
  await power(stage);
  const received = await backlogOf(stage);
  await fault(`${signal} to mysqld of ${standby}, started again`, () => lab.database[standby].restart(signal));
  brakes.end();
  await untilActive(standby);
  const position = await lab.database[standby].position();
  if (!containsPosition(position, received)) throw new Error(`${standby} opened with ${position}, not ${received}`);
  note(`${standby} is active with all that it had received`);
  await lab.powerOn(active);
};

/**
 * The standby's host is back while the active lives, and cannot fetch anything: whoever throws its relay logs away to
 * have them sent again has lost what was acknowledged, should the active die now.
 */
const restartedCutOff = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, untilActive } = stage;
  const brakes = await letLag(stage);
  await lab.cut((['client', 'pin1', 'pin2'] as const).flatMap((client) => bothWays('all', client, active)));
  await goOn(QUIET_MS);
  const received = await backlogOf(stage);
  await fault(`${standby} restarted, and its channel cut`, async () => {
    await lab.powerOff(standby);
    await lab.cutBetween('db1', 'db2', 'replication');
    await lab.powerOn(standby);
  });
  brakes.end();
  await waitFor(
    async () => (await lab.database[standby].channel()).receiver !== 'No' || 'not started',
    `${standby} tries to replicate`,
    PATIENCE_MS,
  );
  await goOn(STEADY_MS);
  await power(stage);
  await lab.heal();
  await untilActive(standby);
  const position = await lab.database[standby].position();
  if (!containsPosition(position, received)) throw new Error(`${standby} opened with ${position}, not ${received}`);
  await lab.powerOn(active);
};

export const BEHIND: readonly Scenario[] = [
  {
    id: '12',
    title: "standby's SQL thread broken, active dies",
    outcome: 'no promotion; hold with the error; promote --accept-loss works',
    moves: { exactly: 1 },
    orphans: 'may be kept',
    loss: 'announced',
    run: brokenApplier,
  },
  {
    id: '13',
    title: 'standby far behind, active dies',
    outcome: 'promoted only once caught up with what it has',
    lab: { config: { promotion: { catch_up_timeout: `${CATCH_UP_TIMEOUT_MS}ms` } } },
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: farBehind,
  },
  {
    id: '36',
    title: `standby's channel broken for ${BROKEN_MS / 1_000} s, then the active dies`,
    outcome: 'not promoted; the loss is named; promote --accept-loss works',
    lab: { config: { promotion: { max_loss: `${MAX_LOSS_MS}ms` } } },
    moves: { exactly: 1 },
    orphans: 'may be kept',
    loss: 'announced',
    run: brokenChannel,
  },
  {
    id: '40a',
    title: 'mysqld of the standby killed with relay logs not applied, active dead',
    outcome: 'nothing acknowledged under semi-sync is lost',
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: restartedBehind('SIGKILL'),
  },
  {
    id: '40b',
    title: 'the same, mysqld shut down in order',
    outcome: 'nothing acknowledged under semi-sync is lost',
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: restartedBehind('SIGTERM'),
  },
  {
    id: '40c',
    title: 'host of the standby restarted with relay logs not applied and its channel cut, then the active dies',
    outcome: 'nothing acknowledged under semi-sync is lost',
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: restartedCutOff,
  },
];
