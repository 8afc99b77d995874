import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import { waitFor } from '../lab/wait.js';
import { type ExampleRun, privateFile, raiseLoopback, runExample, scratchDirectory } from './ground.js';

const PORT = 5353;
const UP_DEADLINE_MS = 20_000;
const RIGHT = 'cmlnaHQgc2VjcmV0IG9mIHRoZSB0ZXN0IHpvbmU=';
const WRONG = 'd3Jvbmcgc2VjcmV0IG9mIHRoZSB0ZXN0IHpvbmU=';

const key = (secret: string): string => `key "vipd" { algorithm hmac-sha256; secret "${secret}"; };\n`;

const NAMED_CONF = (directory: string): string => `
${key(RIGHT)}
options {
  directory "${directory}";
  listen-on port ${PORT} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion no;
  notify no;
};
controls { };
zone "example.com" {
  type primary;
  file "example.com.zone";
  update-policy { grant vipd name db.example.com A AAAA; };
};
`;

const ZONE = `
$TTL 300
@     IN SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
      IN NS  ns.example.com.
ns    IN A   127.0.0.1
db    IN A   10.99.0.9
other IN A   10.99.0.9
`;

inSandbox('test/hooks/dns.lab.test.ts', () => {
  const directory = scratchDirectory();
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  let named: ChildProcess;

  beforeAll(async () => {
    raiseLoopback();
    mkdirSync(join(directory, 'named'));
    writeFileSync(join(directory, 'named', 'example.com.zone'), ZONE);
    writeFileSync(join(directory, 'named.conf'), NAMED_CONF(join(directory, 'named')));
    named = spawn('named', ['-g', '-c', join(directory, 'named.conf')], { stdio: 'ignore' });
    resolver.setServers([`127.0.0.1:${PORT}`]);
    await waitFor(
      async () => (await resolver.resolve4('ns.example.com')).length === 1,
      'named answers',
      UP_DEADLINE_MS,
    );
  });
  afterAll(() => named.kill());

  const run = (settings: ExampleRun['settings'] = {}, more: Partial<ExampleRun> = {}) =>
    runExample({
      example: 'dns-update',
      phase: 'post-promote',
      settings: {
        SERVER: '127.0.0.1',
        PORT: String(PORT),
        ADDRESSES: 'db1=10.99.0.1 db1=fd99::1 db2=10.99.0.2',
        KEY_FILE: privateFile(directory, 'right.key', key(RIGHT)),
        ...settings,
      },
      ...more,
    });

  test('the name follows the active node, in both families', async () => {
    expect(await run()).toMatchObject({ ok: true });
    expect(await resolver.resolve4('db.example.com', { ttl: true })).toEqual([{ address: '10.99.0.1', ttl: 5 }]);
    expect(await resolver.resolve6('db.example.com')).toEqual(['fd99::1']);

    expect(await run({}, { facts: { node: 'db2', peer: 'db1' } })).toMatchObject({ ok: true });
    expect(await resolver.resolve4('db.example.com')).toEqual(['10.99.0.2']);
    await expect(resolver.resolve6('db.example.com')).rejects.toMatchObject({ code: 'ENODATA' });
    expect(await run({}, { facts: { node: 'db2', peer: 'db1' } })).toMatchObject({ ok: true });
  });

  test('a wrong key is named, and changes nothing', async () => {
    const wrong = privateFile(directory, 'wrong.key', key(WRONG));
    const result = await run({ KEY_FILE: wrong });
    expect(result.detail).toMatch(
      /^post-promote\/dns-update: exit 1: dns-update: db\.example\.com still has its old address.*the server does not take KEY_FILE/,
    );
    expect(result.detail).toContain(wrong);
    expect(await resolver.resolve4('db.example.com')).toEqual(['10.99.0.2']);
  });

  test('a key that may not change the name is told apart from a wrong one', async () => {
    const result = await run({ NAME: 'other.example.com' });
    expect(result.detail).toContain('its update-policy does not let this key change it');
    expect(await resolver.resolve4('other.example.com')).toEqual(['10.99.0.9']);
  });

  test('a key that others can read is not used', async () => {
    const open = privateFile(directory, 'open.key', key(RIGHT), 0o644);
    expect((await run({ KEY_FILE: open })).detail).toContain(`${open} is open to others: chmod 600 it`);
  });

  test('a node without an address is told', async () => {
    const result = await run({ ADDRESSES: 'db2=10.99.0.2' });
    expect(result.detail).toContain('ADDRESSES has none for db1');
  });

  test('a server that is down or silent is given up in time', async () => {
    const down = await run({ PORT: '5354' });
    expect(down.ran[0]).toMatchObject({ exit: 1 });
    expect(down.detail).toContain('127.0.0.1 port 5354 did not take the update');

    const silent = createSocket('udp4').bind(5355, '127.0.0.1');
    await once(silent, 'listening');
    const late = await run({ PORT: '5355' });
    silent.close();
    expect(late.ran[0]).toMatchObject({ exit: 1 });
    expect(late.detail).toContain('127.0.0.1 port 5355 did not take the update');
  });
});
