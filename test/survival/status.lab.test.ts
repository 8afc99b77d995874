import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Status } from '../../src/control/status.js';
import { activeNode } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitForValue } from '../lab/wait.js';
import { CALM, PATIENCE_MS, untilActive, untilPair } from './ground.js';

/** Promised to an operator: this long after a change both nodes tell it. */
const TOLD_WITHIN_MS = 1_000;

inSandbox('test/survival/status.lab.test.ts', () => {
  let lab: Lab;
  let active: NodeName;
  beforeAll(async () => {
    lab = await createLab(CALM);
    await untilPair(lab);
    active = await activeNode(lab);
  });
  afterAll(() => lab.destroy());

  const bootMs = async (): Promise<number> => (await lab.status(active)).now.bootMs;

  /** What a node tells as soon as `tells` is true of it, and how long after `since` that was. */
  const untilTold = (node: NodeName, tells: (status: Status) => boolean, what: string): Promise<Status> =>
    waitForValue(
      async () => {
        const status = await lab.status(node);
        return tells(status) ? { done: true, value: status } : { done: false, seen: JSON.stringify(status.lastChange) };
      },
      `${node} tells ${what}`,
      PATIENCE_MS,
    );

  /** One clock for both: they are on one machine. `at`: when it happened, as its own journal has it. */
  const checkTold = async (node: NodeName, becameAt: number): Promise<void> => {
    const serves = (one: Status): boolean => one.active === active && !one.noWriter;
    const status = await untilTold(node, serves, `that ${active} serves`);
    expect(status.now.bootMs - becameAt).toBeLessThan(TOLD_WITHIN_MS);
    const telling = status.nodes.find(({ name }) => name === active);
    expect(Math.abs((telling?.since?.bootMs ?? 0) - becameAt)).toBeLessThan(TOLD_WITHIN_MS);
    expect(status.lastChange?.node).toBe(active);
    expect(status.lastChange?.text).toMatch(/because (?!none)/);
    expect(Math.abs((status.lastChange?.at.bootMs ?? 0) - becameAt)).toBeLessThan(TOLD_WITHIN_MS);
  };

  const becameActiveAt = async (node: NodeName): Promise<number> => {
    const self = (await untilTold(node, (one) => one.active === node, 'that it is active')).nodes[0];
    return self?.since?.bootMs ?? 0;
  };

  it('tells on both nodes who is active, since when and why, after a switchover', async () => {
    const next = peerOf(active);
    const moved = lab.vipctl(active, ['switchover']);
    active = next;
    const at = await becameActiveAt(next);
    await Promise.all(NODES.map((node) => checkTold(node, at)));
    expect(await moved).toMatchObject({ status: 0 });
    await untilPair(lab);
    const printed = await lab.vipctl(next, ['status']);
    expect(printed.status).toBe(0);
    expect(printed.stdout).toMatch(new RegExp(`${next}.*active`));
  });

  it('tells it after the active agent was killed', async () => {
    const [dead, next] = [active, peerOf(active)];
    await lab.agent[dead].stop('SIGKILL');
    active = next;
    await checkTold(next, await becameActiveAt(next));
    const { nodes, lastChange } = await lab.status(next);
    expect(nodes.find(({ name }) => name === dead)?.agent.reachable).toBe(false);
    expect(lastChange?.text).toMatch(/promise-ran-out|silent/);
    lab.agent[dead].start();
    await untilActive(lab, next);
    await untilPair(lab);
  });

  it('tells it by a standby too whose agent was started long after', async () => {
    const standby = peerOf(active);
    const at = await becameActiveAt(active);
    await lab.agent[standby].stop('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 2 * TOLD_WITHIN_MS));
    lab.agent[standby].start();
    const { lastChange } = await untilTold(standby, (one) => one.lastChange?.node === active, `that ${active} serves`);
    expect(Math.abs((lastChange?.at.bootMs ?? 0) - at)).toBeLessThan(TOLD_WITHIN_MS);
    expect(lastChange?.text).toContain('because promise-ran-out');
    await untilPair(lab);
  });

  describe('every hold, on both nodes', () => {
    const untilHeld = (node: NodeName, of: NodeName, hold: string, held: boolean): Promise<Status> =>
      untilTold(
        node,
        (status) =>
          (status.nodes.find(({ name }) => name === of)?.holds ?? []).some(({ name }) => name === hold) === held,
        `that ${of} is ${held ? '' : 'not '}held by ${hold}`,
      );

    const checkHold = async (act: () => Promise<unknown>, of: NodeName, hold: string, held: boolean): Promise<void> => {
      await act();
      const from = await bootMs();
      for (const node of NODES) {
        const status = await untilHeld(node, of, hold, held);
        expect(status.now.bootMs - from).toBeLessThan(TOLD_WITHIN_MS);
        const sentence =
          status.nodes.find(({ name }) => name === of)?.holds.find(({ name }) => name === hold)?.why ?? '';
        if (held) expect(sentence.length).toBeGreaterThan(20);
      }
      const { stdout } = await lab.vipctl(peerOf(of), ['status']);
      if (held) expect(stdout).toContain(hold);
      else expect(stdout).not.toContain(hold);
    };

    it('a pause of the group and its end', async () => {
      const standby = peerOf(active);
      await checkHold(() => lab.ask(standby, { request: 'pause' }), active, 'paused', true);
      await checkHold(() => lab.ask(active, { request: 'resume' }), standby, 'paused', false);
    });

    it('the maintenance of a node and its end', async () => {
      const standby = peerOf(active);
      await checkHold(() => lab.ask(standby, { request: 'maintenance', on: true }), standby, 'maintenance', true);
      await checkHold(() => lab.ask(standby, { request: 'maintenance', on: false }), standby, 'maintenance', false);
    });
  });

  it('tells that nobody serves, and why, once both databases are dead', async () => {
    await Promise.all(NODES.map((node) => lab.database[node].stop('SIGKILL')));
    for (const node of NODES) {
      const status = await untilTold(node, (one) => one.noWriter, 'that there is no writer');
      expect(status.nodes[0]?.unfit || status.nodes[0]?.cause).toMatch(/database|mysqld/);
    }
  });
});
