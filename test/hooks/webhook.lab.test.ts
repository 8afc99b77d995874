import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import {
  type ExampleRun,
  privateFile,
  processesShowing,
  raiseLoopback,
  runExample,
  scratchDirectory,
} from './ground.js';

const PORT = 8080;
const TOKEN = 'token-of-the-receiver';
const SIGNING_KEY = 'key-of-the-signature';

interface Call {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly atMs: number;
  /** Secrets that stood in a process's arguments or environment meanwhile. */
  readonly shown: readonly string[];
}

inSandbox('test/hooks/webhook.lab.test.ts', () => {
  const directory = scratchDirectory();
  let server: Server | undefined;

  beforeAll(raiseLoopback);
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  /** Answers the calls with these statuses in order, the last one for ever; answers what it was called with. */
  const receiver = async (...statuses: readonly number[]): Promise<readonly Call[]> => {
    const calls: Call[] = [];
    const listening = createServer((request, response) => {
      void text(request).then((body) => {
        const shown = [TOKEN, SIGNING_KEY].filter((secret) => processesShowing(secret).length > 0);
        const authorised = request.headers.authorization === `Bearer ${TOKEN}`;
        const status = statuses[Math.min(calls.length, statuses.length - 1)] ?? 200;
        calls.push({ headers: request.headers, body, atMs: performance.now(), shown });
        response.writeHead(authorised ? status : 401).end();
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(PORT, '127.0.0.1', resolve));
    return calls;
  };

  const run = (more: Partial<ExampleRun> = {}, token = TOKEN) =>
    runExample({
      example: 'webhook',
      phase: 'post-promote',
      ...more,
      settings: {
        CURL_CONFIG: privateFile(
          directory,
          'curl',
          `url = "http://127.0.0.1:${PORT}/vipd"\nheader = "Authorization: Bearer ${token}"\n`,
        ),
        SIGNING_KEY_FILE: privateFile(directory, 'key', `${SIGNING_KEY}\n`),
        ...more.settings,
      },
    });

  test('the receiver gets the facts, signed, and no secret is shown to the host', async () => {
    const calls = await receiver(204);
    const reason = 'peer said "no\nmore" — 50 % of $HOME \\ `id`';
    expect(await run({ facts: { reason, vips: ['10.99.0.100/24', 'fd00::100/64'] } })).toMatchObject({ ok: true });
    expect(calls).toHaveLength(1);
    const [call] = calls;
    expect(JSON.parse(call?.body ?? '')).toEqual({
      group: 'orders',
      node: 'db1',
      peer: 'db2',
      phase: 'post-promote',
      term: 7,
      reason,
      vips: ['10.99.0.100/24', 'fd00::100/64'],
      sent_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    const signature = createHmac('sha256', SIGNING_KEY)
      .update(call?.body ?? '')
      .digest('hex');
    expect(call?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-vipd-signature': `sha256=${signature}`,
    });
    expect(call?.shown).toEqual([]);
  });

  test('without a signing key it goes unsigned', async () => {
    const calls = await receiver(200);
    expect(await run({ settings: { SIGNING_KEY_FILE: '' } })).toMatchObject({ ok: true });
    expect(calls[0]?.headers['x-vipd-signature']).toBeUndefined();
  });

  test('a receiver that is busy is called again, later each time', async () => {
    const calls = await receiver(503, 503, 200);
    expect(await run()).toMatchObject({ ok: true });
    expect(calls).toHaveLength(3);
    const [first = 0, second = 0, third = 0] = calls.map((call) => call.atMs);
    expect(third - second).toBeGreaterThan(second - first);
    expect(new Set(calls.map((call) => call.body)).size).toBe(1);
  });

  test('a receiver that refuses the token is called once, and told', async () => {
    const calls = await receiver(200);
    const result = await run({}, 'another-token');
    expect(calls).toHaveLength(1);
    expect(result.detail).toMatch(
      /^post-promote\/webhook: exit 1: webhook: post-promote of term 7 was not delivered: .*401.*does it take the token/,
    );
    expect(result.detail).not.toContain('another-token');
  });

  test('a receiver that stays busy, is down, or hangs is given up in time', async () => {
    await receiver(503);
    const busy = await run();
    expect(busy.ran[0]?.exit).toBe(1);
    expect(busy.detail).toContain('503');
    server?.close();

    const down = await run({
      settings: { CURL_CONFIG: privateFile(directory, 'down', 'url = "http://127.0.0.1:8081/"\n') },
    });
    expect(down.ran[0]?.exit).toBe(1);
    expect(down.detail).toContain('Failed to connect to 127.0.0.1 port 8081');

    const hanging = createTcpServer().listen(8082, '127.0.0.1');
    const hung = await run({
      settings: { CURL_CONFIG: privateFile(directory, 'hung', 'url = "http://127.0.0.1:8082/"\n') },
    });
    hanging.close();
    expect(hung.ran[0]?.exit).toBe(1);
    expect(hung.detail).toContain('timed out');
  });

  test('nothing of it is left when vipd ends it at a deadline of its own', async () => {
    const hanging = createTcpServer().listen(8083, '127.0.0.1');
    const config = privateFile(directory, 'hanging', 'url = "http://127.0.0.1:8083/"\n');
    const cut = await run({ settings: { CURL_CONFIG: config }, timeoutMs: 1_000 });
    hanging.close();
    expect(cut.detail).toContain('no end within 1000 ms');
    expect(processesShowing(config)).toEqual([]);
  });

  test('a secret that others can read is not used', async () => {
    const config = privateFile(directory, 'open', 'url = "http://127.0.0.1:8080/"\n', 0o640);
    expect((await run({ settings: { CURL_CONFIG: config } })).detail).toContain(`${config} is open to others`);
  });
});
