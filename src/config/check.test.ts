import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkConfig } from './check.js';
import { type ConfigFixture, createConfigFixture, KEY_HEX } from './config.fixture.js';
import { toCoreConfig } from './core-config.js';
import { loadConfig } from './load.js';

let fixture: ConfigFixture;

beforeAll(() => {
  fixture = createConfigFixture();
});

afterAll(() => fixture.remove());

const check = (text: string) => {
  const { text: report, status } = checkConfig(fixture.write('vipd.yaml', text));
  return { status, report: report.replaceAll(`${fixture.directory}/`, '') };
};

describe('check-config', () => {
  test('says what a sound file means', () => {
    expect(check(fixture.agentYaml)).toEqual({
      status: 0,
      report: `vipd.yaml: valid
  group      orders: this node is db1 (10.99.0.1), its peer db2 (10.99.0.2)
  voters     3, majority 2; witnesses w1 (10.99.0.3 port 8694)
  VIPs       10.99.0.100/24 on eth0
  lease      100ms × 3 = 300ms
  guard      nftables; shuts 287ms after the last renewal was sent
  paths      1 between the nodes, UDP port 8694
  database   /run/mysqld/mysqld.sock; a hang counts after about 2s; semi-sync manage
  checks     disk
  promotion  accepts at most 5s of commits lost; waits 30s for progress
  moves      held after more than 3 in 10m
  keys       key`,
    });
  });

  test('says what a guard by address costs', () => {
    const { status, report } = check(`${fixture.agentYaml}guard: address\n`);
    expect(status).toBe(0);
    expect(report).toContain('lease      100ms × 3 = 300ms; a takeover waits 2900ms');
    expect(report).toContain('vipd.yaml:20:8: guard: adds 2600ms to each takeover');
  });

  test("knows a witness's file by itself", () => {
    expect(check(fixture.witnessYaml)).toEqual({
      status: 0,
      report: `vipd.yaml: valid
  witness  w1, listens on 10.99.0.3 port 8694
  group    orders: votes for db1 or db2; key key
  state    /var/lib/vipd-witness`,
    });
  });

  test('ends with 4 and the number of errors', () => {
    expect(check(fixture.agentYaml.replace('100ms', '100').replace('dead_after: 3', 'dead_after: 0'))).toEqual({
      status: 4,
      report: `vipd.yaml:12:13: heartbeat.interval: 100 has no unit; write 100ms
vipd.yaml:13:15: heartbeat.dead_after: 0 is out of range; write a whole number from 2 to 100
2 errors`,
    });
  });
});

describe('the examples', () => {
  test.each(['vipd.yaml', 'witness.yaml'])('%s is valid', (name) => {
    const example = readFileSync(join(import.meta.dirname, '../../examples', name));
    const result = checkConfig(name, {
      hostName: 'db2',
      readFile: (path) =>
        path === name ? example : Buffer.from(path.endsWith('.cnf') ? '[client]\nuser = vipd\n' : KEY_HEX),
      statFile: (path) => ({
        mode: path.includes('/checks/') ? 0o100_755 : 0o100_600,
        uid: 0,
        size: 64,
        isFile: () => true,
      }),
    });
    expect(result.text).toMatch(new RegExp(`^${name}: valid\n`));
    expect(result.text).not.toContain('warnings');
  });
});

describe('what the core is told', () => {
  const coreConfig = (text: string) => {
    const result = loadConfig(fixture.write('vipd.yaml', text));
    if (!result.ok) throw new Error('the fixture is not valid');
    return toCoreConfig(result.config, ['pre-promote'], 'a1b2');
  };

  test('is its part of the file, with the database among the checks', () => {
    expect(coreConfig(fixture.agentYaml)).toEqual({
      group: 'orders',
      self: 'db1',
      boot: 'a1b2',
      peer: 'db2',
      witnesses: ['w1'],
      priority: 100,
      peerPriority: 90,
      intervalMs: 100,
      leaseMs: 300,
      promiseMs: 300,
      gateways: true,
      semiSync: 'manage',
      checks: { database: { fall: 2, rise: 2 }, disk: { fall: 2, rise: 1 } },
      cooldownMs: 60_000,
      maxFailovers: 3,
      failoverWindowMs: 600_000,
      salvage: true,
      catchUpTimeoutMs: 30_000,
      maxLossMs: 5_000,
      fence: null,
      hookPhases: ['pre-promote'],
      standbyVip: null,
    });
  });

  test('asks for longer promises where only the address guards', () => {
    expect(coreConfig(`${fixture.agentYaml}guard: address\n`)).toMatchObject({ leaseMs: 300, promiseMs: 2_900 });
  });
});
