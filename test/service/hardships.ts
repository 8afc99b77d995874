/** What befalls a pair in service besides moves, on the machines of service.lab.test.ts: faults, reloads, a second agent, clients. */

import { expect, test } from 'vitest';
import { errorsSeen } from '../lab/load.js';
import { type NodeName, VIP4, withPrefix } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import type { Hands } from './hands.js';
import { mayRunOutOfMemory, runOutOfMemory } from './out-of-memory.js';
import { PATIENCE_MS, type Pair, peerOf } from './pair.js';

const LONG_MS = 600_000;
const CONFIG = '/etc/vipd/vipd.yaml';
const RELOADS = 50;

/** `of`: the pair is there only when the tests run. */
export const hardships = (of: () => Pair, hands: Hands): void => {
  const { systemctl, property, moves, stays } = hands;
  const shell = (node: NodeName, script: string): Promise<string> => of().machines[node].run('sh', '-c', script);
  const causes = async (node: NodeName): Promise<readonly string[]> => {
    const { stdout } = await of().vipctl(node, 'doctor', '--json');
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly { check: string; verdict: string }[] };
    return findings.filter(({ verdict }) => verdict !== 'ok').map(({ check }) => check);
  };

  test('each decision is an entry of the journal with its fields, and explain answers from either side', async () => {
    await of().whole();
    const active = await of().active();
    const { term } = await of().self(active);
    const machine = of().machines[active];
    const found = await machine.run('journalctl', '-o', 'json', 'GROUP=orders', 'KIND=transition', `TERM=${term}`);
    const entries = found
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(entries.at(-1)).toMatchObject({
      ROLE: 'active',
      CAUSE: 'serving',
      PRIORITY: '6',
      MESSAGE: expect.stringMatching(/^promoting -> active: the database is writable/),
      SYSLOG_IDENTIFIER: 'vipd',
      _SYSTEMD_UNIT: 'vipd.service',
    });
    const explained = async (node: NodeName) => (await of().vipctl(node, 'explain')).stdout;
    expect(await explained(active)).toMatch(
      new RegExp(`^${active} is active: it owns term ${term}, .*\n${peerOf(active)} is fit`, 's'),
    );
    expect(await explained(peerOf(active))).toMatch(
      new RegExp(`is not active because ${active} is: it owns term ${term}`),
    );
  });

  test(
    'the doctor finds nothing; of a socket unit in the server’s place it tells, and so does the agent when that server dies',
    async () => {
      await stays(async (active, standby) => {
        expect(await causes(active)).toEqual([]);
        await shell(
          standby,
          'systemctl stop mariadb && systemctl enable --now mariadb.socket && systemctl start mariadb',
        );
        await of().whole();
        expect(await causes(standby)).toEqual(['socket-activation']);
        await systemctl(standby, 'kill', '--signal=KILL', 'mariadb');
        await hands.untilLogged(
          standby,
          /database is hanging .*its process \d+ has ended, so something else listens for it/,
        );
        await shell(standby, 'systemctl disable --now mariadb.socket && systemctl restart mariadb');
        await of().whole();
        expect(await causes(standby)).toEqual([]);
      });
    },
    LONG_MS,
  );

  test(
    '23: a VIP that is taken off by hand is put back at once, and announced',
    async () => {
      await stays(async (active) => {
        const load = await hands.startLoad();
        const announced = async () => (await of().status(active)).vips[0]?.announced?.bootMs ?? 0;
        const before = await announced();
        await shell(active, `ip address del ${withPrefix(VIP4)} dev eth0`);
        await waitFor(() => of().holdsVip(active), 'the VIP is back', PATIENCE_MS);
        await load.someMore();
        await load.stop();
        expect(await announced()).toBeGreaterThan(before);
      });
    },
    LONG_MS,
  );

  test(
    '31, 32: a broken file and a second agent change nothing; nor do 50 reloads, under write load',
    async () => {
      await stays(async (active, standby) => {
        const { machines } = of();
        const pid = await property(active, 'MainPID');
        await shell(active, `cp ${CONFIG} /root/good.yaml`);
        const load = await hands.startLoad();

        await shell(active, `echo 'moves: { max_failovers: many }' >>${CONFIG}`);
        const reloaded = await machines[active].attempt('systemctl', 'reload', 'vipd');
        await shell(active, `cp /root/good.yaml ${CONFIG}`);
        expect(reloaded.status).not.toBe(0);
        await hands.untilLogged(active, /the old one stays in force: .*vipd\.yaml:\d+:\d+: /);
        expect((await of().vipctl(active, 'status')).stdout).toMatch(/WARNING .*reload/);

        const second = await machines[active].attempt('vipd', '--config', CONFIG);
        expect(second).toMatchObject({
          status: 1,
          stderr: expect.stringMatching(
            new RegExp(`process ${pid} runs the agent of group orders on this host already`),
          ),
        });

        for (let i = 0; i < RELOADS; i += 1) {
          const node = i % 2 === 0 ? active : standby;
          // Each is a change: the cooldown of one number and the next.
          await shell(node, `sed -i 's/^moves: .*/moves: { max_failovers: 100, cooldown: ${60 + i}s }/' ${CONFIG}`);
          await systemctl(node, 'reload', 'vipd');
        }
        await load.someMore();
        await load.stop();
        expect(errorsSeen(load.client.attempts)).toEqual([]);
        for (const node of [active, standby])
          await hands.untilLogged(node, /^configuration reloaded; changed: moves/, RELOADS / 2);
        expect(await property(active, 'MainPID')).toBe(pid);
      });
    },
    LONG_MS,
  );

  test.skipIf(!mayRunOutOfMemory())(
    'an agent that the kernel ends for want of memory is cleaned up after, and comes back',
    async () => {
      await of().whole();
      const active = await of().active();
      const before = Number(await property(active, 'NRestarts'));
      const load = await hands.startLoad();
      for (const pid of of().machines[active].processesOf('vipd.service')) await runOutOfMemory(pid);
      await waitFor(async () => Number(await property(active, 'NRestarts')) > before, 'restarted', PATIENCE_MS);
      await load.someMore();
      await load.stop();
      expect(await hands.holders()).toEqual([await of().active()]);
    },
    LONG_MS,
  );

  test(
    'the client’s provision script gives a client whose writes go through the VIP, before and after a move',
    async () => {
      const { w1 } = of().machines;
      await w1.run('/root/client.sh');
      const servers = async (): Promise<readonly string[]> => {
        const { stdout } = await w1.attempt('timeout', '2', 'write-through-vip');
        return stdout
          .trim()
          .split('\n')
          .map((line) => line.split('\t')[1] ?? line);
      };
      await moves(async (active, standby) => {
        expect(new Set(await servers())).toEqual(new Set([active]));
        expect((await of().vipctl(active, 'switchover')).status).toBe(0);
        expect(new Set(await servers())).toEqual(new Set([standby]));
      });
    },
    LONG_MS,
  );
};
