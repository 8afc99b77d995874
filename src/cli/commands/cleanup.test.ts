/** `vipd cleanup` by what the agent had in force, with made-up kernel and database. */

import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepConfig } from '../../agent/kept-config.js';
import { type ConfigFixture, createConfigFixture } from '../../config/config.fixture.js';
import { loadConfig } from '../../config/load.js';
import type { Vip } from '../../net/address.js';
import { runCleanup } from './cleanup.js';

const done: string[] = [];
let failing: readonly string[] = [];

vi.mock('../../net/guard.js', () => ({
  createGuard: () => ({ shut: () => true, remove: () => undefined, close: () => undefined }),
}));
vi.mock('../../net/sockets.js', () => ({
  createSocketDestroyer: () => ({ destroy: () => 1, close: () => undefined }),
}));
vi.mock('../../net/vip.js', () => ({
  createVips: ({ vips }: { vips: readonly Vip[] }) => ({
    remove: async () => {
      const names = vips.map(({ address }) => address).join();
      if (failing.includes(names)) throw new Error(`${names} stays`);
      done.push(names);
    },
    close: () => undefined,
  }),
}));
vi.mock('../../mysql/database.js', () => ({
  createDatabase: ({ socket, credentials }: { socket: string; credentials: { user: string } }) => ({
    run: async () => {
      done.push(`${credentials.user} at ${socket}`);
      return { ok: true, detail: 'read-only' };
    },
    stop: async () => undefined,
  }),
}));

let fixture: ConfigFixture;
let path: string;
let out = '';
let err = '';

beforeEach(() => {
  fixture = createConfigFixture();
  path = fixture.write('vipd.yaml', sound());
  done.length = 0;
  failing = [];
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  fixture.remove();
});

const sound = () =>
  `${fixture.agentYaml}control: { socket: ${fixture.path('c.sock')} }
standby_vip: { addresses: [10.99.0.101/24], interface: eth0, max_lag: 10s }
`;
const ALL = ['10.99.0.100', '10.99.0.101', 'vipd at /run/mysqld/mysqld.sock'];

const keep = async () => {
  const loaded = loadConfig(path);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  await keepConfig(path, loaded.config);
};

const nameOfKept = () => readdirSync(fixture.directory).find((name) => name.startsWith('in-force-')) ?? '';

test('goes by the file where no agent has kept anything', async () => {
  expect(await runCleanup(path)).toBe(0);
  expect(done).toEqual(ALL);
  expect(out).toBe('vipd cleanup: VIPs off, 2 connections reset\nvipd cleanup: database read-only\n');
});

test.each([
  ['is no YAML', () => fixture.write('vipd.yaml', `${sound()}vip: [\n`)],
  ['has a typo', () => fixture.write('vipd.yaml', sound().replace('dead_after', 'deadafter'))],
  ['names a program that is gone', () => fixture.write('vipd.yaml', `${sound()}fence: { command: [/none] }\n`)],
  [
    'has other VIPs, which no agent has taken over',
    () => fixture.write('vipd.yaml', sound().replace('.100/', '.200/')),
  ],
  ['names a login that others can read', () => fixture.write('mysql.cnf', '[client]\nuser=vipd\n', 0o644)],
])('goes by what the agent had in force where the file %s', async (_what, spoil) => {
  await keep();
  spoil();
  expect(await runCleanup(path)).toBe(0);
  expect(done).toEqual(ALL);
  expect(out).toContain('by what the agent of group orders had in force');
});

test('takes nothing from a file that somebody else may have written', async () => {
  await keep();
  const kept = nameOfKept();
  fixture.write(kept, '{"format":1,"config":{}}', 0o666);
  expect(await runCleanup(path)).toBe(0);
  expect(out).not.toContain('in force');
});

test('holds no secret', async () => {
  await keep();
  const kept = nameOfKept();
  expect(Object.keys(JSON.parse(readFileSync(fixture.path(kept), 'utf8')).config)).toEqual([
    'group',
    'guard',
    'vips',
    'standbyVip',
    'mysql',
    'control',
  ]);
});

test.each([
  [['10.99.0.100'], ['10.99.0.101', 'vipd at /run/mysqld/mysqld.sock']],
  [['10.99.0.101'], ['10.99.0.100', 'vipd at /run/mysqld/mysqld.sock']],
  [['10.99.0.100', '10.99.0.101'], ['vipd at /run/mysqld/mysqld.sock']],
])('goes on where %j cannot be taken off, and says so', async (addresses, rest) => {
  failing = addresses;
  expect(await runCleanup(path)).toBe(1);
  expect(done).toEqual(rest);
  const why = addresses.map((address) => `${address} stays`).join('; ');
  expect(err).toContain(`vipd cleanup: taking the VIPs off failed: ${why}\n`);
});
