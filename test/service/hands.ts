/** What tests of booted machines do again and again: services, moves, writes through the VIP. */

import { expect } from 'vitest';
import { type LoadClient, startLoadClient } from '../lab/load.js';
import { LAB_ROOT } from '../lab/sandbox.js';
import { NODES, type NodeName, VIP4 } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Pair, peerOf } from './pair.js';

/** Rows of one load do not meet those of the next. */
const IDS_OF_ONE_LOAD = 1_000_000;
/** A load is under way once it has written so many rows. */
const FEW_WRITES = 20;

export interface Load {
  readonly client: LoadClient;
  /** Resolves once some more writes have been acknowledged. */
  someMore(): Promise<void>;
  /** Ends it, and sees that every acknowledged row is on both nodes. */
  stop(): Promise<void>;
}

export interface Hands {
  systemctl(node: NodeName, ...args: readonly string[]): Promise<string>;
  /** Of the agent's unit. */
  property(node: NodeName, name: string): Promise<string>;
  untilActive(node: NodeName): Promise<void>;
  /** Before: a whole pair. After: the other node is active, the pair is whole again, and one host has the VIP. */
  moves(what: (active: NodeName, standby: NodeName) => Promise<void>): Promise<void>;
  /** A whole pair, of which `what` moves nothing. */
  stays(what: (active: NodeName, standby: NodeName) => Promise<void>): Promise<void>;
  /** So many lines of the agent's log match. The journal has a line a little after it was written. */
  untilLogged(node: NodeName, what: RegExp, count?: number): Promise<void>;
  holders(): Promise<readonly NodeName[]>;
  startLoad(): Promise<Load>;
}

/** `of`: the pair is there only when the tests run. */
export const createHands = (of: () => Pair): Hands => {
  let loads = 0;
  const systemctl: Hands['systemctl'] = (node, ...args) => of().machines[node].run('systemctl', ...args);
  const untilActive: Hands['untilActive'] = (node) =>
    waitFor(async () => (await of().active()) === node || 'not yet', `${node} is active`, PATIENCE_MS);
  const holders: Hands['holders'] = async () => {
    const held = await Promise.all(NODES.map((node) => of().holdsVip(node)));
    return NODES.filter((_node, index) => held[index]);
  };
  return {
    systemctl,
    property: async (node, name) =>
      (await systemctl(node, 'show', '--value', `--property=${name}`, 'vipd.service')).trim(),
    untilActive,
    moves: async (what) => {
      await of().whole();
      const active = await of().active();
      await what(active, peerOf(active));
      await untilActive(peerOf(active));
      await of().whole();
      expect(await holders()).toEqual([peerOf(active)]);
    },
    stays: async (what) => {
      await of().whole();
      const active = await of().active();
      const { term } = await of().self(active);
      await what(active, peerOf(active));
      await of().whole();
      expect(await holders()).toEqual([active]);
      expect((await of().self(active)).term, (await of().status(active)).lastChange?.text ?? '').toBe(term);
    },
    untilLogged: (node, what, count = 1) =>
      waitFor(
        async () => {
          const lines = await of().machines[node].journal('--unit=vipd');
          const found = lines.filter((line) => what.test(line)).length;
          return found >= count || `${found} lines match; the last of all: ${lines.slice(-3).join('\n')}`;
        },
        `the log of ${node} has ${what}`,
        PATIENCE_MS,
      ),
    holders,
    startLoad: async () => {
      loads += 1;
      const firstId = loads * IDS_OF_ONE_LOAD;
      const target = { host: VIP4, port: 3306, user: 'app', password: of().appPassword };
      const client = startLoadClient('client', { kind: 'fresh', ...target, everyMs: 20, firstId }, LAB_ROOT);
      const acknowledged = () => client.attempts.filter((attempt) => attempt.acknowledged).map(({ id }) => id);
      const someMore = async (): Promise<void> => {
        const before = acknowledged().length;
        await waitFor(() => acknowledged().length > before + FEW_WRITES, 'writes pass', PATIENCE_MS);
      };
      await someMore();
      return {
        client,
        someMore,
        stop: async () => {
          await client.stop();
          await of().whole();
          for (const node of NODES) {
            await waitFor(
              async () => {
                const rows = await of().sql(node, `SELECT id FROM lab.writes WHERE id >= ${firstId}`);
                const there = new Set(rows.split('\n').map(Number));
                const missing = acknowledged().filter((id) => !there.has(id));
                return missing.length === 0 || `missing: ${missing.length}, of them ${missing.slice(0, 5).join(', ')}`;
              },
              `every acknowledged row is on ${node}`,
              PATIENCE_MS,
            );
          }
        },
      };
    },
  };
};
