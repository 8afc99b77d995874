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

interface Obstacle {
  readonly id: string;
  readonly what: string;
  readonly statements: readonly string[];
  /** What goes on, and does not end before the session does. */
  readonly last?: string;
  /** As the pre-flight names it and its session. */
  readonly named: RegExp;
}

const HELD_ROW = 1;
/** Of a statement that would run until the session is ended. */
const LONG_S = 1_000;

const OBSTACLES: readonly Obstacle[] = [
  {
    id: '19',
    what: 'LOCK TABLES',
    statements: ['LOCK TABLES held WRITE'],
    named: /LOCK TABLES.*app@localhost/s,
  },
  {
    id: '19e',
    what: 'a long update',
    statements: [],
    last: `UPDATE held SET v = v + 1 + SLEEP(${LONG_S}) WHERE id = 0`,
    named: /app@localhost.*runs: UPDATE held/s,
  },
  {
    id: '19f',
    what: 'an open transaction',
    statements: ['BEGIN', `INSERT INTO held VALUES (${HELD_ROW}, 0)`],
    named: /transaction open for .* 1 changed rows.*app@localhost/s,
  },
];

const switchoverBehind =
  ({ what, statements, last, named }: Obstacle) =>
  async ({ lab, active, standby, fault, note, untilActive }: Stage): Promise<void> => {
    await lab.database[active].sql('CREATE TABLE lab.held (id INT PRIMARY KEY, v INT)');
    await lab.database[active].sql('INSERT INTO lab.held VALUES (0, 0)');
    const holder = await connectApp(lab, active);
    holder.on('error', () => undefined);
    const { sql, kind } = lab.database[active];
    const isThere = async () =>
      (await sql(`SELECT 1 FROM ${kind.processList} WHERE ID = ${holder.threadId}`)).length > 0;
    try {
      for (const statement of statements) await holder.query(statement);
      holder.query(last ?? 'DO 0').catch(() => undefined);
      // It counts as long once it has gone on for a while; a write of the load may be in the way too.
      await waitFor(
        async () => {
          const { status, stdout, stderr } = await lab.vipctl(active, ['switchover', '--dry-run']);
          return (status !== 0 && named.test(stdout + stderr)) || `${stdout}${stderr}`;
        },
        `a rehearsal names ${what}`,
        PATIENCE_MS,
      );
      const refused = await lab.vipctl(active, ['switchover']);
      const said = `${refused.stdout}${refused.stderr}`;
      if (refused.status === 0) throw new Error(`a switchover behind ${what} was not refused: ${said}`);
      if (!named.test(said)) throw new Error(`the session of ${what} is not named: ${said}`);
      if (!(await isThere())) throw new Error(`a switchover that was refused ended the session of ${what}`);
      note(`refused: ${said.trim().split('\n').at(-1)}`);
      await fault(`switchover --force behind ${what}`, async () => {
        const { status, stdout, stderr } = await lab.vipctl(active, ['switchover', '--force']);
        if (status !== 0) throw new Error(`vipctl switchover --force: exit status ${status}: ${stdout}${stderr}`);
      });
      await untilActive(standby);
      await waitFor(async () => !(await isThere()) || 'it is there', `the session of ${what} was ended`, PATIENCE_MS);
      const rows = await lab.database[standby].sql('SELECT id, v FROM lab.held');
      if (JSON.stringify(rows) !== JSON.stringify([{ id: 0, v: 0 }]))
        throw new Error(`what was not committed is on ${standby}: ${JSON.stringify(rows)}`);
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
  ...OBSTACLES.map(
    (obstacle): Scenario => ({
      id: obstacle.id,
      title: `switchover while ${obstacle.what} is in the way`,
      outcome: 'refused with the session named; with --force it is killed, and the move done',
      moves: { exactly: 1 },
      run: switchoverBehind(obstacle),
    }),
  ),
  { id: '22', title: 'max_connections used up on the active', outcome: 'no move', run: useUpConnections },
  {
    id: '28',
    title: "privileges of the agent's database user withdrawn",
    outcome: 'reported as such; no move',
    run: withdrawPrivileges,
  },
];
