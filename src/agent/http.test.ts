/** What becomes of the agent's HTTP thread, and of what it asks; the thread itself is tried on a real pair. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { openServing } from '../control/serving.js';
import { allWell } from '../control/status.fixture.js';
import { createHttp, type Http, type HttpOptions } from './http.js';

let http: Http | undefined;
afterEach(() => http?.close());

const program = (text: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads';${text}`)}`,
  );

const start = (
  text: string,
  options: Partial<HttpOptions> = {},
): { readonly http: Http; readonly logged: string[] } => {
  const logged: string[] = [];
  const started = createHttp({
    listen: { address: '127.0.0.1', family: 4, port: 8_694 },
    group: 'orders',
    node: 'db1',
    status: async () => allWell,
    log: (level, line) => logged.push(`${level}: ${line}`),
    program: program(text),
    restartMs: 1,
    ...options,
  });
  http = started;
  started.open();
  return { http: started, logged };
};

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await sleep(2);
};

test('a thread that dies is started again and again, and told once', async () => {
  const { http, logged } = start(`throw new Error('out of luck')`);
  await until(() => logged.length >= 4);
  expect(http.state()).toEqual({ listen: '127.0.0.1:8694', listening: false, error: 'out of luck' });
  expect(logged.filter((line) => line.startsWith('warn: '))).toHaveLength(1);
});

test('a thread that cannot be made is tried again, and ends nothing else', async () => {
  const { http, logged } = start('', { program: new URL('https://127.0.0.1/no-program-of-a-thread') });
  await until(() => logged.length >= 3);
  expect(http.state()).toMatchObject({ listening: false, error: expect.stringContaining('URL') });
});

test('a thread that eats all its memory ends alone', async () => {
  const { logged } = start(`const all = []; for (;;) all.push(new Array(10_000).fill(Math.random()))`);
  await until(() => logged.length > 0);
  expect(logged[0]).toMatch(/^warn: the HTTP server does not listen on 127\.0\.0\.1:8694: .*memory/);
});

test('a state is told as it is: not listening with its reason, then listening', async () => {
  const { http, logged } = start(`
    parentPort.postMessage({ type: 'state', state: { listening: false, error: 'EADDRINUSE', retryInMs: 1 } });
    parentPort.on('message', () => parentPort.postMessage({ type: 'state', state: { listening: true, port: 8694 } }));
    parentPort.postMessage({ type: 'ask' });
  `);
  await until(() => logged.length >= 2);
  expect(logged).toEqual([
    expect.stringMatching(/^warn: .*EADDRINUSE; tried again in 0.001 s$/),
    'info: health and metrics are at http://127.0.0.1:8694',
  ]);
  expect(http.state()).toMatchObject({ listening: true, error: '' });
});

const ECHO = `
  parentPort.on('message', (told) => parentPort.postMessage({ type: 'state',
    state: { listening: false, error: JSON.stringify(told.status?.group ?? told.why), retryInMs: 1 } }));
  parentPort.postMessage({ type: 'ask' });
`;

test('a question is answered with the status, or with why there is none', async () => {
  const { http } = start(ECHO);
  await until(() => http.state().error === '"orders"');
  await http.close();
  const { http: starting } = start(ECHO, { status: () => Promise.reject(new Error('the agent is starting')) });
  await until(() => starting.state().error === '"the agent is starting"');
});

test('until when the node serves is seen by the thread without a question', async () => {
  const { http } = start(`
    const word = new BigInt64Array(workerData.serving);
    setInterval(() => parentPort.postMessage({ type: 'state',
      state: { listening: false, error: String(Atomics.load(word, 0)), retryInMs: 1 } }), 2);
  `);
  http.servesUntil(12_345.678_9);
  await until(() => http.state().error === '12345678');
  http.servesUntil(0);
  await until(() => http.state().error === '0');
});

test('the word between the threads is never later than what was set', () => {
  const serving = openServing(new SharedArrayBuffer(8));
  expect(serving.until()).toBe(0);
  for (const until of [0.000_9, 1.5, 4_294_967_296.25, 90_000_000.123_456]) {
    serving.set(until);
    expect(serving.until()).toBeLessThanOrEqual(until);
    expect(until - serving.until()).toBeLessThan(0.002);
  }
});
