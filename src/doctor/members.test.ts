import { describe, expect, it } from 'vitest';
import { type Facts, sharedSettings } from '../agent/facts.js';
import { millis } from '../config/duration.js';
import type { VipdConfig } from '../config/types.js';
import { judgeClock, judgePeer, judgeSettings, judgeWitness } from './members.js';
import type { PeerAnswer, Subject } from './subject.js';

const address = (last: number) => ({ address: `10.99.0.${last}`, family: 4 as const });
const config: VipdConfig = {
  group: 'orders',
  self: { name: 'db1', ...address(1), priority: 100 },
  peer: { name: 'db2', ...address(2), priority: 90 },
  witnesses: [{ name: 'w1', ...address(3), port: 8694 }],
  keyFiles: ['/etc/vipd/key'],
  keys: [Buffer.alloc(32, 'key')],
  vips: [{ ...address(100), prefixLength: 24, interface: 'eth0' }],
  heartbeat: { port: 8694, intervalMs: millis(100), deadAfter: 3, leaseMs: millis(300), paths: [] },
  mysql: {
    local: { kind: 'socket', path: '/run/mysqld/mysqld.sock' },
    port: 3306,
    adminPort: null,
    defaultsFile: '/etc/vipd/mysql.cnf',
    check: { intervalMs: millis(1000), timeoutMs: millis(1000), fall: 2, rise: 2, writeProbe: true },
    killOnHang: true,
    semiSync: 'manage',
  },
  checks: [],
  gateways: [],
  fence: null,
  guard: 'nftables',
  moves: { cooldownMs: millis(60_000), maxFailovers: 3, windowMs: millis(600_000) },
  promotion: { catchUpTimeoutMs: millis(30_000), salvage: true, maxLossMs: millis(5_000) },
  rejoin: { stop: null, start: null },
  standbyVip: null,
  agents: { port: 8695 },
  hooks: { directory: '/etc/vipd/hooks.d', timeoutMs: millis(10_000) },
  control: { socket: '/run/vipd/control.sock', group: 'vipd' },
  http: null,
  stateDirectory: '/var/lib/vipd',
};

/** db2's view of the same group. */
const mirrored: VipdConfig = { ...config, self: config.peer, peer: config.self };
const facts = (more: Partial<Facts> = {}): Facts => ({
  version: '0.1.0',
  wallMs: 1_000_000,
  settings: sharedSettings(mirrored),
  heard: { db1: 40, w1: 900 },
  mtus: [1500],
  ...more,
});
const answers = (more: Partial<Facts> = {}): PeerAnswer => ({
  kind: 'facts',
  facts: facts(more),
  askedWallMs: 1_000_000,
});
const subject = (peer: PeerAnswer): Subject => ({ config, digest: 'abc', status: null, agentPid: null, peer });
const wrong = (findings: readonly { readonly check: string; readonly verdict: string }[]): readonly string[] =>
  findings.filter(({ verdict }) => verdict === 'fault' || verdict === 'warning').map(({ check }) => check);

describe('the peer', () => {
  const signs = { here: 'heard', there: 'unknown', reachesDatabase: true } as const;

  it('is well where each hears the other', () => {
    expect(wrong(judgePeer(subject(answers()), signs))).toEqual([]);
  });

  it.each([
    ['heartbeats', answers({ heard: { db1: 90_000 } }), { ...signs, here: 'silent' }],
    ['heartbeats', answers({ heard: { db1: null } }), { ...signs, here: 'silent' }],
    ['one-way', answers(), { ...signs, here: 'silent' }],
    ['one-way', answers({ heard: { db1: 90_000 } }), signs],
    ['one-way', { kind: 'silent' }, { ...signs, reachesDatabase: false }],
    ['agents-port', { kind: 'silent' }, signs],
    ['peer-unreachable', { kind: 'silent' }, { ...signs, here: 'silent', reachesDatabase: false }],
    ['peer-agent', { kind: 'refused' }, signs],
    ['key', { kind: 'not-trusted', why: 'the TLS handshake failed' }, { ...signs, here: 'silent' }],
  ] as const)('%s is what its signs amount to', (cause, peer, seen) => {
    expect(wrong(judgePeer(subject(peer), seen))).toEqual([cause]);
  });

  it('is judged by its answer to a greeting rather than by what it heard of an agent that is gone', () => {
    expect(wrong(judgePeer(subject(answers({ heard: { db1: 90_000 } })), { ...signs, there: 'heard' }))).toEqual([]);
  });
});

describe('a witness that is not heard', () => {
  it('is cut off from here where the other node hears it, and else gone', () => {
    expect(judgeWitness(subject(answers()), 'w1', 'silent').check).toBe('witness-path');
    expect(judgeWitness(subject(answers({ heard: { w1: null } })), 'w1', 'silent').check).toBe('witness');
    expect(judgeWitness(subject({ kind: 'silent' }), 'w1', 'silent').check).toBe('witness');
    expect(judgeWitness(subject(answers()), 'w1', 'heard').verdict).toBe('ok');
  });
});

describe('the settings of two nodes', () => {
  it('agree though each names itself first', () => {
    expect(wrong(judgeSettings(subject(answers())))).toEqual([]);
  });

  it('differ by name, the lease by its own', () => {
    const theirs = { ...sharedSettings(mirrored), vip: '10.99.0.101/24' };
    expect(wrong(judgeSettings(subject(answers({ settings: theirs }))))).toEqual(['settings']);
    const lease = { ...theirs, 'heartbeat.dead_after': '5' };
    expect(judgeSettings(subject(answers({ settings: lease })))).toMatchObject([
      { check: 'lease', found: expect.stringContaining('heartbeat.dead_after is 3 here and 5 there') },
    ]);
  });

  it('that another version does not tell are not compared', () => {
    expect(wrong(judgeSettings(subject(answers({ settings: { group: 'orders' } }))))).toEqual([]);
  });
});

it('clocks that differ by more than a second are a warning, for logs only', () => {
  expect(wrong(judgeClock(answers({ wallMs: 1_000_900 }), 'db2'))).toEqual([]);
  expect(judgeClock(answers({ wallMs: 1_090_000 }), 'db2')).toMatchObject([{ check: 'clock', verdict: 'warning' }]);
});
