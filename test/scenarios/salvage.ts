/** A dead server whose binary logs cannot be had: what is missing is told, and an operator decides. */

import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { countMissing, describeDifference } from '../../src/core/position.js';
import { allAttempts, rowsOf } from '../lab/checks.js';
import { emptyDisk, fillDisk } from '../lab/disk.js';
import { monotonicMs } from '../lab/load.js';
import { waitFor } from '../lab/wait.js';
import { checkAnnounced, heldBy, promoteByHand, staysHeld } from './held.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** For how long the standby receives nothing. */
const BROKEN_MS = 2_000;
/** What came after the last poll that a BEAT told of is not known to anybody; so old it was at most, on a busy machine too. */
const UNTOLD_MS = 1_000;
/** The agent that keeps up with the logs says so while there is time to mend it. */
const WARNING = /a salvage from this host would fail: cannot read/;

/** Asynchronous, the channel cut, the logs shut to the agent: only that server's disk has the newest commits. */
const unreadableLogs = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note, untilWritesPass } = stage;
  const { [active]: source, [standby]: replica } = lab.database;
  const index = join(source.dataDir, 'binlog.index');
  const { mode } = statSync(index);
  await fault('TCP 3306 between db1 and db2 cut', () => lab.cutBetween('db1', 'db2', 'replication'));
  await fault(`${index} shut to the agent of ${active}`, async () => chmodSync(index, 0));
  await untilWritesPass();
  await goOn(BROKEN_MS);
  await waitFor(
    () => WARNING.test(readFileSync(lab.files[active].agentLog, 'utf8')) || 'nothing',
    `${active} warns of it`,
    PATIENCE_MS,
  );
  await fault(`kill -9 mysqld of ${active}`, () => source.stop('SIGKILL'));
  const diedAt = monotonicMs();
  const words = new RegExp(
    `at most \\d+ transactions are known not to be: .*cannot read ${index}: EACCES; .*"namei -l ${index}".*vipctl resume.*` +
      'vipctl promote --accept-loss',
  );
  await staysHeld(stage, standby, 'loss', words);
  const had = await replica.position();
  const announced = await promoteByHand(stage, standby, words);
  await lab.heal();
  chmodSync(index, mode);
  await source.start();
  await heldBy(stage, active, 'quarantined');
  await checkAnnounced(stage, standby, announced, diedAt);
  const lost = { from: had, to: await source.position() };
  note(`lost: ${describeDifference(lost.to, lost.from)}`);
  await checkNamed(stage, announced, lost, diedAt);
};

/** What was named is what was lost, but for what nobody had told by then. */
const checkNamed = async (
  { lab, load, standby }: Stage,
  announced: string,
  lost: { readonly from: string; readonly to: string },
  diedAt: number,
): Promise<void> => {
  const [, count = '', range = ''] = /at most (\d+) transactions are known not to be: ([^;]+)/.exec(announced) ?? [];
  const beginning = (text: string): string => text.replace(/ to \S+$|-\d+$/, '');
  const all = describeDifference(lost.to, lost.from);
  if (beginning(range) !== beginning(all)) throw new Error(`${range} was named, and ${all} is lost`);
  if (Number(count) > countMissing(lost.to, lost.from)) throw new Error(`${count} were named, and ${all} is lost`);
  const rows = await rowsOf(lab, standby);
  const told = allAttempts(load).filter(
    ({ acknowledged, id, end }) => acknowledged && !rows.has(id) && end < diedAt - UNTOLD_MS,
  );
  if (told.length > Number(count))
    throw new Error(`${told.length} writes are lost, and ${count} were named: ${announced}`);
};

/** Nothing can be applied on the successor; nobody gives up what the dead server's disk has, and it comes once there is room. */
const noRoomToApply = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note, untilActive, untilWritesPass } = stage;
  const directory = lab.files[standby].mysqlDirectory;
  await fault('TCP 3306 between db1 and db2 cut', () => lab.cutBetween('db1', 'db2', 'replication'));
  await untilWritesPass();
  await goOn(BROKEN_MS);
  await fault(`disk of the server of ${standby} full`, () => fillDisk(directory));
  await fault(`kill -9 mysqld of ${active}`, () => lab.database[active].stop('SIGKILL'));
  await staysHeld(stage, standby, 'loss', /salvage: .* bytes left: .*make some.*vipctl resume/);
  emptyDisk(directory);
  const { status, stdout, stderr } = await lab.vipctl(standby, ['resume']);
  if (status !== 0) throw new Error(`vipctl resume: exit status ${status}: ${stdout}${stderr}`);
  await untilActive(standby);
  const salvaged = (await lab.journal(standby)).find(({ kind, cause }) => kind === 'step' && cause === 'salvage');
  if (salvaged === undefined) throw new Error(`${standby} opened without what was in the binary logs of ${active}`);
  note(salvaged.text);
  await lab.heal();
  await lab.database[active].start();
};

export const SALVAGES: readonly Scenario[] = [
  {
    id: '1e',
    title: 'mysqld of the active killed, asynchronous, its binary logs shut to the agent',
    outcome: 'not promoted; what is missing is named, and why; promote --accept-loss works',
    lab: { semiSync: 'off', ordinaryAccess: true },
    moves: { exactly: 1 },
    orphans: 'may be kept',
    loss: 'announced',
    run: unreadableLogs,
  },
  {
    id: '1f',
    title: 'mysqld of the active killed, asynchronous, the disk of the other server full',
    outcome: 'not promoted, and says why; with room and `vipctl resume` nothing is lost',
    lab: { semiSync: 'off', smallServerDisks: true },
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: noRoomToApply,
  },
];
