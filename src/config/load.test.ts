import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ConfigFixture, createConfigFixture } from './config.fixture.js';
import { loadConfig, loadWitnessConfig } from './load.js';
import { renderErrors } from './problem.js';

let fixture: ConfigFixture;

beforeEach(() => {
  fixture = createConfigFixture();
});

afterEach(() => fixture.remove());

/** The sound file with one part exchanged; fails where the part is not in it. */
const edited = (yaml: string, from: string, to: string): string => {
  expect(yaml).toContain(from);
  return yaml.replace(from, to);
};

describe('a sound file', () => {
  test('gets every default, and its times in milliseconds', () => {
    const result = loadConfig(fixture.write('vipd.yaml', fixture.agentYaml));
    expect(result).toMatchObject({
      ok: true,
      warnings: [],
      config: {
        group: 'orders',
        self: { name: 'db1', address: '10.99.0.1', family: 4, priority: 100 },
        peer: { name: 'db2', address: '10.99.0.2', priority: 90 },
        witnesses: [{ name: 'w1', address: '10.99.0.3', port: 8694 }],
        vips: [{ address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' }],
        heartbeat: { port: 8694, intervalMs: 100, deadAfter: 3, leaseMs: 300, paths: [] },
        mysql: {
          local: { kind: 'socket', path: '/run/mysqld/mysqld.sock' },
          port: 3306,
          adminPort: null,
          check: { intervalMs: 1_000, timeoutMs: 1_000, fall: 2, rise: 2, writeProbe: true },
          killOnHang: true,
          semiSync: 'manage',
        },
        checks: [{ name: 'disk', intervalMs: 5_000, timeoutMs: 2_000, fall: 2, rise: 1, user: 'nobody' }],
        fence: null,
        guard: 'nftables',
        moves: { cooldownMs: 60_000, maxFailovers: 3, windowMs: 600_000 },
        promotion: { catchUpTimeoutMs: 30_000, salvage: true, maxLossMs: 5_000 },
        standbyVip: null,
        agents: { port: 8695 },
        hooks: { directory: '/etc/vipd/hooks.d', timeoutMs: 10_000 },
        control: { socket: '/run/vipd/control.sock', group: 'vipd' },
        http: null,
        stateDirectory: '/var/lib/vipd',
      },
    });
    expect(result.ok && result.config.keys.map((key) => key.length)).toEqual([32]);
  });

  test('is one for both nodes: the host name tells which', () => {
    const shared = edited(fixture.agentYaml, 'node: db1\n', '');
    const result = loadConfig(fixture.write('vipd.yaml', shared), { hostName: 'db2' });
    expect(result).toMatchObject({ ok: true, config: { self: { name: 'db2' }, peer: { name: 'db1' } } });
  });

  test("may reach the server by this node's own address", () => {
    const text = edited(fixture.agentYaml, 'mysql:\n', 'mysql:\n  host: 10.99.0.1\n');
    expect(loadConfig(fixture.write('vipd.yaml', text))).toMatchObject({
      ok: true,
      config: { mysql: { local: { kind: 'tcp', host: '10.99.0.1', port: 3306 } } },
    });
  });

  test('may use every key there is', () => {
    fixture.write('new-key', Buffer.alloc(32, 'another key').toString('base64'));
    fixture.write('fence', '#!/bin/sh\n', 0o755);
    const extra = `standby_vip: { addresses: [fd00::101/64], interface: eth0, max_lag: 10s }
fence: { command: [${fixture.path('fence')}, db2], required: true, timeout: 20s }
promotion: { max_loss: any }
guard: address
http: { listen: '[::1]:8694' }
`;
    const paths = 'dead_after: 3\n  paths: [{ db1: 192.168.99.1, db2: 192.168.99.2 }]';
    const keys = `key_file: [${fixture.path('new-key')}, ${fixture.path('key')}]`;
    const text = [
      [`key_file: ${fixture.path('key')}`, keys],
      ['dead_after: 3', paths],
      ['mysql:\n', 'mysql:\n  host: 127.0.0.1\n  port: 3307\n  admin_port: 33062\n'],
    ].reduce((yaml, [from = '', to = '']) => edited(yaml, from, to), `${fixture.agentYaml}${extra}`);
    const result = loadConfig(fixture.write('vipd.yaml', text));
    expect(result.ok ? '' : renderErrors(result.errors)).toBe('');
    expect(result).toMatchObject({
      config: {
        heartbeat: { paths: [{ self: { address: '192.168.99.1' }, peer: { address: '192.168.99.2' } }] },
        mysql: { local: { kind: 'tcp', host: '127.0.0.1', port: 3307 }, adminPort: 33062 },
        standbyVip: {
          vips: [{ address: 'fd00::101', prefixLength: 64, family: 6, interface: 'eth0' }],
          maxLagMs: 10_000,
        },
        fence: { command: [fixture.path('fence'), 'db2'], required: true, timeoutMs: 20_000 },
        promotion: { maxLossMs: 'any' },
        http: { listen: { address: '::1', port: 8694 } },
      },
    });
    expect(result.ok && result.config.keys.length).toBe(2);
  });

  test('of a witness names its groups, with two nodes each', () => {
    expect(loadWitnessConfig(fixture.write('witness.yaml', fixture.witnessYaml))).toMatchObject({
      ok: true,
      warnings: [],
      config: {
        name: 'w1',
        listen: { address: '10.99.0.3', port: 8694, family: 4 },
        groups: [{ name: 'orders', nodes: ['db1', 'db2'], keyFiles: [fixture.path('key')] }],
        stateDirectory: '/var/lib/vipd-witness',
      },
    });
  });
});
