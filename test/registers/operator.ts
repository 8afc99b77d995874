/** The operator of a pair under test: waits until it has settled, and brings back a node that is quarantined. */

import { rm } from 'node:fs/promises';
import { BACKUP_GRANT } from '../../src/mysql/backup-ship.js';
import { groupProblems } from '../lab/checks.js';
import { AGENT_ACCOUNTS, MYSQL_PORT } from '../lab/database.js';
import { type Lab, peerOf } from '../lab/lab.js';
import { pointAt, type Server } from '../lab/mysqld.js';
import { REPLICATION_PASSWORD, REPLICATION_USER } from '../lab/server-kind.js';
import { ADDRESSES, NODES, type NodeName } from '../lab/topology.js';
import { type Seen, waitFor, waitForValue } from '../lab/wait.js';
import { whileServed } from './service.js';

/** Ample on a busy machine: a wait is over as soon as it can be. */
export const PATIENCE_MS = 90_000;
const REJOIN_TIMEOUT_MS = 600_000;
/** A quarantine is looked at by a person: one that ends by itself meanwhile is none. */
const LOOKED_AT_AFTER_MS = 1_000;
/** One fault leaves one node with something of its own. */
const MAX_REBUILDS = 1;

export interface Settled {
  /** Nodes that were quarantined, with the reason they gave; what they had of their own was thrown away. */
  readonly discarded: ReadonlyArray<{ readonly node: NodeName; readonly why: string }>;
}

/** @throws Error where it does not settle, with what is wrong */
export const settle = async (lab: Lab): Promise<Settled> => {
  const discarded: Array<{ node: NodeName; why: string }> = [];
  for (;;) {
    const quarantined = await settledOrQuarantined(lab);
    if (quarantined === null) return { discarded };
    if (discarded.length >= MAX_REBUILDS)
      throw new Error(`${quarantined.node} is quarantined again: ${quarantined.why}`);
    await (lab.database[quarantined.node].kind.name === 'mariadb' ? rejoin : cloneByHand)(lab, quarantined.node);
    discarded.push(quarantined);
  }
};

type Quarantined = Settled['discarded'][number];

/** Null: it has settled. */
const settledOrQuarantined = (lab: Lab): Promise<Quarantined | null> => {
  const since = new Map<NodeName, number>();
  return waitForValue(
    async (): Promise<Seen<Quarantined | null>> => {
      for (const node of NODES) {
        // As its service manager would, also one that the agent has killed because it hung.
        if (!lab.database[node].running) await lab.database[node].start();
        const why = await quarantineOf(lab, node);
        if (why === null) since.delete(node);
        else if (!since.has(node)) since.set(node, performance.now());
        else if (performance.now() - (since.get(node) ?? 0) > LOOKED_AT_AFTER_MS)
          return { done: true, value: { node, why } };
      }
      const problems = await groupProblems(lab);
      return problems.length === 0 ? { done: true, value: null } : { done: false, seen: problems.join('; ') };
    },
    'the pair settles',
    PATIENCE_MS,
  );
};

/** Why it is quarantined; null: it is not. */
const quarantineOf = async (lab: Lab, node: NodeName): Promise<string | null> => {
  const self = (await lab.status(node)).nodes.find((one) => one.self);
  return self?.holds.find(({ name }) => name === 'quarantined')?.why ?? null;
};

/** Once, before anything happens: what an operator grants for the time of a rebuild. */
export const prepareServers = async (lab: Lab): Promise<void> => {
  for (const node of NODES) {
    const { kind } = lab.database[node];
    const grants =
      kind.name === 'mariadb'
        ? AGENT_ACCOUNTS.map((account) => `${BACKUP_GRANT} ${account}`)
        : [`GRANT BACKUP_ADMIN ON *.* TO '${REPLICATION_USER}'@'%'`, `INSTALL PLUGIN clone SONAME 'mysql_clone.so'`];
    const statements = [kind.openForAccounts, 'SET SESSION sql_log_bin=0', ...grants];
    const isOpen = Number((await lab.database[node].sql('SELECT @@global.read_only AS ro'))[0]?.ro) === 0;
    await lab.database[node].sql([...statements, ...(isOpen ? [] : [kind.closeAfterAccounts])].join(';'));
  }
};

const rejoin = async (lab: Lab, node: NodeName): Promise<void> => {
  const typed = () => lab.vipctl(node, ['rejoin', '--discard', '--yes'], { timeoutMs: REJOIN_TIMEOUT_MS });
  const { status, stdout, stderr } = await whileServed(lab, node, typed);
  if (status !== 0) throw new Error(`vipctl rejoin --discard on ${node}: exit status ${status}: ${stdout}${stderr}`);
  // As it asks for: the next one would find it in its way.
  await rm(`${lab.database[node].dataDir}.vipd-rebuild`, { recursive: true, force: true });
};

/** The server tells of it after its restart only. */
const isCloned = (server: Server): Promise<boolean> =>
  server.sql("SELECT 1 FROM performance_schema.clone_status WHERE STATE = 'Completed'").then(
    (rows) => rows.length > 0,
    () => false,
  );

/** Beside `vipctl rejoin`, which scenario 16b types: what an operator can do by hand. */
const cloneByHand = async (lab: Lab, node: NodeName): Promise<void> => {
  const server = lab.database[node];
  const peer = ADDRESSES[peerOf(node)].ipv4;
  await lab.agent[node].stop();
  await server.sql(`SET GLOBAL super_read_only=OFF; SET GLOBAL clone_valid_donor_list='${peer}:${MYSQL_PORT}'`);
  // It ends in order to be started again, which the lab does as a service manager would.
  await server
    .sql(`CLONE INSTANCE FROM '${REPLICATION_USER}'@'${peer}':${MYSQL_PORT} IDENTIFIED BY '${REPLICATION_PASSWORD}'`)
    .catch((error: unknown) => {
      if (!/restart server failed|lost connection|closed/i.test(String(error))) throw error;
    });
  await waitFor(() => isCloned(server), `${node} is cloned and started again`, REJOIN_TIMEOUT_MS);
  await pointAt(server, { host: peer, port: MYSQL_PORT });
  lab.agent[node].start();
};
