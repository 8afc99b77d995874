/** Both hosts off at once, on the machines of service.lab.test.ts: one comes back active by itself, in whatever order they boot. */

import { expect, test } from 'vitest';
import { NODES, type NodeName } from '../lab/topology.js';
import type { Hands } from './hands.js';
import { type Pair, peerOf } from './pair.js';

const LONG_MS = 600_000;

/** `of`: the pair is there only when the tests run. */
export const bootBoth = (of: () => Pair, hands: Hands): void => {
  const boot = (node: NodeName): Promise<void> => of().machines[node].boot();
  const rows = (node: NodeName): Promise<string> => of().sql(node, 'SELECT COUNT(*), SUM(id) FROM lab.writes');

  /** Nobody types anything meanwhile: the units are enabled, and that is all. */
  const comesBack = async (off: () => Promise<unknown>, on: () => Promise<unknown>): Promise<void> => {
    // No commit is under way when they go: one that only the active has would have to be judged by an operator.
    await (await hands.startLoad()).stop();
    const before = await rows(await of().active());
    const { term } = await of().self(await of().active());
    await off();
    expect(NODES.filter((node) => of().machines[node].isOn())).toEqual([]);
    await on();
    await of().whole();
    const active = await of().active();
    expect(await hands.holders()).toEqual([active]);
    expect(await Promise.all(NODES.map((node) => of().isReadOnly(node)))).toEqual(NODES.map((node) => node !== active));
    expect((await of().self(active)).term).toBeGreaterThan(term);
    for (const node of NODES) expect(await rows(node)).toBe(before);
    await (await hands.startLoad()).stop();
  };

  test(
    'both hosts lose power and boot together: one of them comes active by itself, and serves',
    async () => {
      await of().whole();
      const both = (what: (node: NodeName) => Promise<void>) => Promise.all(NODES.map(what));
      await comesBack(
        () => both((node) => of().machines[node].powerCut()),
        () => both(boot),
      );
    },
    LONG_MS,
  );

  test(
    'both hosts are shut down, the active last, and boot one after the other: in either order one of them comes active',
    async () => {
      for (const first of ['standby', 'active'] as const) {
        await of().whole();
        const active = await of().active();
        const order = first === 'active' ? [active, peerOf(active)] : [peerOf(active), active];
        await comesBack(
          async () => {
            await of().machines[peerOf(active)].powerOff();
            await of().machines[active].powerOff();
          },
          async () => {
            for (const node of order) await boot(node);
          },
        );
      }
    },
    LONG_MS,
  );
};
