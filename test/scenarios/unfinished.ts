/** Planned moves that cannot finish, each cause again and again: one host is writable afterwards, and clients write. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import type { NodeStatus } from '../../src/control/status.js';
import { activeNode } from '../lab/checks.js';
import { type Lab, peerOf } from '../lab/lab.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { restartAsService } from './agents.js';
import { askToMove } from './operator.js';
import { connectApp } from './servers.js';
import { type Extent, PATIENCE_MS, PATIENT_CONFIG, type Scenario, type Stage } from './stage.js';

const ROUNDS = { short: 2, full: 20 } as const satisfies Record<Extent, number>;
/** What comes up in this time was not there to be seen by the pre-flight. */
const HOOK_MS = 800;
const HOOKS = { 'pre-demote/10-slow': `#!/bin/sh\nexec sleep ${HOOK_MS / 1_000}\n` };
const TIMEOUT_MS = 4_000;
/** An agent dies at any moment from the hook to the end of the move. */
const MIDDLE_MS = 2 * HOOK_MS;
const LONG_SECONDS = 1_000;

/** Undone again. */
type Clearing = () => Promise<void>;

interface Obstacle {
  readonly id: string;
  readonly title: string;
  /** What the move has to end with, if it is certain: `undone` with these words. */
  readonly undone?: RegExp;
  /** How often the active may change in a round: an agent that has just become active may be the one that is killed. */
  readonly movesOfRound: 0 | 1 | 2;
  readonly arise: (lab: Lab, active: NodeName) => Promise<Clearing>;
}

/** A session that does this, until it is ended by whoever wants the server read-only. */
const session = async (lab: Lab, node: NodeName, statements: readonly string[], last = ''): Promise<Connection> => {
  const connection = await connectApp(lab, node);
  connection.on('error', () => undefined);
  for (const statement of statements) await connection.query(statement);
  if (last !== '') connection.query(last).catch(() => undefined);
  return connection;
};

const held =
  (statements: readonly string[], last = '') =>
  async (lab: Lab, active: NodeName): Promise<Clearing> => {
    const connection = await session(lab, active, statements, last);
    return async () => {
      connection.destroy();
      // A statement that runs does not notice that its client has gone.
      await lab.database[active].sql(`KILL ${connection.threadId}`).catch(() => undefined);
    };
  };

/** Prepared, it belongs to no session, and is there after a move as well. */
const prepareXa = async (lab: Lab, active: NodeName): Promise<Clearing> => {
  const row = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
  const begin = ["XA START 'held'", `INSERT INTO held VALUES (${row})`, "XA END 'held'", "XA PREPARE 'held'"];
  const connection = await session(lab, active, begin);
  return async () => {
    connection.destroy();
    const rollBack = async () => {
      const server = lab.database[await activeNode(lab)];
      const prepared = await server.sql('XA RECOVER');
      if (prepared.length > 0) await server.sql("XA ROLLBACK 'held'");
      return true;
    };
    // The session that prepared it holds it until its end.
    await waitFor(() => rollBack().catch((error: Error) => error.message), 'the XA transaction is gone', PATIENCE_MS);
  };
};

/** The applier waits for the table's lock, and so would whoever asks for it. */
const stopApplying = async (lab: Lab, active: NodeName): Promise<Clearing> => {
  const server = lab.database[peerOf(active)];
  const root = await createConnection({ socketPath: server.socket, user: 'root' });
  root.on('error', () => undefined);
  await root.query('LOCK TABLES lab.writes READ');
  return async () => {
    root.destroy();
    // The next move would be refused: its standby is behind, as the active sees it.
    const near = async () => {
      const seen = (await lab.status(active)).nodes.find((one) => !one.self)?.lagMs ?? null;
      return seen !== null && seen < 1_000;
    };
    await waitFor(near, `${peerOf(active)} has caught up`, PATIENCE_MS);
  };
};

const killAgent =
  (which: (active: NodeName) => NodeName) =>
  async (lab: Lab, active: NodeName): Promise<Clearing> => {
    const node = which(active);
    await sleep(Math.random() * MIDDLE_MS);
    await lab.agent[node].stop('SIGKILL');
    return () => restartAsService(lab, node);
  };

/** As it tells of itself. */
const nodeOf = async (lab: Lab, node: NodeName): Promise<NodeStatus | undefined> =>
  (await lab.status(node)).nodes.find((one) => one.self);

const round = async (stage: Stage, { arise, undone, title }: Obstacle): Promise<string> => {
  const { lab, fault, untilWritesPass, untilSettled } = stage;
  const active = await activeNode(lab);
  let said = '';
  await fault(`switchover from ${active}, and then: ${title}`, async () => {
    const asked = askToMove(lab, active, TIMEOUT_MS);
    const over = asked.then(() => true);
    const begun = async () => (await nodeOf(lab, active))?.role === 'handing-off';
    // On a busy machine it may be over before it was seen to begin.
    await Promise.race([over, waitFor(begun, `${active} hands off`, PATIENCE_MS)]);
    const clear = await arise(lab, active);
    said = await asked;
    if (undone && !undone.test(said)) throw new Error(`the move was not undone for its cause: ${said}`);
    // Before the obstacle goes: an undo does not wait for that.
    if (undone) await untilWritesPass();
    await clear();
  });
  await untilWritesPass();
  await untilSettled();
  await checkOneWritable(lab);
  return said;
};

const checkOneWritable = async (lab: Lab): Promise<void> => {
  const readOnly = await Promise.all(NODES.map((node) => lab.database[node].sql('SELECT @@global.read_only AS r')));
  const writable = NODES.filter((_, index) => Number(readOnly[index]?.[0]?.r) === 0);
  if (writable.length !== 1) throw new Error(`writable: ${writable.join(' and ') || 'nobody'}`);
};

const again =
  (rounds: number, obstacle: Obstacle) =>
  async (stage: Stage): Promise<void> => {
    await stage.lab.database[stage.active].sql('CREATE TABLE lab.held (id BIGINT PRIMARY KEY)');
    await stage.lab.database[stage.active].sql('INSERT INTO lab.held VALUES (0)');
    for (let turn = 1; turn <= rounds; turn += 1) {
      stage.note(await round(stage, obstacle));
      stage.noteOutage();
    }
  };

const OBSTACLES: readonly Obstacle[] = [
  {
    id: '18c',
    title: 'the standby stops applying',
    undone: /undone.*applied the final position/,
    movesOfRound: 0,
    arise: stopApplying,
  },
  { id: '18d', title: "the standby's agent is killed", movesOfRound: 2, arise: killAgent(peerOf) },
  { id: '18e', title: "the active's agent is killed", movesOfRound: 2, arise: killAgent((active) => active) },
  {
    id: '19a',
    title: 'LOCK TABLES',
    undone: /undone.*app@/,
    movesOfRound: 0,
    arise: held(['LOCK TABLES held WRITE']),
  },
  {
    id: '19b',
    title: 'a long update',
    undone: /undone.*UPDATE held/,
    movesOfRound: 0,
    arise: held([], `UPDATE held SET id = id + SLEEP(${LONG_SECONDS}) WHERE id = 0`),
  },
  { id: '19c', title: 'an open transaction', movesOfRound: 1, arise: held(['BEGIN', 'INSERT INTO held VALUES (1)']) },
  { id: '19d', title: 'a prepared XA transaction', movesOfRound: 1, arise: prepareXa },
];

export const unfinished = (extent: Extent): readonly Scenario[] => {
  const rounds = ROUNDS[extent];
  return OBSTACLES.map((obstacle) => ({
    id: obstacle.id,
    title: `switchover, and in the middle ${obstacle.title}, ${rounds} times`,
    outcome: 'done, undone or taken over: one writable host, and clients write again',
    lab: { hooks: HOOKS, config: PATIENT_CONFIG },
    moves: { atMost: rounds * obstacle.movesOfRound },
    orphans: 'may be kept',
    killsAgents: obstacle.movesOfRound === 2,
    run: again(rounds, obstacle),
  }));
};
