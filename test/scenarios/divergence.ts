/** A pair that was split by hand: the standby has rows of its own, which are kept, told, and discarded or taken over. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BACKUP_GRANT } from '../../src/mysql/backup-ship.js';
import { CLONE_GRANT, DONOR_GRANT } from '../../src/mysql/clone.js';
import { KEPT_DIRECTORY, LIST_FILE } from '../../src/mysql/kept-binlog.js';
import { isQuarantined } from '../lab/checks.js';
import { AGENT_ACCOUNTS } from '../lab/database.js';
import type { Server } from '../lab/mysqld.js';
import { superviseService } from '../lab/service.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** A rebuild copies, prepares and starts a server twice, on a machine that is busy. */
const REJOIN_MS = 180_000;
const [LOCAL, FROM_PEER] = AGENT_ACCOUNTS;

const BEFORE = [
  'CREATE TABLE lab.notes (id INT PRIMARY KEY, t VARCHAR(40))',
  "INSERT INTO lab.notes VALUES (1, 'both'), (2, 'both'), (3, 'both')",
];
const ON_ACTIVE = [
  "INSERT INTO lab.notes VALUES (201, 'active 1'), (202, 'active 2')",
  "UPDATE lab.notes SET t = 'active' WHERE id = 3",
];
const ON_STANDBY = [
  "INSERT INTO lab.notes VALUES (101, 'standby 1'), (102, 'standby 2')",
  "UPDATE lab.notes SET t = 'standby' WHERE id = 1",
  'DELETE FROM lab.notes WHERE id = 2',
  'CREATE TABLE lab.only_here (id INT PRIMARY KEY)',
  'INSERT INTO lab.only_here VALUES (7)',
];
/** What only the standby has, as it has to be named: no row more, and none less. */
const ROWS = [
  'insert lab.notes: -> 101 standby 1',
  'insert lab.notes: -> 102 standby 2',
  'update lab.notes: 1 both -> 1 standby',
  'delete lab.notes: 2 both ->',
  'insert lab.only_here: -> 7',
] as const;

interface ListedRow {
  readonly kind: string;
  readonly table: string;
  readonly before: Readonly<Record<string, string>>;
  readonly after: Readonly<Record<string, string>>;
}

interface Listed {
  readonly transactions: readonly { readonly rows: readonly ListedRow[]; readonly statements: readonly string[] }[];
}

const valuesOf = (row: ListedRow['before']): string =>
  Object.values(row)
    .map((value) => value.replace(/^'|'$/g, ''))
    .join(' ');

const assertListed = (where: string, text: string): void => {
  const { transactions } = JSON.parse(text) as Listed;
  const rows = transactions.flatMap((one) =>
    one.rows.map(({ kind, table, before, after }) =>
      `${kind} ${table}: ${valuesOf(before)} -> ${valuesOf(after)}`.replace(/ +/g, ' ').trim(),
    ),
  );
  const statements = transactions.flatMap((one) => one.statements);
  const seen = [...rows, ...statements.map((statement) => statement.replace(/\s.*$/s, ''))].join('\n');
  if (seen !== [...ROWS, 'CREATE'].join('\n')) throw new Error(`${where} names other rows:\n${seen}`);
};

/** On this server alone, by the operator's hand. */
const alone = (server: Server, ...statements: readonly string[]): Promise<unknown> =>
  server.sql(['SET SESSION sql_log_bin = 0', ...statements, 'SET SESSION sql_log_bin = 1'].join('; '));

/** On the read-only standby alone; vipd would not leave it open for long. */
const aloneOnStandby = (server: Server, ...statements: readonly string[]): Promise<unknown> =>
  alone(server, server.kind.openForAccounts, ...statements, server.kind.closeAfterAccounts);

/** Both are writable, neither replicates, and each is given rows that the other does not get, while vipd is not there. */
const split = async ({ lab, active, standby, fault }: Stage): Promise<void> => {
  const [here, there] = [lab.database[standby], lab.database[active]];
  await there.sql(BEFORE.join('; '));
  const has = async () => (await here.sql('SELECT COUNT(*) AS n FROM lab.notes'))[0]?.n;
  await waitFor(async () => (await has()) === 3, 'the standby has the table', PATIENCE_MS);
  const heard = async () =>
    (await lab.status(active)).nodes.find(({ name }) => name === standby)?.agent.reachable !== false;
  await fault(`split by hand: rows of its own on ${active} and on ${standby}`, async () => {
    await lab.agent[standby].stop('SIGKILL');
    // Until then the active starts a channel again that somebody stopped.
    await waitFor(async () => !(await heard()), `${active} hears nothing of ${standby}`, PATIENCE_MS);
    await Promise.all([here.sql(here.kind.stopReplica), there.sql(there.kind.stopReplica)]);
    await here.sql(['SET GLOBAL read_only = OFF', ...ON_STANDBY].join('; '));
    await there.sql(ON_ACTIVE.join('; '));
    lab.agent[standby].start();
  });
};

/** Told by `status`, kept without being asked for, and listed. */
const assertQuarantined = async ({ lab, standby, note }: Stage): Promise<void> => {
  await waitFor(async () => (await isQuarantined(lab, standby)) || 'no hold', 'it is quarantined', PATIENCE_MS);
  const root = join(lab.files[standby].stateDirectory, KEPT_DIRECTORY);
  const lists = () =>
    (existsSync(root) ? readdirSync(root) : [])
      // Being written still; it gets its name as a whole.
      .filter((name) => !name.endsWith('.tmp'))
      .map((name) => join(root, name, LIST_FILE))
      .filter((path) => existsSync(path));
  await waitFor(() => lists().length === 1 || 'nothing kept', 'its transactions are kept', PATIENCE_MS);
  assertListed('what was kept', readFileSync(lists()[0] ?? '', 'utf8'));
  const { status, stdout, stderr } = await lab.vipctl(standby, ['divergence', '--json']);
  if (status !== 0) throw new Error(`vipctl divergence: exit status ${status}: ${stderr}`);
  assertListed('vipctl divergence', stdout);
  note(`${ROWS.length} rows of ${standby} alone, named and kept`);
};

const rejoin = async ({ lab, standby, note }: Stage, way: '--discard' | '--keep'): Promise<void> => {
  const { files, database } = lab;
  const withoutWord = await lab.vipctl(standby, ['rejoin', way]);
  if (withoutWord.status !== 1) throw new Error(`rejoin ${way} without a word: exit status ${withoutWord.status}`);
  const stopService = superviseService(database[standby], dirname(files[standby].config));
  const begin = performance.now();
  const { status, stdout, stderr } = await lab
    .vipctl(standby, ['rejoin', way, '--yes'], { timeoutMs: REJOIN_MS })
    .finally(stopService);
  if (status !== 0) throw new Error(`vipctl rejoin ${way}: exit status ${status}: ${stdout}${stderr}`);
  note(`rejoin ${way} took ${((performance.now() - begin) / 1_000).toFixed(1)} s`);
};

/** All that clients do not write to just now; the rest is compared once they have ended. */
const assertSame = async ({ lab, active, standby }: Stage): Promise<void> => {
  const sums = async (server: Server): Promise<string> => {
    const tables = await server.sql(
      "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'lab'",
    );
    const names = tables.map((row) => `lab.${row.name}`).filter((name) => name !== 'lab.writes');
    return JSON.stringify(await server.sql(`CHECKSUM TABLE ${names.sort().join(', ')}`));
  };
  await waitFor(
    async () => {
      const [one, other] = await Promise.all([sums(lab.database[active]), sums(lab.database[standby])]);
      return one === other || `${one} and ${other}`;
    },
    'checksums of all tables agree',
    PATIENCE_MS,
  );
};

const discardSplit = async (stage: Stage): Promise<void> => {
  const { lab, active, standby } = stage;
  const [here, there] = [lab.database[standby], lab.database[active]];
  if (here.kind.name === 'mariadb') await alone(there, `${BACKUP_GRANT} ${LOCAL}`);
  else {
    const plugin = "INSTALL PLUGIN clone SONAME 'mysql_clone.so'";
    await alone(there, plugin, `${DONOR_GRANT} ${FROM_PEER}`);
    await aloneOnStandby(here, plugin, `${CLONE_GRANT} ${LOCAL}`);
  }
  await split(stage);
  await assertQuarantined(stage);
  await rejoin(stage, '--discard');
  await stage.untilSettled();
  await assertSame(stage);
  const left = await here.sql("SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME = 'only_here'");
  if (left.length > 0) throw new Error(`${standby} still has what was discarded`);
};

const keepSplit = async (stage: Stage): Promise<void> => {
  const { lab, active, standby } = stage;
  const here = lab.database[standby];
  // RESET MASTER asks for it.
  if (here.kind.name === 'mariadb') await aloneOnStandby(here, `GRANT RELOAD ON *.* TO ${LOCAL}`);
  await split(stage);
  await assertQuarantined(stage);
  await alone(lab.database[active], ...ON_STANDBY);
  await rejoin(stage, '--keep');
  await stage.untilSettled();
  await assertSame(stage);
};

export const DIVERGENCES: readonly Scenario[] = [
  {
    id: '16b',
    title: 'a pair split by hand, then rejoin --discard',
    outcome: 'quarantined, each row named and kept; the pair is one again',
    run: discardSplit,
  },
  {
    id: '16c',
    title: 'a pair split by hand and merged by hand, then rejoin --keep',
    outcome: 'quarantined, each row named and kept; the pair is one again',
    run: keepSplit,
  },
];
