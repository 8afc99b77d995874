/** Everything that can be told to a core: by its shell, by a peer, by an operator; sensible and not. */

import fc from 'fast-check';
import type { Event, Outcome } from '../../src/core/event.js';
import type { Message } from '../../src/core/message.js';
import type { CoreConfig, DatabaseReport, VoterName, VoterRecord } from '../../src/core/types.js';
import { createWorld } from '../world/world.js';
import { message, millis, NAMES, position, term } from './messages.js';
import type { NodeUnderFire } from './node-under-fire.js';

/** What is done next to a node under fire. */
export type Action =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'tell'; readonly event: Event }
  /** The outcome of the step that was asked for so long ago, or of one never asked for. */
  | { readonly do: 'end'; readonly nth: number; readonly outcome: Outcome }
  | { readonly do: 'written'; readonly nth: number; readonly ok: boolean }
  /** All that was asked for on this host goes well. */
  | { readonly do: 'obey' }
  /** That, and all voters answer as asked. */
  | { readonly do: 'cooperate' };

const replica = fc.record({
  io: fc.constantFrom('running' as const, 'connecting' as const, 'stopped' as const),
  sql: fc.constantFrom('running' as const, 'stopped' as const),
  received: position,
  filters: fc.boolean(),
});

const healthyReport: fc.Arbitrary<DatabaseReport> = fc.record({
  state: fc.constant('ok' as const),
  detail: fc.constant(''),
  readOnly: fc.boolean(),
  position: fc.constant('mariadb:0-1-12,0-2-3'),
  semiSync: fc.boolean(),
  semiSyncReplicas: fc.nat({ max: 1 }),
});

export const report: fc.Arbitrary<DatabaseReport> = fc.oneof(
  { weight: 4, arbitrary: healthyReport },
  {
    weight: 1,
    arbitrary: fc
      .record({
        state: fc.constantFrom('ok', 'down', 'shutting-down', 'hanging', 'denied', 'full', 'failed'),
        detail: fc.string({ maxLength: 10 }),
        readOnly: fc.option(fc.boolean(), { nil: undefined }),
        position: fc.option(position, { nil: undefined }),
        replica: fc.option(replica, { nil: undefined }),
        semiSync: fc.option(fc.boolean(), { nil: undefined }),
        semiSyncReplicas: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
      })
      // An absent field is absent, not undefined.
      .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never),
  },
);

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ok: fc.constant(true as const), detail: fc.constant('done'), position }) },
  { weight: 1, arbitrary: fc.record({ ok: fc.constant(true as const), detail: fc.constant('done') }) },
  {
    weight: 1,
    arbitrary: fc.record({ ok: fc.constant(false as const), detail: fc.constantFrom('failed', 'diverged: 0-2-9') }),
  },
);

const command: fc.Arbitrary<Event> = fc.record({
  type: fc.constant('command' as const),
  id: fc.nat({ max: 50 }),
  command: fc.oneof(
    fc.record({
      name: fc.constant('switchover' as const),
      dryRun: fc.boolean(),
      force: fc.boolean(),
      timeoutMs: millis,
    }),
    fc.record({ name: fc.constant('promote' as const), acceptLoss: fc.boolean() }),
    fc.record({ name: fc.constant('pause' as const), forMs: fc.constantFrom(-1, 1, 5_000) }),
    fc.constant({ name: 'resume' as const }),
    fc.record({ name: fc.constant('maintenance' as const), on: fc.boolean() }),
  ),
});

const from: fc.Arbitrary<VoterName> = fc.constantFrom('db2', 'db2', 'db2', 'w1', 'w2', 'w3', ...NAMES, 'stranger');

export const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ type: 'tick' } as const) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant('message' as const), from, message }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('database' as const), report }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('check' as const),
      name: fc.constantFrom('disk', 'database', 'unknown', '__proto__'),
      ok: fc.boolean(),
      detail: fc.constant(''),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('link' as const),
      name: fc.constantFrom('eth0', 'eth1'),
      up: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('vip-lost' as const),
      address: fc.constant('vip'),
      restored: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('standby-vip-usable' as const), why: fc.constantFrom('', 'no link') }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'standby-vip-lost', detail: 'shut' } as const) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stall' as const), forMs: millis }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('progress' as const), id: fc.nat({ max: 60 }), text: fc.constant('x') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('evidence' as const),
      id: fc.nat({ max: 60 }),
      evidence: fc.record({
        gateways: fc.constantFrom('answer' as const, 'silent' as const, 'none' as const),
        position: fc.constantFrom('', 'mariadb:0-1-3'),
        peerDatabase: fc.constantFrom('silent' as const, 'made-read-only' as const, 'refuses' as const),
        detail: fc.constant(''),
      }),
    }),
  },
  { weight: 2, arbitrary: command },
  {
    weight: 1,
    arbitrary: fc.constant({ type: 'command', id: 0, command: { name: 'stop' } } as const),
  },
);

const wait = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 10, 33.3, 100, 101) },
  { weight: 3, arbitrary: fc.double({ min: 0, max: 320, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(1_000, 30_000, 700_000) },
);

export const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: wait }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tell' as const), event }) },
  { weight: 6, arbitrary: fc.constant({ do: 'cooperate' } as const) },
  { weight: 4, arbitrary: fc.constant({ do: 'obey' } as const) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), nth: fc.nat({ max: 12 }), outcome }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('written' as const), nth: fc.nat({ max: 4 }), ok: fc.boolean() }),
  },
);

/** A script that has not spoken yet would keep the node from all that is tried here. */
const DATABASE_ALONE = { database: { fall: 2, rise: 1 } } as const;

export const config: fc.Arbitrary<CoreConfig> = fc
  .record({
    witnesses: fc.constantFrom<readonly string[]>(['w1'], ['w1'], [], ['w1', 'w2', 'w3']),
    semiSync: fc.constantFrom('off' as const, 'monitor' as const, 'manage' as const),
    promiseMs: fc.constantFrom(300, 2_300),
    boot: fc.constant('this'),
    maxLossMs: fc.constantFrom<CoreConfig['maxLossMs']>(0, 5_000, 'any'),
    fence: fc.constantFrom<CoreConfig['fence']>(
      null,
      { required: true, timeoutMs: 500 },
      { required: false, timeoutMs: 500 },
    ),
    hookPhases: fc.subarray(['pre-promote', 'post-promote', 'pre-demote', 'post-demote', 'hold'] as const),
    cooldownMs: fc.constantFrom(0, 60_000),
    maxFailovers: fc.constantFrom(1, 3),
    standbyVip: fc.constantFrom(null, { maxLagMs: 10_000 }),
  })
  .map(({ witnesses, ...chosen }) => createWorld(witnesses, { ...chosen, checks: DATABASE_ALONE }).config('db1'));

/** What an earlier life may have left on disk: any sound record, and mostly none or an early one. */
export const record: fc.Arbitrary<VoterRecord | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  {
    weight: 3,
    arbitrary: fc.record({
      maxTerm: term,
      holder: fc.constantFrom(null, 'db1', 'db2'),
      servedTerm: fc.nat({ max: 4 }),
      sync: fc.boolean(),
      maxLeaseMs: fc.constantFrom(0, 300, 2_300),
      dataTerm: fc.nat({ max: 4 }),
      byWord: fc.boolean(),
      pause: fc.record({
        version: fc.nat({ max: 3 }),
        on: fc.boolean(),
        leftMs: fc.constantFrom(-1, 0, 1_000),
        since: fc.constantFrom(0, 1_000, 1e9),
        boot: fc.constantFrom('this', 'another'),
      }),
      maintenance: fc.boolean(),
    }),
  },
);

const UNKNOWN_ID = 1_000_000;

/** Does one thing to the node. */
export const act = (node: NodeUnderFire, chosen: Action): void => {
  if (node.stopped()) return;
  switch (chosen.do) {
    case 'wait':
      return node.advance(chosen.ms);
    case 'tell':
      return node.take(chosen.event);
    case 'end':
      return node.take({ type: 'outcome', id: node.running[chosen.nth]?.id ?? UNKNOWN_ID, outcome: chosen.outcome });
    case 'written': {
      const id = node.writing[chosen.nth]?.id ?? UNKNOWN_ID;
      return node.take({ type: 'persisted', id, ok: chosen.ok, detail: '' });
    }
    case 'obey':
      return obey(node);
    case 'cooperate':
      obey(node);
      return answerAsAsked(node);
  }
};

const HERE = 'mariadb:0-1-12,0-2-3';

const obey = (node: NodeUnderFire): void => {
  for (const { id } of [...node.running])
    node.take({ type: 'outcome', id, outcome: { ok: true, detail: 'done', position: HERE } });
  for (const { id } of [...node.writing]) node.take({ type: 'persisted', id, ok: true, detail: '' });
  const readOnly = node.state().role !== 'active';
  node.take({ type: 'database', report: { state: 'ok', detail: '', readOnly, position: HERE } });
};

/** How many of its newest messages are answered: some of them for the second time, or late. */
const ANSWERED = 8;

const answerAsAsked = (node: NodeUnderFire): void => {
  for (const { to, message: asked } of node.sent.slice(-ANSWERED)) {
    const answer = answerTo(asked);
    if (answer) node.take({ type: 'message', from: to, message: answer });
  }
};

const answerTo = (asked: Message): Message | null => {
  const verdict = { granted: true, lastPosition: '', servedTerm: 0, sync: true } as const;
  switch (asked.kind) {
    case 'beat':
      if (asked.owner) return { kind: 'ack', beat: asked.beat, term: asked.term, leaseMs: asked.leaseMs };
      return asked.standbyVip ? { kind: 'grant', beat: asked.beat, term: asked.term, leaseMs: asked.leaseMs } : null;
    case 'poll?':
      return { kind: 'poll', term: asked.term, verdict };
    case 'vote?':
      return { kind: 'vote', term: asked.term, verdict };
    case 'served?':
      return { kind: 'served', term: asked.term, sync: asked.sync };
    case 'release':
      return { kind: 'released', term: asked.term };
    default:
      return null;
  }
};
