/** Semi-sync is in force and the standby goes: writes go on, but not before a majority has recorded that it may lack something. */

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { containsPosition } from '../../src/core/position.js';
import { fitBrakes, lockMarks } from '../lab/brakes.js';
import { emptyDisk, fillDisk } from '../lab/disk.js';
import { GROUP } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import { longestOutage, monotonicMs } from '../lab/load.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { nobodyWrites, PATIENCE_MS, type Scenario, type Stage, selfOf, untilInSync } from './stage.js';

/** Before the fault: what gaps the machine makes by itself. */
const CALM_MS = 3_000;
/** Beyond the lease, for the record and for the server. */
const ALLOWED_MS = 100;
/** So many of the machine's longest gaps may add up: the last BEAT, the records, the server. */
const CALM_GAPS = 2;
/** How long the standby is away, and how long it stays behind after its return: many heartbeats. */
const AWAY_MS = 3_000;
const BEHIND_MS = 4_000;
/** How long the record cannot be written. Commits that wait use up connections, so not for long. */
const UNWRITABLE_MS = 1_500;

interface Recorded {
  readonly sync: boolean;
  /** When the file took its place, in Unix milliseconds; up to a tick of the kernel's clock too early. */
  readonly atMs: number;
}

const recordIn = (stateDirectory: string): Recorded => {
  const path = join(stateDirectory, GROUP, 'record.json');
  const { record } = JSON.parse(readFileSync(path, 'utf8')) as { readonly record: { readonly sync: boolean } };
  return { sync: record.sync, atMs: statSync(path).ctimeMs };
};

/** Of the two voters that are left when the standby is gone: only together they are a majority. */
const recordsOf = (lab: Lab, active: NodeName): Readonly<Record<string, Recorded>> => ({
  [active]: recordIn(lab.files[active].stateDirectory),
  w1: recordIn(lab.witnessFiles.stateDirectory),
});

/** Statements of sessions of the server, with the time at which each began, in microseconds. */
const logStatements = ({ lab, active }: Stage): Promise<unknown> =>
  lab.database[active].sql("SET GLOBAL log_output='TABLE'; SET GLOBAL general_log=ON");

/** When the newest statement that ends semi-sync began, in Unix milliseconds; none: undefined. */
const switchedOffAt = async ({ lab, active }: Stage): Promise<number | undefined> => {
  const server = lab.database[active];
  const [row] = await server.sql(
    `SELECT MAX(UNIX_TIMESTAMP(event_time)) * 1000 AS atMs FROM mysql.general_log
     WHERE CONVERT(argument USING utf8mb4) LIKE '${server.kind.semiSyncEnds}'`,
  );
  return row?.atMs === null || row?.atMs === undefined ? undefined : Number(row.atMs);
};

const semiSyncIsOn = async ({ lab, active }: Stage): Promise<boolean> => {
  const server = lab.database[active];
  const [row] = await server.sql(`SELECT @@global.${server.kind.semiSyncVariable} AS v`);
  return Number(row?.v) === 1;
};

/** In the journal, which is told once the server has said so. */
const isOff = async ({ lab, active }: Stage): Promise<boolean> =>
  (await lab.journal(active)).some(({ cause, text }) => cause === 'semi-sync' && text.includes('off'));

/** `sync=off` was on disk at both before the statement began. */
const checkRecordedFirst = async (stage: Stage): Promise<void> => {
  const { lab, active, note } = stage;
  await waitFor(() => isOff(stage), `semi-sync is switched off on ${active}`, PATIENCE_MS);
  const offAt = await switchedOffAt(stage);
  if (offAt === undefined) throw new Error(`semi-sync was not switched off on ${active}`);
  for (const [voter, { sync, atMs }] of Object.entries(recordsOf(lab, active))) {
    note(
      `${voter} has recorded sync=${sync ? 'on' : 'off'} ${(offAt - atMs).toFixed(1)} ms before it was switched off`,
    );
    if (sync || atMs > offAt) throw new Error(`semi-sync was switched off before ${voter} had recorded sync=off`);
  }
  const told = (await lab.journal(active)).map(({ cause, text }) => `${cause} ${text}`);
  const [recorded, switched] = [/^sync .*sync=off/, /^semi-sync .*off/].map((words) =>
    told.findLastIndex((text) => words.test(text)),
  );
  if (recorded === undefined || switched === undefined || recorded < 0 || switched < recorded)
    throw new Error(`the journal of ${active} does not tell both in this order`);
};

/** Each client's longest wait for an acknowledgement, against the lease and what the machine's own gaps were before. */
const checkWritesWentOn = async (stage: Stage, calmSince: number, goneAt: number): Promise<void> => {
  const { lab, active, load, note } = stage;
  const leaseMs = (await lab.status(active)).lease.lengthMs;
  const clients = { fresh: load.fresh, held: load.pinned[active] };
  for (const [name, { attempts }] of Object.entries(clients)) {
    const before = attempts.filter(({ begin, end }) => begin >= calmSince && end < goneAt);
    const calmMs = longestOutage(before, calmSince).ms;
    const { ms } = longestOutage(attempts, goneAt);
    note(`${name}: out for ${ms.toFixed(0)} ms, before for up to ${calmMs.toFixed(0)} ms; the lease is ${leaseMs} ms`);
    const most = leaseMs + ALLOWED_MS + CALM_GAPS * calmMs;
    if (ms > most) throw new Error(`${name} clients had no write for ${ms.toFixed(0)} ms, allowed: ${most.toFixed(0)}`);
  }
};

/** As long as the standby has not applied what was committed meanwhile, nothing says that it has. */
const staysOff = async (stage: Stage, forMs: number): Promise<void> => {
  const { lab, active, goOn } = stage;
  const until = monotonicMs() + forMs;
  while (monotonicMs() < until) {
    const recorded = Object.entries(recordsOf(lab, active)).filter(([, { sync }]) => sync);
    if (recorded.length > 0) throw new Error(`${recorded.map(([voter]) => voter)} recorded sync=on too early`);
    if ((await lab.status(active)).protection.semiSync.sync !== false)
      throw new Error(`${active} says that it is in sync`);
    await goOn(20);
  }
};

/** Nor does one that is back hold up anybody as long as it has yet to catch up, or to receive anything at all. */
const checkNobodyWaited = ({ load, standby, note }: Stage, backAt: number): void => {
  const { ms } = longestOutage(load.fresh.attempts, backAt);
  note(`after the return of ${standby}: out for up to ${ms.toFixed(0)} ms`);
  if (ms > BEHIND_MS)
    throw new Error(`writes waited for ${ms.toFixed(0)} ms for ${standby}, which was behind for ${BEHIND_MS} ms`);
};

/** Back with an applier that comes to a stand before all that was committed while it was away. */
const returnBehind = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, note, goOn } = stage;
  const [source, replica] = [lab.database[active], lab.database[standby]];
  const backAt = monotonicMs();
  // The agent ends all sessions as it starts, and what comes before they are there again would not be held up.
  await lab.cutBetween(active, standby, 'replication');
  await lab.powerOn(standby);
  await waitFor(
    async () => (await selfOf(lab, standby))?.role === 'standby' || 'starting',
    `${standby} is standby`,
    PATIENCE_MS,
  );
  const brakes = await lockMarks(source, replica, 1);
  try {
    await brakes.mark();
    await goOn(AWAY_MS);
    const committed = await source.position();
    await lab.heal();
    await waitFor(
      async () => containsPosition(await replica.received(), committed) || 'not received',
      `${standby} has received what was committed while it was away`,
      PATIENCE_MS,
    );
    await staysOff(stage, BEHIND_MS);
    await brakes.letPast();
    await waitFor(() => recordsOf(lab, active).w1?.sync === true, 'sync=on is recorded', PATIENCE_MS);
    const applied = await replica.position();
    if (!containsPosition(applied, committed)) throw new Error(`sync=on with ${applied} applied of ${committed}`);
  } finally {
    brakes.end();
  }
  await untilInSync(stage);
  note('sync=on was recorded once all was applied');
  checkNobodyWaited(stage, backAt);
};

const standbyGone = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, untilWritesPass } = stage;
  await untilInSync(stage);
  (await fitBrakes(lab.database[active], lab.database[standby], 1)).end();
  await logStatements(stage);
  const calmSince = monotonicMs();
  await goOn(CALM_MS);
  const goneAt = monotonicMs();
  await fault(`power off ${standby}`, () => lab.powerOff(standby));
  await untilWritesPass();
  await goOn(AWAY_MS);
  await checkWritesWentOn(stage, calmSince, goneAt);
  await checkRecordedFirst(stage);
  await lab.database[active].sql('SET GLOBAL general_log=OFF');
  await returnBehind(stage);
};

/** The witness's disk is full: there is no majority that could record it, so nobody is told that a write is safe. */
const recordUnwritable = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note, untilWritesPass } = stage;
  const { stateDirectory } = lab.witnessFiles;
  await untilInSync(stage);
  await logStatements(stage);
  await fillDisk(stateDirectory);
  await fault(`power off ${standby}, and w1 cannot write its record`, () => lab.powerOff(standby));
  await goOn((await lab.status(active)).lease.lengthMs);
  await nobodyWrites(stage, UNWRITABLE_MS);
  if ((await switchedOffAt(stage)) !== undefined || !(await semiSyncIsOn(stage)))
    throw new Error('semi-sync was switched off though only one voter of three has recorded it');
  if ((await selfOf(lab, active))?.role !== 'active') throw new Error(`${active} gave up the VIP`);
  emptyDisk(stateDirectory);
  note('w1 can write again');
  await untilWritesPass();
  await checkRecordedFirst(stage);
  await lab.database[active].sql('SET GLOBAL general_log=OFF');
  await lab.powerOn(standby);
  await untilInSync(stage);
};

export const SEMI_SYNC_FAULTS: readonly Scenario[] = [
  {
    id: '37a',
    title: 'standby gone while semi-sync is in force',
    outcome: 'writes go on, sync=off recorded first; on again when it has caught up',
    run: standbyGone,
  },
  {
    id: '37b',
    title: 'the same, and no majority can record it for a while',
    outcome: 'semi-sync stays in force, and nothing is acknowledged, until it is recorded',
    lab: { smallDisks: true },
    run: recordUnwritable,
  },
];
