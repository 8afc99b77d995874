import { describe, expect, it } from 'vitest';
import { allWell, db1, db2, moment } from '../../src/control/status.fixture.js';
import type { HistoryEntry, NodeStatus, Status } from '../../src/control/status.js';
import type { HoldName } from '../../src/core/types.js';
import { type Look, untold as untoldBy } from './told.js';
import type { NodeName } from './topology.js';

const WHY = { stale: 'db2 served last', paused: 'paused by an operator' } as const;

const holding = (node: NodeStatus, names: readonly (keyof typeof WHY)[]): NodeStatus => ({
  ...node,
  holds: names.map((name) => ({ name, why: WHY[name] })),
});

/** What a node answers so many milliseconds ago. */
const look = (by: NodeName, agoMs: number, part: Partial<Status> = {}): Look => ({
  by,
  status: { ...allWell, now: moment(agoMs), ...part },
});

/** Both have answered at some time. */
const untold = (looks: readonly Look[], journals: Parameters<typeof untoldBy>[1]): readonly string[] =>
  untoldBy([look('db1', 80_000), look('db2', 80_000), ...looks], journals);

const hold = (agoMs: number, cause: HoldName): HistoryEntry => ({
  at: moment(agoMs).wall,
  kind: 'hold',
  term: 7,
  cause,
  text: 'why',
});

const ended = (agoMs: number, cause: HoldName): HistoryEntry => ({ ...hold(agoMs, cause), kind: 'notice' });

const opened = (agoMs: number): HistoryEntry => ({
  at: moment(agoMs).wall,
  kind: 'transition',
  term: 8,
  from: 'promoting',
  to: 'active',
  cause: 'promoted',
  text: 'db2 is silent',
});

describe('a hold', () => {
  const journals = { db1: [], db2: [hold(5_000, 'stale')] };
  const told = { nodes: [db1, holding(db2, ['stale'])] };

  it('is told by both nodes a second later', () => {
    expect(untold([look('db1', 3_900, told), look('db2', 3_900, told)], journals)).toEqual([]);
  });

  it('that one of them does not tell is found', () => {
    expect(untold([look('db1', 3_900), look('db2', 3_900, told)], journals)).toEqual([
      expect.stringMatching(/^db1 does not tell after a second that db2 holds stale/),
    ]);
  });

  it('has a second until it must be told', () => {
    expect(untold([look('db1', 4_100), look('db1', 3_900, told)], journals)).toEqual([]);
  });

  it('that has ended since need not be told', () => {
    const over = { db1: [], db2: [hold(5_000, 'stale'), ended(4_500, 'stale')] };
    expect(untold([look('db1', 3_900)], over)).toEqual([]);
  });

  it('is not asked of an agent that was started since, nor of one that does not hear the other', () => {
    const young = { config: { ...allWell.config, loaded: moment(4_200) } };
    const deaf = { nodes: [db1, { ...db2, agent: { ...db2.agent, reachable: false } }] };
    expect(untold([look('db1', 3_900, young)], journals)).toEqual([]);
    expect(untold([look('db1', 3_900, deaf)], journals)).toEqual([]);
  });
});

describe('a new active', () => {
  const journals = { db1: [opened(5_000)], db2: [] };
  const change = {
    at: moment(5_000),
    node: 'db1',
    from: 'promoting',
    to: 'active',
    cause: 'x',
    text: 'active with term 1, because y',
    steps: [],
  } as const;
  const told = { active: 'db1', lastChange: change, nodes: [{ ...db1, since: moment(5_000) }, db2] };

  it('is told with its time and its reason', () => {
    expect(untold([look('db1', 3_900, told), look('db2', 3_900, told)], journals)).toEqual([]);
  });

  it.each([
    ['who is active', { active: null }],
    ['since when', { nodes: [db1, db2] }],
    ['why', { lastChange: { ...change, text: 'active with term 1' } }],
  ])('of which a node does not tell %s is found', (_what, part) => {
    expect(untold([look('db2', 3_900, { ...told, ...part })], journals)).toHaveLength(1);
  });

  it('that has moved on since need not be told', () => {
    const moved = { db1: [opened(5_000)], db2: [opened(4_500)] };
    expect(untold([look('db1', 3_900, { ...told, active: null })], moved)).toEqual([]);
  });
});

it('a node that never answers is found', () => {
  expect(untoldBy([look('db1', 3_900)], { db1: [], db2: [] })).toEqual(['db2 was never seen to answer']);
});
