/** What befalls the databases of a pair in service, and takes the rights that the unit gives its agent: salvage, a server that hangs, a rebuild. */

import { expect, test } from 'vitest';
import { BACKUP_GRANT } from '../../src/mysql/backup-ship.js';
import { applyCuts } from '../lab/faults.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import type { Hands } from './hands.js';
import { PATIENCE_MS, type Pair, peerOf } from './pair.js';

const LONG_MS = 600_000;
const CONFIG = '/etc/vipd/vipd.yaml';
const KEPT = '/var/lib/vipd/divergence';

const BEFORE = "CREATE TABLE lab.notes (id INT PRIMARY KEY, t VARCHAR(40)); INSERT INTO lab.notes VALUES (1, 'both')";
const ON_ACTIVE = "INSERT INTO lab.notes VALUES (201, 'active')";
const ON_STANDBY = "INSERT INTO lab.notes VALUES (101, 'standby'); UPDATE lab.notes SET t = 'standby' WHERE id = 1";
/** Columns have their names where the agent's user may SELECT from the table. */
const ROWS_OF_STANDBY = [
  /^ {2}insert lab\.notes: \S+=101 \S+='standby'$/m,
  /^ {2}update lab\.notes: \S+=1 \S+='both' -> \S+=1 \S+='standby'$/m,
] as const;

/** `of`: the pair is there only when the tests run. */
export const databaseHardships = (of: () => Pair, hands: Hands): void => {
  const { systemctl, property, moves, stays } = hands;
  const shell = (node: NodeName, script: string): Promise<string> => of().machines[node].run('sh', '-c', script);
  /** `edit` is sed(1)'s; the standby first, as for every setting that takes a restart. */
  const reconfigure = async (edit: string): Promise<void> => {
    await of().whole();
    const active = await of().active();
    for (const node of [peerOf(active), active]) {
      await shell(node, `sed -i '${edit}' ${CONFIG}`);
      await systemctl(node, 'restart', 'vipd');
      await of().whole();
    }
  };
  /** Commits do not wait for the other node, whose receiver may then lag. */
  const withoutSemiSync = async (what: () => Promise<void>): Promise<void> => {
    await reconfigure('s/^mysql:$/&\\n  semi_sync: off/');
    for (const node of NODES) await of().sql(node, 'SET GLOBAL rpl_semi_sync_master_enabled = OFF');
    await what();
    await reconfigure('/semi_sync: off/d');
  };

  test(
    'kill -9 of mysqld while the standby lags: what it lacks is read from the dead server’s binary logs, and nothing is lost',
    async () => {
      await withoutSemiSync(() =>
        moves(async (active, standby) => {
          const load = await hands.startLoad();
          await applyCuts([{ traffic: 'replication', from: active, to: standby }]);
          try {
            await load.someMore();
            await systemctl(active, 'kill', '--signal=KILL', 'mariadb');
            await hands.untilActive(standby);
          } finally {
            // Not before: the kernel goes on sending what a process that was killed had written to its sockets.
            await applyCuts([]);
          }
          const { lastChange } = await of().status(standby);
          const salvage = lastChange?.steps.find(({ name }) => name === 'salvage');
          expect(salvage?.text, JSON.stringify(lastChange)).toMatch(/^salvaged [1-9]\d* transactions, up to /);
          await load.someMore();
          await load.stop();
        }),
      );
    },
    LONG_MS,
  );

  test(
    'a mysqld that hangs is ended by the agent, which is not its user; the other serves, and it comes back',
    async () => {
      await moves(async (active, standby) => {
        const load = await hands.startLoad();
        const pid = (await systemctl(active, 'show', '--value', '--property=MainPID', 'mariadb')).trim();
        await systemctl(active, 'kill', '--kill-whom=main', '--signal=STOP', 'mariadb');
        await hands.untilActive(standby);
        await hands.untilLogged(active, new RegExp(`process ${pid} was ended \\(SIGKILL\\)`));
        await load.someMore();
        await load.stop();
      });
    },
    LONG_MS,
  );

  /** Both are writable, neither replicates, and each is given rows that the other does not get. */
  const split = async (active: NodeName, standby: NodeName): Promise<void> => {
    await of().sql(active, BEFORE);
    const has = async () => (await of().sql(standby, 'SELECT COUNT(*) FROM lab.notes')) === '1';
    await waitFor(has, 'the standby has the table', PATIENCE_MS);
    await systemctl(standby, 'stop', 'vipd');
    // Until then the active starts a channel again that somebody stopped.
    const heard = async () => (await of().status(active)).nodes.some((node) => !node.self && node.agent.reachable);
    await waitFor(async () => !(await heard()), `${active} hears nothing of ${standby}`, PATIENCE_MS);
    for (const node of NODES) await of().sql(node, 'STOP SLAVE');
    await of().sql(standby, `SET GLOBAL read_only = OFF; ${ON_STANDBY}`);
    await of().sql(active, ON_ACTIVE);
    await systemctl(standby, 'start', 'vipd');
  };

  /** Owner and mode of all below, each once. */
  const owners = async (node: NodeName): Promise<readonly string[]> =>
    (await shell(node, `find ${KEPT} -printf '%u:%g %m\\n' | sort -u`)).trim().split('\n');

  test(
    'rows that only the standby has are kept and told; rejoin --discard rebuilds it from the active, both agents running',
    async () => {
      await stays(async (active, standby) => {
        await of().sql(active, `SET SESSION sql_log_bin = 0; ${BACKUP_GRANT} 'vipd'@'localhost'`);
        await split(active, standby);
        const kept = `find ${KEPT} -name transactions.json -not -path '*.tmp/*'`;
        await waitFor(async () => (await shell(standby, kept)) !== '', 'its transactions are kept', PATIENCE_MS);
        expect(await owners(standby)).toEqual(['vipd:vipd 600', 'vipd:vipd 700']);
        const { stdout } = await of().vipctl(standby, 'divergence');
        expect(stdout).toMatch(new RegExp(`^${standby} has 2 transactions that ${active} has not: `));
        for (const row of ROWS_OF_STANDBY) expect(stdout).toMatch(row);
        expect(stdout).toContain(`kept as binary logs: ${KEPT}/`);

        const pids = await Promise.all(NODES.map((node) => property(node, 'MainPID')));
        const load = await hands.startLoad();
        const rejoined = await of().vipctl(standby, 'rejoin', '--discard', '--yes');
        expect(rejoined.status, `${rejoined.stdout}${rejoined.stderr}`).toBe(0);
        await load.stop();
        expect(await Promise.all(NODES.map((node) => property(node, 'MainPID')))).toEqual(pids);
        expect(await of().sql(standby, 'SELECT * FROM lab.notes')).toBe('1\tboth\n201\tactive');
        // What was discarded stays kept.
        expect(await owners(standby)).toEqual(['vipd:vipd 600', 'vipd:vipd 700']);
      });
    },
    LONG_MS,
  );
};
