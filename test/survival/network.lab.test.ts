import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { run } from '../lab/command.js';
import { GROUP } from '../lab/host-files.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { type NodeName, on } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import {
  CALM,
  holdsVip,
  PATIENCE_MS,
  reconfigure,
  startAll,
  untilActive,
  untilEnded,
  untilPair,
  untilSaid,
  untilUnfit,
} from './ground.js';

inSandbox('test/survival/network.lab.test.ts', () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await createLab({ ...CALM, agents: false });
  });
  afterEach(() => lab.destroy());

  describe('an interface that is not there', () => {
    it('leaves the agent running and unfit; and it takes part once the interface has come', async () => {
      reconfigure(lab, 'db1', { vip: [{ address: '10.99.0.100/24', interface: 'late0' }] });
      startAll(lab);
      await untilSaid(lab.agent.db1, /late0.*tried again in 5 s/);
      await untilActive(lab, 'db2');
      await untilUnfit(lab, 'db1', /late0/);
      expect(lab.agent.db1.running).toBe(true);
      await run(['ip', '-n', 'db1', 'link', 'add', 'late0', 'type', 'veth', 'peer', 'name', 'late1']);
      await run(['ip', '-n', 'db1', 'link', 'set', 'late0', 'up']);
      await run(['ip', '-n', 'db1', 'link', 'set', 'late1', 'up']);
      await untilUnfit(lab, 'db1', /^$/);
      await untilPair(lab);
      await lab.agent.db2.stop();
      await untilActive(lab, 'db1');
      const { stdout } = await lab.exec('db1', ['ip', '-brief', 'address', 'show', 'dev', 'late0']);
      expect(stdout).toContain('10.99.0.100');
    });

    it('that goes while the node serves moves the VIP; and the node is a standby again when it is back', async () => {
      startAll(lab);
      await untilPair(lab);
      const active = await activeNode(lab);
      await run(['ip', '-n', active, 'link', 'set', 'eth0', 'down']);
      await untilActive(lab, peerOf(active));
      expect(await holdsVip(lab, active)).toBe(false);
      await run(['ip', '-n', active, 'link', 'set', 'eth0', 'up']);
      await untilPair(lab);
      expect((await lab.status(active)).active).toBe(peerOf(active));
    });
  });

  describe('a guard that cannot be put in place', () => {
    let owner: ChildProcess | undefined;
    afterEach(() => {
      owner?.kill('SIGKILL');
      owner = undefined;
    });

    /** A table that another process owns (nft(8), flags owner) cannot be changed by the agent; what there was goes with it. */
    const occupyTable = async (node: NodeName): Promise<void> => {
      const [command = '', ...args] = [...on(node), 'nft', '-i'];
      owner = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] });
      owner.stdin?.write(`flush ruleset; add table inet vipd_${GROUP} { flags owner; }\n`);
      await waitFor(
        async () => (await lab.exec(node, ['nft', 'list', 'tables'])).stdout.trim() === `table inet vipd_${GROUP}`,
        'that table alone is there',
        PATIENCE_MS,
      );
    };

    it('keeps the node from ever being active, and it says so; the other one serves', async () => {
      await occupyTable('db1');
      startAll(lab);
      await untilSaid(lab.agent.db1, /the guard cannot be used, so this node will not be active: /);
      await untilActive(lab, 'db2');
      await untilUnfit(lab, 'db1', /guard/);
      const { protection } = await lab.status('db1');
      expect(protection.guard.find(({ name }) => name === 'nftables')).toMatchObject({ armed: false });
    });

    it('again, after another hand took it from the node that serves, moves the VIP; and that node becomes fit again', async () => {
      startAll(lab);
      await untilPair(lab);
      const active = await activeNode(lab);
      await occupyTable(active);
      await untilSaid(lab.agent[active], /the guard cannot be used, so this node will not be active: /);
      await untilActive(lab, peerOf(active));
      expect(await holdsVip(lab, active)).toBe(false);
      await untilUnfit(lab, active, /guard/);
      owner?.kill('SIGKILL');
      await untilPair(lab);
      expect(await activeNode(lab)).toBe(peerOf(active));
    });

    it('and is put in place as soon as it can be', async () => {
      await occupyTable('db1');
      startAll(lab);
      await untilUnfit(lab, 'db1', /guard/);
      owner?.kill('SIGKILL');
      await untilPair(lab);
    });
  });

  it('ends with a clear message where the address of the heartbeats is taken away before the start, and starts when it is back', async () => {
    await run(['ip', '-n', 'db1', 'address', 'del', '10.99.0.1/24', 'dev', 'eth0']);
    lab.agent.db1.start();
    expect(await untilEnded(lab.agent.db1)).toEqual({ code: 1, signal: null });
    await untilSaid(lab.agent.db1, /fatal: the agent cannot start: .*10\.99\.0\.1/);
    await run(['ip', '-n', 'db1', 'address', 'add', '10.99.0.1/24', 'dev', 'eth0']);
    startAll(lab);
    await untilPair(lab);
  });
});
