import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { allAttempts, checkNothingLost, checkOneWriter, type Move, rowsOf, sameData } from './checks.js';
import { bothWays } from './faults.js';
import { inSandbox } from './in-sandbox.js';
import { createLab, type Lab } from './lab.js';
import { longestOutage, monotonicMs } from './load.js';
import { addressesOf, type NodeName, VIP4 } from './topology.js';
import { waitFor } from './wait.js';

const DEADLINE_MS = 20_000;
const SOME_WRITES = 30;
const ONE_TERM: readonly Move[] = [
  { term: 1, node: 'db1', at: '2026-01-01T00:00:00.000Z', cause: 'test', text: 'by hand' },
];

inSandbox('test/lab/lab.lab.test.ts', () => {
  let lab: Lab;

  const setVip = async (node: NodeName, present: boolean): Promise<void> => {
    await lab.exec(node, ['ip', 'address', present ? 'add' : 'del', `${VIP4}/24`, 'dev', 'eth0']);
  };
  const open = async (node: NodeName): Promise<void> => {
    await lab.database[node].sql('SET GLOBAL read_only=0');
    await setVip(node, true);
  };
  const reaches = async (from: NodeName | 'client', address: string): Promise<boolean> =>
    (await lab.exec(from, ['ping', '-c', '1', '-W', '1', address])).status === 0;

  describe('a lab of databases alone', () => {
    beforeAll(async () => {
      lab = await createLab({ agents: false, secondPath: true });
      await lab.database.db2.sql('START SLAVE');
    });
    afterEach(() => lab.heal());
    afterAll(() => lab.destroy());

    it('cuts one direction, one kind of traffic, or everything between two hosts, and heals', async () => {
      expect(await reaches('db1', '10.99.0.2')).toBe(true);
      await lab.cut([{ traffic: 'all', from: 'db2', to: 'db1' }]);
      expect(await reaches('db1', '10.99.0.2')).toBe(false);
      expect(await reaches('client', '10.99.0.2')).toBe(true);
      await lab.heal();
      await lab.cutBetween('db1', 'db2', 'replication');
      expect(await reaches('db1', '10.99.0.2')).toBe(true);
      const login = ['bash', '-c', 'exec 3<>/dev/tcp/10.99.0.2/3306'];
      expect((await lab.exec('db1', ['timeout', '1', ...login])).status).not.toBe(0);
      expect((await lab.exec('client', ['timeout', '1', ...login])).status).toBe(0);
    });

    it('cuts the gateway and the second path apart from the rest', async () => {
      expect(await reaches('db1', '10.99.0.254')).toBe(true);
      expect(await reaches('db1', '192.168.99.2')).toBe(true);
      await lab.cut([
        ...bothWays('all', 'db1', 'gateway'),
        ...bothWays('all', 'db1', 'db2').map((cut) => ({ ...cut, path: 'second' as const })),
      ]);
      expect(await reaches('db1', '10.99.0.254')).toBe(false);
      expect(await reaches('db1', '192.168.99.2')).toBe(false);
      expect(await reaches('db1', '10.99.0.2')).toBe(true);
    });

    it('writes through the VIP wherever it is, and finds every acknowledged row on both servers', async () => {
      await open('db1');
      const load = lab.load();
      const acknowledged = () => load.fresh.attempts.filter((attempt) => attempt.acknowledged).length;
      await waitFor(() => acknowledged() > SOME_WRITES, 'writes pass', DEADLINE_MS);
      const gone = monotonicMs();
      await setVip('db1', false);
      await sleep(200);
      await setVip('db1', true);
      const before = acknowledged();
      await waitFor(() => acknowledged() > before + SOME_WRITES, 'writes pass again', DEADLINE_MS);
      const passes = (node: NodeName) => load.pinned[node].attempts.some((attempt) => attempt.acknowledged);
      await waitFor(() => passes('db1'), 'a client at db1 itself writes', DEADLINE_MS);
      await load.stop();
      await waitFor(() => sameData(lab), 'the standby has everything', DEADLINE_MS);
      expect(longestOutage(load.fresh.attempts, gone).ms).toBeGreaterThan(longestOutage(load.fresh.attempts, 0).ms / 2);
      const rows = await rowsOf(lab, 'db2');
      expect(checkNothingLost(allAttempts(load), rows, 'db2')).toEqual([]);
      expect(checkOneWriter(allAttempts(load), rows, ONE_TERM)).toEqual([]);
      expect(passes('db2')).toBe(false);
      await lab.database.db1.sql(`DELETE FROM lab.writes WHERE id = ${load.fresh.attempts[0]?.id}`);
      expect(checkNothingLost(allAttempts(load), await rowsOf(lab, 'db1'), 'db1')).toHaveLength(1);
    });

    it('sees two writers when both have the VIP and are writable', async () => {
      await lab.database.db2.sql('STOP SLAVE');
      await open('db2');
      const load = lab.load();
      const passed = (node: NodeName) => load.pinned[node].attempts.filter((one) => one.acknowledged).length;
      await waitFor(() => passed('db1') > SOME_WRITES && passed('db2') > SOME_WRITES, 'both take writes', DEADLINE_MS);
      await load.stop();
      const rows = new Map([...(await rowsOf(lab, 'db1')), ...(await rowsOf(lab, 'db2'))]);
      expect(checkOneWriter(allAttempts(load), rows, ONE_TERM)).toHaveLength(1);
    });

    it('switches a host off and on: what was in memory is gone, what was on disk is there', async () => {
      const [before] = await lab.database.db1.sql('SELECT COUNT(*) AS n FROM lab.writes');
      await lab.powerOff('db1');
      expect(await reaches('client', '10.99.0.1')).toBe(false);
      await lab.powerOn('db1', false);
      expect(await addressesOf('db1')).not.toContain(VIP4);
      expect(await reaches('client', '10.99.0.1')).toBe(true);
      expect(await lab.database.db1.sql('SELECT COUNT(*) AS n FROM lab.writes')).toEqual([before]);
      // A query of its own: beside an aggregate MariaDB 10.11 answers 0 for every boolean variable.
      expect(await lab.database.db1.sql('SELECT @@global.read_only AS r')).toEqual([{ r: 1 }]);
    });
  });
});
