/** Faults of the servers and of what is between them, the same on every kind of server. */

import { type Connection, createConnection } from 'mysql2/promise';
import { grantStatements } from '../../src/mysql/grants.js';
import { AGENT_ACCOUNTS, APP_PASSWORD, APP_USER, SERVER_IDS } from '../lab/database.js';
import { bothWays } from '../lab/faults.js';
import type { Lab } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage, selfOf } from './stage.js';

/** Several check intervals and leases: a move would show. */
const STEADY_MS = 4_000;
/** Commits under way have ended by then. */
const QUIET_MS = 300;
/** Fewer than any server has sessions once they are used up; MariaDB allows no less. */
const FEW_CONNECTIONS = 10;
const MANY_CONNECTIONS = 400;
/** Of no client's rows. */
const ORPHAN_ID = 999_999_999_999;

/** As an application on the same host: over the socket, so that no VIP is in between. */
export const connectApp = (lab: Lab, node: NodeName): Promise<Connection> =>
  createConnection({ socketPath: lab.database[node].socket, user: APP_USER, password: APP_PASSWORD, database: 'lab' });

const cutReplication = async ({ lab, standby, fault, goOn, untilWritesPass, note }: Stage): Promise<void> => {
  await fault('TCP 3306 between db1 and db2 cut', () => lab.cutBetween('db1', 'db2', 'replication'));
  await untilWritesPass();
  await waitFor(
    async () => (await selfOf(lab, standby))?.unfit !== '' || 'fit',
    `${standby} says that it is unfit`,
    PATIENCE_MS,
  );
  note(`${standby}: ${(await selfOf(lab, standby))?.unfit}`);
  await goOn(STEADY_MS);
  await lab.heal();
};

/** A commit that no client was told of, on the old active alone. */
const returnWithMore = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note } = stage;
  const old = lab.database[active];
  await lab.cut([
    ...(['client', 'pin1', 'pin2'] as const).flatMap((client) => bothWays('all', client, active)),
    ...bothWays('replication', active, standby),
  ]);
  await goOn(QUIET_MS);
  const orphan = `INSERT INTO lab.writes (id, client_at, server_id, server_at_us, host) VALUES (${ORPHAN_ID}, 0, ${SERVER_IDS[active]}, 0, 'orphan')`;
  // Under semi-sync it waits for a standby that is cut off, until its host dies.
  void old.sql(orphan).catch(() => undefined);
  const { processList, semiSyncWait } = old.kind;
  const waits = `SELECT 1 FROM ${processList} WHERE STATE LIKE '${semiSyncWait}' AND INFO LIKE '%orphan%'`;
  await waitFor(async () => (await old.sql(waits)).length > 0 || 'nothing waits', 'the commit waits', PATIENCE_MS);
  await fault(`power off ${active} with a commit that ${standby} has not`, () => lab.powerOff(active));
  await lab.heal();
  await stage.untilActive(standby);
  await lab.powerOn(active);
  const hold = async () => (await selfOf(lab, active))?.holds.find((one) => one.name === 'quarantined')?.why ?? '';
  await waitFor(async () => (await hold()) !== '' || 'no hold', `${active} is quarantined`, PATIENCE_MS);
  await goOn(STEADY_MS);
  note(`${active}: ${await hold()}`);
  const named = (await old.position()).slice(`${old.kind.name}:`.length).split(/[:,-]/)[0] ?? '';
  if (!(await hold()).includes(named)) throw new Error(`the hold does not name what ${active} has: ${await hold()}`);
  for (const [node, rows] of [[active, 1] as const, [standby, 0] as const]) {
    const found = await lab.database[node].sql(`SELECT id FROM lab.writes WHERE id = ${ORPHAN_ID}`);
    if (found.length !== rows) throw new Error(`the orphan is there ${found.length} times on ${node}, not ${rows}`);
  }
};

const switchoverBehindLock = async ({ lab, active, standby, fault, note, untilActive }: Stage): Promise<void> => {
  await lab.database[active].sql('CREATE TABLE lab.held (id INT PRIMARY KEY)');
  const holder = await connectApp(lab, active);
  holder.on('error', () => undefined);
  try {
    await holder.query('LOCK TABLES held WRITE');
    const refused = await lab.vipctl(active, ['switchover']);
    const said = `${refused.stdout}${refused.stderr}`;
    if (refused.status === 0) throw new Error(`a switchover behind LOCK TABLES was not refused: ${said}`);
    if (!/LOCK TABLES.*app@localhost/s.test(said)) throw new Error(`the holder of the lock is not named: ${said}`);
    note(`refused: ${said.trim().split('\n').at(-1)}`);
    await fault('switchover --force behind LOCK TABLES', async () => {
      const { status, stdout, stderr } = await lab.vipctl(active, ['switchover', '--force']);
      if (status !== 0) throw new Error(`vipctl switchover --force: exit status ${status}: ${stdout}${stderr}`);
    });
    await untilActive(standby);
  } finally {
    holder.destroy();
  }
};

const useUpConnections = async ({ lab, active, fault, goOn, note, untilWritesPass }: Stage): Promise<void> => {
  const server = lab.database[active];
  const sessions: Connection[] = [];
  // A session of root that is there before, since none could be opened later.
  const root = await createConnection({ socketPath: server.socket, user: 'root' });
  try {
    await fault('max_connections used up', async () => {
      for (let i = 0; i < FEW_CONNECTIONS; i += 1) sessions.push(await connectApp(lab, active));
      for (const session of sessions) session.on('error', () => undefined);
      await root.query(`SET GLOBAL max_connections=${FEW_CONNECTIONS}`);
    });
    await goOn(STEADY_MS);
    const refused = await connectApp(lab, active).then(
      () => 'not refused',
      (error: Error) => error.message,
    );
    note(`a client: ${refused}`);
    if (refused === 'not refused') throw new Error('a client found a connection, so they were not used up');
  } finally {
    await root.query(`SET GLOBAL max_connections=${MANY_CONNECTIONS}`);
    for (const session of [...sessions, root]) session.destroy();
  }
  await untilWritesPass();
};

const withdrawPrivileges = async ({ lab, active, fault, goOn, note }: Stage): Promise<void> => {
  const server = lab.database[active];
  const alone = (statements: readonly string[]) => server.sql(['SET SESSION sql_log_bin=0', ...statements].join('; '));
  const { connectionAdmin } = server.kind;
  await fault(`${connectionAdmin} taken from the agent's user on ${active}`, () =>
    alone(AGENT_ACCOUNTS.map((account) => `REVOKE ${connectionAdmin} ON *.* FROM ${account}`)),
  );
  const detail = async () => (await lab.status(active)).database.detail;
  await waitFor(
    async () => (await detail()).includes(connectionAdmin) || (await detail()),
    `${active} says what is missing`,
    PATIENCE_MS,
  );
  note(await detail());
  await goOn(STEADY_MS);
  await alone(AGENT_ACCOUNTS.flatMap((account) => grantStatements(server.kind.name, account)));
};

export const SERVER_FAULTS: readonly Scenario[] = [
  {
    id: '8',
    title: 'only the replication link cut',
    outcome: 'no move; the standby is unfit while it lags',
    run: cutReplication,
  },
  {
    id: '16',
    title: 'active returns with commits the other never got',
    outcome: 'quarantined, listed, kept',
    moves: { exactly: 1 },
    orphans: 'may be kept',
    run: returnWithMore,
  },
  {
    id: '19',
    title: 'switchover while LOCK TABLES is in the way',
    outcome: 'refused with the session named; with --force it is killed',
    moves: { exactly: 1 },
    run: switchoverBehindLock,
  },
  { id: '22', title: 'max_connections used up on the active', outcome: 'no move', run: useUpConnections },
  {
    id: '28',
    title: "privileges of the agent's database user withdrawn",
    outcome: 'reported as such; no move',
    run: withdrawPrivileges,
  },
];
