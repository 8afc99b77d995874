/** A pair with registers: a lab as the checker needs it, and what its registers hold. */

import { containsPosition } from '../../src/core/position.js';
import { activeNode } from '../lab/checks.js';
import type { LabOptions } from '../lab/host-files.js';
import { createLab, type Lab } from '../lab/lab.js';
import type { ServerKind } from '../lab/server-kind.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { type Clients, startClients } from './clients.js';
import { type Lists, valuesOf } from './history.js';
import { PATIENCE_MS, prepareServers, settle } from './operator.js';
import { SERVICE_CONFIG, writeServiceCommands } from './service.js';

/** A fault every few seconds is what it is for. */
const MOVES = { max_failovers: 100, cooldown: '0s', window: '1m' } as const;

const TABLE = 'CREATE TABLE IF NOT EXISTS lab.registers (id INT PRIMARY KEY, appended MEDIUMTEXT NOT NULL)';

export interface Pair {
  readonly lab: Lab;
  readonly clients: Clients;
}

export const createPair = async (
  flavour: ServerKind['name'],
  semiSync: NonNullable<LabOptions['semiSync']>,
): Promise<Pair> => {
  await writeServiceCommands();
  const lab = await createLab({ flavour, semiSync, config: { ...SERVICE_CONFIG, moves: MOVES } });
  try {
    await settle(lab);
    await prepareServers(lab);
    await onActive(lab, TABLE);
    return { lab, clients: startClients(lab) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const logs = NODES.map((node) => `log of ${node}:\n${lab.agent[node].tail()}`);
    await lab.destroy();
    throw new Error([`no pair could be made: ${why}`, ...logs].join('\n'));
  }
};

export const endPair = async ({ lab, clients }: Pair): Promise<void> => {
  clients.end();
  await lab.destroy();
};

export const addRegisters = async (lab: Lab, ids: readonly number[]): Promise<void> => {
  const rows = ids.map((id) => `(${id}, '')`).join(', ');
  await onActive(lab, `INSERT IGNORE INTO lab.registers VALUES ${rows}`);
};

/** May be repeated: on a starved machine the active can change between the question who it is and the statement. */
const onActive = (lab: Lab, statement: string): Promise<void> =>
  waitFor(
    async () => {
      await lab.database[await activeNode(lab)].sql(statement);
      return true;
    },
    `the active carries out ${statement}`,
    PATIENCE_MS,
  );

/** Once the standby has applied all that the active has; no client runs any more. */
export const listsOfBoth = async (lab: Lab): Promise<Readonly<Record<NodeName, Lists>>> => {
  await waitFor(() => samePosition(lab), 'the standby has applied everything', PATIENCE_MS);
  const [db1, db2] = await Promise.all(NODES.map((node) => listsOf(lab, node)));
  return { db1: db1 ?? new Map(), db2: db2 ?? new Map() };
};

const samePosition = async (lab: Lab): Promise<boolean | string> => {
  const [one, other] = await Promise.all(NODES.map((node) => lab.database[node].position()));
  const same = containsPosition(one ?? '', other ?? '') && containsPosition(other ?? '', one ?? '');
  return same || `${one} and ${other}`;
};

const listsOf = async (lab: Lab, node: NodeName): Promise<Lists> => {
  const rows = await lab.database[node].sql('SELECT id, appended FROM lab.registers');
  return new Map(rows.map((row) => [Number(row.id), valuesOf(String(row.appended))]));
};
