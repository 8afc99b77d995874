import { createServer } from 'node:net';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import {
  type ExampleRun,
  privateFile,
  processesShowing,
  raiseLoopback,
  runExample,
  scratchDirectory,
} from './ground.js';
import { type ProxysqlAdmin, startProxysql } from './proxysql.js';

const WRITER = 10;
const READER = 20;
const DB1 = '10.99.0.1:3306';
const DB2 = '10.99.0.2:3306';
const PASSWORD = 'password-of-the-admin';

inSandbox('test/hooks/proxysql.lab.test.ts', () => {
  let directory: string;
  let proxies: readonly ProxysqlAdmin[];

  beforeAll(raiseLoopback);
  beforeEach(async () => {
    directory = scratchDirectory();
    const servers = [
      [WRITER, DB1],
      [WRITER, DB2],
      [READER, DB1],
      [READER, DB2],
    ] as const;
    proxies = await Promise.all(
      [6032, 6033].map((port) => startProxysql({ directory, port, user: 'vipd', password: PASSWORD, servers })),
    );
  });
  afterEach(() => {
    for (const proxy of proxies) proxy.close();
  });

  const credentials = (name: string, password: string, mode = 0o600): string =>
    privateFile(directory, name, `[client]\nuser = vipd\npassword = ${password}\n`, mode);

  const run = (settings: ExampleRun['settings'] = {}, facts: ExampleRun['facts'] = {}) =>
    runExample({
      example: 'proxysql',
      phase: 'post-promote',
      facts,
      settings: {
        PROXIES: '127.0.0.1:6032 127.0.0.1:6033',
        CREDENTIALS: credentials('proxysql.cnf', PASSWORD),
        ...settings,
      },
    });

  const untouched = { [DB1]: 'ONLINE', [DB2]: 'ONLINE' };

  test('the active node is the one writer of each proxy, now and after its restart; readers stay as they are', async () => {
    const shown: string[] = [];
    for (const proxy of proxies) proxy.onQuery = () => shown.push(...processesShowing(PASSWORD));
    for (const [node, peer, expected] of [
      ['db1', 'db2', { [DB1]: 'ONLINE', [DB2]: 'OFFLINE_HARD' }],
      ['db2', 'db1', { [DB1]: 'OFFLINE_HARD', [DB2]: 'ONLINE' }],
      ['db2', 'db1', { [DB1]: 'OFFLINE_HARD', [DB2]: 'ONLINE' }],
    ] as const) {
      expect(await run({}, { node, peer })).toMatchObject({ ok: true });
      for (const proxy of proxies) {
        expect(proxy.statuses('runtime_mysql_servers', WRITER)).toEqual(expected);
        expect(proxy.statuses('disk_mysql_servers', WRITER)).toEqual(expected);
        expect(proxy.statuses('runtime_mysql_servers', READER)).toEqual(untouched);
      }
    }
    expect(shown).toEqual([]);
  });

  test('a server that the proxy does not know leaves its writers as they are, and is told', async () => {
    const result = await run({ SERVERS: 'db1=10.99.0.1:3307 db2=10.99.0.2:3307' });
    expect(result.detail).toMatch(
      /^post-promote\/proxysql: exit 1: proxysql: 127\.0\.0\.1:603\d has not 10\.99\.0\.1:3307, but .*ONLINE in hostgroup 10; is 10\.99\.0\.1:3307 in its mysql_servers\?/,
    );
    expect(proxies[0]?.statuses('runtime_mysql_servers', WRITER)).toEqual(untouched);
  });

  test('wrong credentials are told, and change nothing', async () => {
    const result = await run({ CREDENTIALS: credentials('wrong.cnf', 'wrong-password') });
    expect(result.detail).toMatch(
      /exit 1: proxysql: 127\.0\.0\.1:603\d still sends writes where it did: .*Access denied/,
    );
    expect(result.detail).not.toContain('wrong-password');
    expect(proxies[0]?.statuses('mysql_servers', WRITER)).toEqual(untouched);
  });

  test('proxies that are down or hang are given up in time, and the others are told', async () => {
    const hanging = createServer().listen(6034, '127.0.0.1');
    const result = await run({ PROXIES: '127.0.0.1:6034 127.0.0.1:6035 127.0.0.1:6032' });
    hanging.close();
    expect(result.ran[0]?.exit).toBe(1);
    expect(result.ran[0]?.output.split('\n')).toEqual(
      expect.arrayContaining([
        expect.stringContaining('127.0.0.1:6034 still sends writes where it did'),
        expect.stringContaining('127.0.0.1:6035 still sends writes where it did'),
      ]),
    );
    expect(proxies[0]?.statuses('runtime_mysql_servers', WRITER)).toEqual({ [DB1]: 'ONLINE', [DB2]: 'OFFLINE_HARD' });
  });

  test('credentials that others can read are not used', async () => {
    const open = credentials('open.cnf', PASSWORD, 0o644);
    expect((await run({ CREDENTIALS: open })).detail).toContain(`${open} is open to others: chmod 600 it`);
  });
});
