import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressLifetimeSeconds } from '../../src/core/timing.js';
import { activeNode } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { addressesOf, type NodeName, on } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, holdsVip, PATIENCE_MS, untilPair } from './ground.js';

/** More than a lifetime's worth of them. */
const RENEWALS = 6;

inSandbox('test/survival/address.lab.test.ts', () => {
  describe('with guard: address', () => {
    let lab: Lab;
    let active: NodeName;
    let monitor: ChildProcess | undefined;
    beforeEach(async () => {
      lab = await createLab({ ...CALM, ipv6: true, config: { ...CALM.config, guard: 'address' } });
      await untilPair(lab);
      active = await activeNode(lab);
    });
    afterEach(async () => {
      monitor?.kill('SIGKILL');
      await lab.destroy();
    });

    /** What the kernel tells from now on of one of the active's VIPs, a line for each change (ip-monitor(8)). */
    const watch = (vip: string): (() => readonly string[]) => {
      const [command = '', ...args] = [...on(active), 'ip', '-oneline', 'monitor', 'address'];
      monitor = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      let told = '';
      monitor.stdout?.on('data', (chunk: Buffer) => {
        told += chunk.toString();
      });
      return () => told.split('\n').filter((line) => line.includes(` ${vip}/`));
    };

    it('there are no rules; an active renews its addresses, which have a short lifetime and never go', async () => {
      expect((await lab.exec(active, ['nft', 'list', 'ruleset'])).stdout).not.toContain('vipd');
      const { lease, protection } = await lab.status(active);
      expect(protection.guard).toEqual([expect.objectContaining({ name: 'address', armed: true })]);
      for (const vip of lab.vips) {
        const told = watch(vip);
        await waitFor(() => told().length >= RENEWALS || told().join('; '), `${vip} is renewed`, PATIENCE_MS);
        const lifetimes = told().map((line) => Number(/valid_lft (\d+)sec/.exec(line)?.[1]));
        expect(told().filter((line) => line.startsWith('Deleted'))).toEqual([]);
        expect(Math.max(...lifetimes)).toBeLessThanOrEqual(addressLifetimeSeconds(lease.lengthMs));
        monitor?.kill('SIGKILL');
      }
    });

    it('the kernel takes them off a host whose agent was killed, before the other node puts them on', async () => {
      const standby = peerOf(active);
      expect(await holdsVip(lab, active)).toBe(true);
      lab.agent[active].signal('SIGKILL');
      const both: string[] = [];
      await waitFor(
        async () => {
          // In this order: what a dead agent's host has now it had when the other one was asked.
          const taken = await addressesOf(standby);
          const left = await addressesOf(active);
          both.push(...lab.vips.filter((vip) => taken.includes(vip) && left.includes(vip)));
          return lab.vips.every((vip) => taken.includes(vip)) || `${standby} has ${taken}, ${active} has ${left}`;
        },
        `${standby} has the VIPs`,
        PATIENCE_MS,
      );
      expect(both).toEqual([]);
      expect(lab.agent[active].running).toBe(false);
      expect(await holdsVip(lab, active)).toBe(false);
    });
  });
});
