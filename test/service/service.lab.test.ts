import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorsSeen, monotonicMs } from '../lab/load.js';
import { startTap, type Tap } from '../lab/tap.js';
import { type NodeName, VIP4 } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { bootBoth } from './boot-both.js';
import { databaseHardships } from './database-hardships.js';
import { onMachines } from './ground.js';
import { createHands } from './hands.js';
import { hardships } from './hardships.js';
import { createPair, install, PATIENCE_MS, type Pair, peerOf } from './pair.js';
import { allowRealTime, limitsSuffice, REAL_TIME_DROP_IN } from './real-time.js';

/** Boots of three machines, and whatever a test waits for; a busy machine takes its time. */
const LONG_MS = 600_000;
/** NET_ADMIN, NET_RAW, KILL, DAC_READ_SEARCH, SETUID, SETGID, as proc(5) shows them; and SYS_NICE, where limits do not suffice. */
const CAPABILITIES = limitsSuffice() ? '00000000000030e4' : '00000000008030e4';
const WITHOUT_REAL_TIME =
  /cannot run in real time, and a busy host may cost it the lease: .*EPERM.* LimitRTPRIO=1 in its unit allows it/;

onMachines('test/service/service.lab.test.ts', 'installed', (ground) => {
  let pair: Pair;
  let tap: Tap;
  beforeAll(async () => {
    pair = await createPair(ground);
    tap = await startTap({ vips: [VIP4], voters: 3 });
  }, LONG_MS);
  afterAll(async () => {
    await pair.destroy();
  }, LONG_MS);

  const hands = createHands(() => pair);
  const { systemctl, property, untilActive, moves } = hands;

  test('packages and provision scripts give a pair', async () => {
    const active = await pair.active();
    expect(await pair.holdsVip(active)).toBe(true);
    expect(await pair.holdsVip(peerOf(active))).toBe(false);
    expect(await pair.isReadOnly(active)).toBe(false);
    expect(await pair.isReadOnly(peerOf(active))).toBe(true);
  });

  /** User and class of scheduling, as ps(1) has them: TS is ordinary, RR is real-time round robin. */
  const scheduled = async (node: NodeName): Promise<readonly string[]> => {
    const pid = await property(node, 'MainPID');
    return (await pair.machines[node].run('ps', '-o', 'user=,cls=', '-p', pid)).trim().split(/\s+/);
  };

  test('the agent has a user of its own, its capabilities and real time; its hooks have the user only', async () => {
    const active = await pair.active();
    const pid = await property(active, 'MainPID');
    const machine = pair.machines[active];
    expect(await scheduled(active)).toEqual(['vipd', 'RR']);
    const status = await machine.run('cat', `/proc/${pid}/status`);
    for (const set of ['CapEff', 'CapBnd']) expect(status).toContain(`${set}:\t${CAPABILITIES}`);
    const none = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((set) => `${set}:\t0000000000000000`);
    expect(await pair.hookFacts(active)).toEqual(['vipd', ...none]);
  });

  test(
    'a restart of the standby moves nothing; its scripts run as whom they name, and it says where it may not run in real time',
    async () => {
      await pair.whole();
      const active = await pair.active();
      const machine = pair.machines[peerOf(active)];
      const terms = (await pair.self(active)).term;
      if (!limitsSuffice()) await machine.run('rm', `/${REAL_TIME_DROP_IN}`);
      await systemctl(peerOf(active), 'daemon-reload');
      machine.write('etc/vipd/checks/who', '#!/bin/sh\nid -un; grep CapEff /proc/self/status; exit 7\n', 0o755);
      const check =
        'checks: [{ name: who, command: [/etc/vipd/checks/who], user: nobody, interval: 1s, timeout: 1s, fall: 1, rise: 1 }]';
      await machine.run('sh', '-c', `cp /etc/vipd/vipd.yaml /root/ && echo '${check}' >>/etc/vipd/vipd.yaml`);
      await systemctl(peerOf(active), 'restart', 'vipd');
      await waitFor(
        async () => (await pair.self(peerOf(active))).unfit.includes('exit 7: nobody') || 'not yet',
        'the script runs as nobody',
        PATIENCE_MS,
      );
      if (!limitsSuffice()) {
        expect(await scheduled(peerOf(active))).toEqual(['vipd', 'TS']);
        await hands.untilLogged(peerOf(active), WITHOUT_REAL_TIME);
        expect((await pair.vipctl(peerOf(active), 'doctor')).stdout).toMatch(/warning {3}real-time: .*like any other/);
      }
      await machine.run('cp', '/root/vipd.yaml', '/etc/vipd/vipd.yaml');
      allowRealTime(machine);
      await systemctl(peerOf(active), 'daemon-reload');
      await systemctl(peerOf(active), 'restart', 'vipd');
      await pair.whole();
      expect(await pair.active()).toBe(active);
      expect((await pair.self(active)).term).toBe(terms);
    },
    LONG_MS,
  );

  test(
    'kill -9 of mysqld moves to the other, and the server comes back as its replica',
    async () => {
      await moves(async (active) => {
        await systemctl(active, 'kill', '--signal=KILL', 'mariadb');
      });
    },
    LONG_MS,
  );

  test(
    'systemctl stop on the active hands over and leaves neither VIP nor a writable database',
    async () => {
      await moves(async (active, standby) => {
        await systemctl(active, 'stop', 'vipd');
        expect(await pair.holdsVip(active)).toBe(false);
        expect(await pair.isReadOnly(active)).toBe(true);
        expect(await property(active, 'Result')).toBe('success');
        await untilActive(standby);
        await systemctl(active, 'start', 'vipd');
      });
    },
    LONG_MS,
  );

  test(
    'systemctl restart on the active hands over once',
    async () => {
      await moves(async (active) => {
        await systemctl(active, 'restart', 'vipd');
      });
    },
    LONG_MS,
  );

  test(
    'kill -9 of the agent, again and again, leaves the VIP on one host, and the agent comes back',
    async () => {
      for (let i = 0; i < 3; i += 1) {
        await pair.whole();
        const active = await pair.active();
        const before = Number(await property(active, 'NRestarts'));
        await systemctl(active, 'kill', '--kill-whom=main', '--signal=KILL', 'vipd');
        await waitFor(async () => Number(await property(active, 'NRestarts')) > before, 'restarted', PATIENCE_MS);
        await hands.untilLogged(active, /^vipd cleanup: VIPs off/);
        await pair.whole();
        expect(await hands.holders()).toEqual([await pair.active()]);
      }
    },
    LONG_MS,
  );

  test(
    'an agent that hangs is ended by the watchdog, while the other serves',
    async () => {
      await moves(async (active, standby) => {
        await systemctl(active, 'kill', '--kill-whom=main', '--signal=STOP', 'vipd');
        await untilActive(standby);
        await waitFor(
          async () =>
            (await pair.machines[active].journal()).some((line) => /vipd\.service: Watchdog timeout/.test(line)),
          'the watchdog bites',
          PATIENCE_MS,
        );
      });
    },
    LONG_MS,
  );

  test(
    'a shutdown of the active hands over before its database stops; it boots as standby',
    async () => {
      await moves(async (active, standby) => {
        const machine = pair.machines[active];
        await machine.powerOff();
        await untilActive(standby);
        const lines = await machine.journal();
        const stopped = lines.findLastIndex((line) => line.startsWith('Stopped vipd.service'));
        const shutdown = lines.findLastIndex((line) => line.includes('(initiated by: unknown): Normal shutdown'));
        const database = lines.findLastIndex((line) => line.startsWith('Stopping mariadb.service'));
        const order = { stopped, database, shutdown };
        expect(stopped, JSON.stringify(order)).toBeGreaterThan(0);
        expect(database, JSON.stringify(order)).toBeGreaterThan(stopped);
        expect(shutdown, JSON.stringify(order)).toBeGreaterThan(stopped);
        expect((await pair.status(standby)).lastChange?.text).toContain('because released');
        await machine.boot();
      });
    },
    LONG_MS,
  );

  test(
    'the death of the active host moves to the other; it boots as standby',
    async () => {
      await moves(async (active, standby) => {
        await pair.machines[active].powerCut();
        await untilActive(standby);
        await pair.machines[active].boot();
      });
    },
    LONG_MS,
  );

  hardships(() => pair, hands);
  bootBoth(() => pair, hands);
  databaseHardships(() => pair, hands);

  test(
    'an upgrade restarts the standby and not the active; one switchover is all that writers see',
    async () => {
      await pair.whole();
      const first = await pair.active();
      const second = peerOf(first);
      const term = (await pair.self(first)).term;
      const pids = { [first]: await property(first, 'MainPID'), [second]: await property(second, 'MainPID') };
      const configuration = await pair.machines[second].run('sha256sum', '/etc/vipd/vipd.yaml');
      const load = await hands.startLoad();

      const since = monotonicMs();
      expect(await install(pair.machines[second], ground.packages.newerVipd)).toContain('restarting its agent');
      expect(await property(second, 'MainPID')).not.toBe(pids[second]);
      await pair.whole();
      expect(await install(pair.machines[first], ground.packages.newerVipd)).toContain('keeps running');
      expect(await property(first, 'MainPID')).toBe(pids[first]);
      expect((await pair.self(first)).term).toBe(term);

      const switching = monotonicMs();
      expect((await pair.vipctl(first, 'switchover')).status).toBe(0);
      await systemctl(first, 'restart', 'vipd');
      await pair.whole();
      await load.stop();
      const before = load.client.attempts.filter((attempt) => attempt.begin > since && attempt.end < switching);
      expect(before.filter(({ acknowledged }) => acknowledged).length).toBeGreaterThan(0);
      expect(errorsSeen(before)).toEqual([]);
      expect(await pair.active()).toBe(second);
      expect((await pair.self(second)).term).toBe(term + 1);
      expect(await pair.machines[second].run('sha256sum', '/etc/vipd/vipd.yaml')).toBe(configuration);
    },
    LONG_MS,
  );

  test(
    'removal of the active hands over and keeps the configuration; purge keeps nothing',
    async () => {
      await pair.whole();
      const active = await pair.active();
      const machine = pair.machines[active];
      await machine.run('apt-get', 'remove', '-qy', 'vipd');
      expect(await pair.holdsVip(active)).toBe(false);
      expect((await machine.run('nft', 'list', 'tables')).includes('vipd')).toBe(false);
      expect(await pair.isReadOnly(active)).toBe(true);
      await waitFor(async () => pair.holdsVip(peerOf(active)), 'the other has the VIP', PATIENCE_MS);
      await machine.run('test', '-e', '/etc/vipd/vipd.yaml', '-a', '-d', '/var/lib/vipd');
      await machine.run('apt-get', 'purge', '-qy', 'vipd');
      for (const path of [
        '/etc/vipd/vipd.yaml',
        '/etc/vipd/key',
        '/etc/vipd/mysql.cnf',
        '/var/lib/vipd',
        '/run/vipd',
      ]) {
        expect((await machine.attempt('test', '-e', path)).status, path).toBe(1);
      }
    },
    LONG_MS,
  );

  test('in all of this, whoever sent for the VIP had the lease', async () => {
    const { problems, judged } = await tap.stop();
    expect(problems).toEqual([]);
    expect(judged).toBeGreaterThan(0);
  });
});
