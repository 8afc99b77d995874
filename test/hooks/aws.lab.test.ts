import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import { type Ec2, startEc2 } from './ec2.js';
import {
  type ExampleRun,
  privateFile,
  processesShowing,
  raiseLoopback,
  runExample,
  scratchDirectory,
} from './ground.js';

const PORT = 8090;
const SECRET = 'secret-access-key-of-the-test';
const DB1 = 'eni-0aaaaaaaaaaaaaaa1';
const DB2 = 'eni-0aaaaaaaaaaaaaaa2';

inSandbox('test/hooks/aws.lab.test.ts', () => {
  const directory = scratchDirectory();
  let ec2: Ec2;

  beforeAll(async () => {
    raiseLoopback();
    ec2 = await startEc2({
      port: PORT,
      region: 'eu-central-1',
      keys: { AKIAMAY: { secret: SECRET, allowed: true }, AKIAMAYNOT: { secret: SECRET, allowed: false } },
      interfaces: [DB1, DB2],
    });
  });
  afterAll(() => ec2.close());

  const credentials = (name: string, key: string, secret: string, mode = 0o600): string =>
    privateFile(directory, name, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`, mode);

  const run = (settings: ExampleRun['settings'] = {}, facts: ExampleRun['facts'] = {}) =>
    runExample({
      example: 'aws-private-address',
      phase: 'pre-promote',
      facts,
      settings: {
        ENDPOINT: `http://127.0.0.1:${PORT}`,
        CREDENTIALS: credentials('right', 'AKIAMAY', SECRET),
        AWS: '/usr/bin/aws',
        ...settings,
      },
    });

  test('the VIPs go to the interface of the node that becomes active, whoever had them', async () => {
    const shown: string[] = [];
    ec2.onRequest = () => shown.push(...processesShowing(SECRET));
    const vips = ['10.99.0.100/24', '10.99.0.101/24'];
    for (const [node, peer, expected] of [
      ['db1', 'db2', DB1],
      ['db2', 'db1', DB2],
      ['db2', 'db1', DB2],
    ] as const) {
      expect(await run({}, { node, peer, vips })).toMatchObject({ ok: true });
      expect(Object.fromEntries(ec2.assigned)).toEqual({ '10.99.0.100': expected, '10.99.0.101': expected });
    }
    expect(shown).toEqual([]);
  });

  test('wrong credentials hold the promotion, and are told', async () => {
    const wrong = credentials('wrong', 'AKIAMAY', 'wrong-secret');
    const result = await run({ CREDENTIALS: wrong });
    expect(result.ok).toBe(false);
    expect(result.detail).toMatch(
      /^pre-promote\/aws-private-address: exit 1: aws-private-address: 10\.99\.0\.100 not assigned to eni-\w+: .*AuthFailure.*credentials: /,
    );
    expect(result.detail).toContain(wrong);
    expect(result.detail).not.toContain('wrong-secret');
  });

  test('a policy that does not allow it is told apart', async () => {
    const result = await run({ CREDENTIALS: credentials('may-not', 'AKIAMAYNOT', SECRET) });
    expect(result.detail).toContain('its policy lacks ec2:AssignPrivateIpAddresses');
  });

  test('an interface that is not there is told', async () => {
    const result = await run({ INTERFACES: 'db1=eni-gone' });
    expect(result.detail).toContain("The networkInterface ID 'eni-gone' does not exist");
  });

  test('what it cannot move it refuses: IPv6, and a node without an interface', async () => {
    expect((await run({}, { vips: ['fd00::100/64'] })).detail).toContain(
      'fd00::100/64 is IPv6, which this does not move',
    );
    expect((await run({}, { node: 'db3' })).detail).toContain('INTERFACES has none for db3');
  });

  test('an endpoint that is down or hangs is given up in time', async () => {
    const down = await run({ ENDPOINT: 'http://127.0.0.1:8091' });
    expect(down.ran[0]?.exit).toBe(1);
    expect(down.detail).toContain('Could not connect to the endpoint URL');

    const hanging = createServer().listen(8092, '127.0.0.1');
    const hung = await run({ ENDPOINT: 'http://127.0.0.1:8092' });
    hanging.close();
    expect(hung.ran[0]?.exit).toBe(1);
    expect(hung.detail).toMatch(/10\.99\.0\.100 not assigned to eni-\w+: .*(?:Read timeout|no answer within)/);
  });
});
