/** States of a group for tests: one that is all well, and what can become of it. */

import type { Hold } from '../core/types.js';
import type { Moment } from './moment.js';
import type { HistoryEntry, NodeStatus, Status, WitnessStatus } from './status.js';

/** The status is taken 2 h 3 min after db1 became active. */
const NOW_MS = 90_000_000;

const wall = (ms: number): string => new Date(Date.UTC(2026, 2, 1, 14, 5, 9, 120) + ms - NOW_MS).toISOString();

export const moment = (agoMs: number): Moment => ({ bootMs: NOW_MS - agoMs, wall: wall(NOW_MS - agoMs) });

const TAKEOVER = moment(7_380_000);

const replication = { running: true, io: 'running', sql: 'running', error: '' } as const;

export const db1: NodeStatus = {
  name: 'db1',
  address: '10.99.0.1',
  self: true,
  role: 'active',
  active: true,
  health: 'ok',
  cause: '',
  unfit: '',
  holds: [],
  priority: 100,
  term: 7,
  dataTerm: 7,
  position: 'mariadb:0-1-4711,0-2-350',
  lagMs: null,
  replication,
  readOnly: false,
  agent: { reachable: true, heardMsAgo: 0, paths: [] },
  progress: '',
  since: TAKEOVER,
};

export const db2: NodeStatus = {
  ...db1,
  name: 'db2',
  address: '10.99.0.2',
  self: false,
  role: 'standby',
  active: false,
  priority: 90,
  lagMs: 12,
  replication: { running: true, io: null, sql: null, error: '' },
  readOnly: true,
  agent: {
    reachable: true,
    heardMsAgo: 38,
    paths: [
      { name: '10.99.0.1 - 10.99.0.2', up: true, heardMsAgo: 38 },
      { name: '192.168.99.1 - 192.168.99.2', up: true, heardMsAgo: 41 },
    ],
  },
};

const w1: WitnessStatus = {
  name: 'w1',
  address: '10.99.0.3',
  reachable: true,
  heardMsAgo: 22,
  promise: { to: 'db1', term: 7, leftMs: 278 },
};

export const allWell: Status = {
  format: 1,
  version: '0.1.0',
  now: moment(0),
  group: 'orders',
  node: 'db1',
  term: 7,
  owner: 'db1',
  active: 'db1',
  noWriter: false,
  noWriterSince: null,
  nodes: [db1, db2],
  witnesses: [w1],
  vips: [
    {
      address: '10.99.0.100/24',
      interface: 'eth0',
      present: true,
      since: TAKEOVER,
      announced: moment(31_000),
      error: '',
    },
    {
      address: 'fd99::100/64',
      interface: 'eth0',
      present: true,
      since: TAKEOVER,
      announced: moment(31_000),
      error: '',
    },
  ],
  standbyVip: null,
  lease: { lengthMs: 300, leftMs: 275 },
  protection: {
    guard: [
      { name: 'nftables', armed: true, detail: '' },
      { name: 'address', armed: true, detail: '' },
    ],
    witnessed: true,
    partitionCanSplit: false,
    semiSync: { mode: 'manage', on: true, sync: true, replicas: 1 },
    fence: { configured: false, required: false, last: null },
  },
  pause: { version: 3, on: false, leftMs: -1, since: null },
  checks: [
    { name: 'database', ok: true, since: TAKEOVER, detail: 'answers in 1 ms', output: '' },
    { name: 'links', ok: true, since: TAKEOVER, detail: 'eth0 up', output: '' },
    { name: 'disk', ok: true, since: TAKEOVER, detail: 'exit status 0', output: '41% used\n' },
  ],
  database: {
    state: 'ok',
    detail: '',
    readOnly: false,
    version: 'MariaDB 10.11.14',
    position: db1.position,
    lag: {
      writesPerSecond: 118.4,
      appliesPerSecond: null,
      backlog: 0,
      applyMs: 0,
      catchUpMs: 0,
      timeoutMs: 30_000,
      longestTransactionMs: 0,
      workers: 4,
      busyWorkers: 0,
    },
    events: '',
  },
  lastChange: {
    at: TAKEOVER,
    node: 'db1',
    from: 'promoting',
    to: 'active',
    cause: 'promoted',
    text: 'db2 handed over: switchover asked for by an operator',
    steps: [
      { name: 'database-catch-up', ok: true, tookMs: 18, text: 'applied to mariadb:0-1-4200,0-2-350' },
      { name: 'vip-probe', ok: true, tookMs: 20, text: 'nobody answers for the VIPs' },
      { name: 'database-open', ok: true, tookMs: 4.2, text: 'writable, probe write done' },
      { name: 'vip-on', ok: true, tookMs: 0.6, text: '2 addresses on eth0' },
    ],
  },
  counters: {
    framesAccepted: 148_213,
    frames: {
      db2: { sent: 74_110, accepted: 74_106, newest: 74_108 },
      w1: { sent: 74_110, accepted: 74_107, newest: 74_109 },
    },
    framesDropped: { replay: 3, 'bad-mac': 0 },
    stalls: { count: 1, longestMs: 140 },
    roles: { starting: 1, standby: 1, candidate: 1, promoting: 1, active: 1 },
    journal: { transition: 5, step: 4, notice: 2 },
  },
  hooks: { failures: [] },
  journal: { problem: '' },
  config: { path: '/etc/vipd/vipd.yaml', version: '5f2c91d0', loaded: moment(88_000_000), reload: null },
  http: { listen: '127.0.0.1:8694', listening: true, error: '' },
};

/** `status` as the other node would tell it; what only that node can know of itself stays. */
const seenFromDb2 = (status: Status): Status => ({
  ...status,
  node: 'db2',
  nodes: status.nodes.toReversed().map((node) => ({
    ...node,
    self: node.name === 'db2',
    agent: node.name === 'db2' ? db1.agent : db2.agent,
    replication: node.name === 'db2' ? replication : db2.replication,
  })),
  vips: status.vips.map((vip) => ({ ...vip, present: false, since: null, announced: null })),
  lease: { lengthMs: 300, leftMs: null },
  protection: { ...status.protection, semiSync: { mode: 'manage', on: null, sync: true, replicas: null } },
  database: { ...status.database, readOnly: true },
});

const withPeer = (peer: Partial<NodeStatus>, changes: Partial<Status> = {}): Status => ({
  ...allWell,
  nodes: [db1, { ...db2, ...peer }],
  ...changes,
});

const unsynced = { ...allWell.protection, semiSync: { mode: 'manage', on: false, sync: false, replicas: 0 } } as const;

const deadPeer: Partial<NodeStatus> = {
  agent: {
    reachable: false,
    heardMsAgo: 12_300,
    paths: db2.agent.paths.map((path) => ({ ...path, up: false, heardMsAgo: 12_300 })),
  },
};

const quarantine: Hold = { name: 'quarantined', why: 'it has 3 transactions that db1 has not: 0-2-351 to 0-2-353' };

const takeover = (status: Status): Status => ({
  ...seenFromDb2(status),
  term: 8,
  active: null,
  noWriter: true,
  noWriterSince: moment(640),
});

const farBehind = (status: Status): Status => ({
  ...status,
  nodes: status.nodes.map((node) => (node.self ? { ...node, lagMs: 94_000 } : node)),
  database: {
    ...status.database,
    lag: {
      writesPerSecond: 310.2,
      appliesPerSecond: 142.8,
      backlog: 18_412,
      applyMs: 128_936,
      catchUpMs: null,
      timeoutMs: 30_000,
      longestTransactionMs: 7_000,
      workers: 4,
      busyWorkers: 1,
    },
  },
});

/** States by name; each has a golden file of its rendering. */
export const STATES = {
  'all-well': allWell,
  'all-well-standby': seenFromDb2(allWell),
  'far-behind': farBehind(seenFromDb2(allWell)),
  'active-alone': withPeer(deadPeer, { protection: unsynced }),
  'no-writer': {
    ...takeover(allWell),
    term: 7,
    owner: null,
    noWriterSince: moment(95_000),
    nodes: [
      {
        ...db2,
        self: true,
        agent: db1.agent,
        replication: { running: false, io: 'connecting', sql: 'running', error: '' },
        holds: [{ name: 'loss', why: 'up to 8.4 s of commits of db1 are missing here; promotion.max_loss is 5s' }],
      },
      { ...db1, self: false, agent: { reachable: false, heardMsAgo: 95_400, paths: [] } },
    ],
  },
  'standby-vip': {
    ...seenFromDb2(allWell),
    standbyVip: {
      holder: 'db2',
      why: 'this standby is fit, and db1 grants it',
      vips: [
        {
          address: '10.99.0.101/24',
          interface: 'eth0',
          present: true,
          since: moment(60_000),
          announced: moment(12_000),
          error: '',
        },
      ],
      maxLagMs: 10_000,
      leftMs: 251,
      guard: allWell.protection.guard,
    },
  },
  'standby-vip-on-the-active': {
    ...withPeer({ holds: [{ name: 'maintenance', why: '' }], unfit: 'maintenance: set by an operator' }),
    standbyVip: {
      holder: 'db1',
      why: 'db2 is not fit: maintenance: set by an operator',
      vips: [
        { address: '10.99.0.101/24', interface: 'eth0', present: false, since: null, announced: null, error: 'EPERM' },
      ],
      maxLagMs: 10_000,
      leftMs: 251,
      guard: [{ name: 'nftables', armed: false, detail: 'table is gone' }],
    },
  },
  paused: {
    ...allWell,
    pause: { version: 4, on: true, leftMs: 3_000_000, since: moment(600_000) },
    nodes: [db1, db2].map((node) => ({ ...node, holds: [{ name: 'paused', why: 'the group is paused' }] })),
  },
  quarantined: withPeer(
    { holds: [quarantine], unfit: 'quarantined', replication: { running: false, io: null, sql: null, error: '' } },
    { protection: unsynced },
  ),
  'no-witness': {
    ...allWell,
    witnesses: [],
    protection: { ...allWell.protection, witnessed: false, partitionCanSplit: true },
  },
  'agent-of-active-silent': {
    ...seenFromDb2(allWell),
    nodes: seenFromDb2(allWell).nodes.map((node) =>
      node.self ? node : { ...node, agent: { reachable: false, heardMsAgo: 2_400, paths: [] } },
    ),
    witnesses: [{ ...w1, promise: { to: 'db1', term: 7, leftMs: 120 } }],
  },
  promoting: {
    ...takeover(allWell),
    owner: 'db2',
    lease: { lengthMs: 300, leftMs: 281 },
    nodes: [
      {
        ...db2,
        self: true,
        role: 'promoting',
        term: 8,
        agent: db1.agent,
        since: moment(210),
        progress: 'applying what was received: 1,200 of 4,800 events',
      },
      { ...db1, self: false, agent: { reachable: false, heardMsAgo: 640, paths: [] } },
    ],
  },
  'much-wrong': {
    ...withPeer({ health: 'failed', cause: 'disk: exit status 2', unfit: 'unhealthy', readOnly: false }),
    witnesses: [{ ...w1, reachable: false, heardMsAgo: null, promise: null }],
    vips: allWell.vips.map((vip) => ({ ...vip, present: false, since: null, error: 'netlink: no such device' })),
    checks: [
      ...allWell.checks.slice(0, 2),
      {
        name: 'disk',
        ok: false,
        since: moment(44_000),
        detail: 'no answer within 2s',
        output: 'line one\n\x1b[2Jline two\nthree\nfour\nfive\nsix\nseven\n',
      },
    ],
    protection: {
      ...unsynced,
      guard: [{ name: 'nftables', armed: false, detail: 'table vipd_orders is gone' }],
      fence: { configured: true, required: true, last: { at: moment(9_000), ok: false, detail: 'exit status 1' } },
    },
    hooks: {
      failures: [{ at: moment(7_379_000), phase: 'post-promote', name: '10-dns', detail: 'no end within 10s, killed' }],
    },
    counters: { ...allWell.counters, stalls: { count: 4, longestMs: 912 } },
    http: {
      listen: '127.0.0.1:8694',
      listening: false,
      error: 'listen EADDRINUSE: address already in use 127.0.0.1:8694',
    },
  },
} satisfies Record<string, Status>;

export const HISTORY: readonly HistoryEntry[] = [
  {
    at: wall(1_000),
    kind: 'transition',
    term: 7,
    from: 'standby',
    to: 'candidate',
    cause: 'peer-silent',
    text: 'db2 has been silent for 300 ms',
  },
  {
    at: wall(1_004),
    kind: 'transition',
    term: 8,
    from: 'candidate',
    to: 'promoting',
    cause: 'elected',
    text: 'db1 and w1 voted',
  },
  {
    at: wall(1_022),
    kind: 'step',
    term: 8,
    cause: 'database-catch-up',
    text: 'applied to mariadb:0-1-4200',
    tookMs: 18.4,
  },
  { at: wall(1_026), kind: 'step', term: 8, cause: 'database-open', text: 'writable, probe write done', tookMs: 4.2 },
  {
    at: wall(1_027),
    kind: 'transition',
    term: 8,
    from: 'promoting',
    to: 'active',
    cause: 'promoted',
    text: 'serving',
    tookMs: 23,
  },
  {
    at: wall(9_000),
    kind: 'refusal',
    term: 8,
    cause: 'not-fit',
    text: 'switchover refused: db2 holds "quarantined": it has 3 transactions that db1 has not',
  },
  { at: wall(9_500), kind: 'alarm', term: 8, cause: 'no-writer', text: 'nobody accepts writes' },
];
