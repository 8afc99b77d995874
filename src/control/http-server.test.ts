/** The HTTP server over real sockets: what clients can do to it, and what it makes of that. */

import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HttpAnswer } from './http-answer.js';
import {
  createHttpServer,
  type HttpServer,
  type HttpServerOptions,
  type ListenState,
  MAX_CONNECTIONS,
  MAX_HEADER_BYTES,
} from './http-server.js';

const HOST = '127.0.0.1';
const answer = async (target: string): Promise<HttpAnswer> => ({
  code: target === '/no' ? 503 : 200,
  type: 'text/plain',
  body: `you asked ${target}\n`,
});

let server: HttpServer | undefined;
let sockets: Socket[] = [];
let answered: string[] = [];
let states: ListenState[] = [];

beforeEach(() => {
  sockets = [];
  answered = [];
  states = [];
});

afterEach(() => {
  server?.close();
  for (const socket of sockets) socket.destroy();
});

const start = (options: Partial<HttpServerOptions> = {}): Promise<number> =>
  new Promise((resolve) => {
    server = createHttpServer({
      listen: { address: HOST, port: 0 },
      answer,
      onState: (state) => {
        states.push(state);
        if (state.listening) resolve(state.port);
      },
      onAnswered: (target, code) => answered.push(`${target} ${code}`),
      ...options,
    });
  });

const connect = (port: number): Socket => {
  const socket = createConnection({ host: HOST, port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.on('end', () => socket.destroy());
  sockets.push(socket);
  return socket;
};

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

/** Everything that comes back until the server closes. */
const talk = (port: number, bytes: string | Buffer): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port);
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
    });
    socket.on('close', () => resolve(text));
    socket.write(bytes);
  });

const ask = (port: number, line: string, headers = ''): Promise<string> =>
  talk(port, `${line} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);

test('answers GET with the body, HEAD and OPTIONS without, and says that each is the last of its connection', async () => {
  const port = await start();
  const got = await ask(port, 'GET /yes');
  expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(got).toMatch(/\r\nconnection: close\r\n/i);
  expect(got).toMatch(/\r\n\r\nyou asked \/yes\n$/);
  for (const method of ['HEAD', 'OPTIONS']) {
    const bare = await ask(port, `${method} /no`);
    expect(bare).toMatch(/^HTTP\/1\.1 503 .*\r\n\r\n$/s);
    expect(bare).toMatch(/\r\nallow: GET, HEAD, OPTIONS\r\n/i);
  }
  expect(answered).toEqual(['/yes 200', '/no 503', '/no 503']);
});

test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'])('%s is refused, and its body not waited for', async (method) => {
  const port = await start();
  expect(await ask(port, `${method} /yes`, 'Content-Length: 1000000000\r\n')).toMatch(/^HTTP\/1\.1 405 /);
});

test('an HTTP/1.0 client, which load balancers still are, is answered', async () => {
  expect(await talk(await start(), 'GET /yes HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
});

describe('what is no request', () => {
  const garbage: Readonly<Record<string, readonly [string | Buffer, RegExp]>> = {
    'a TLS handshake': [Buffer.from('160301020001000001fc0303', 'hex'), /^HTTP\/1\.1 400 /],
    'plain text': ['hello\n\n', /^HTTP\/1\.1 400 /],
    'zero bytes': [Buffer.alloc(64), /^HTTP\/1\.1 400 /],
    'a space in a header name': ['GET / HTTP/1.1\r\nHo st: x\r\n\r\n', /^HTTP\/1\.1 400 /],
    'two lengths': ['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', /^HTTP\/1\.1 400 /],
    'no host': ['GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
    'a long request line': [`GET /${'x'.repeat(2 * MAX_HEADER_BYTES)} HTTP/1.1\r\n\r\n`, /^HTTP\/1\.1 431 /],
    'long headers': [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(2 * MAX_HEADER_BYTES)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    'a tunnel': ['CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n', /^$/],
  };
  test.each(Object.entries(garbage))('%s ends its connection only', async (_name, [bytes, expected]) => {
    const port = await start();
    expect(await talk(port, bytes)).toMatch(expected);
    expect(await ask(port, 'GET /yes')).toMatch(/^HTTP\/1\.1 200 /);
  });
});

test('of requests sent ahead on one connection the first is answered', async () => {
  const port = await start();
  const text = await talk(port, 'GET /yes HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000));
  expect(text.match(/HTTP\/1\.1/g)?.length ?? 0).toBeLessThanOrEqual(1);
  expect(answered.length).toBeLessThanOrEqual(1);
  expect(await ask(port, 'GET /yes')).toMatch(/^HTTP\/1\.1 200 /);
});

describe('a client that dawdles', () => {
  test.each([
    ['says nothing', ''],
    ['stops in the middle of its headers', 'GET /yes HTTP/1.1\r\nHos'],
    ['never sends the body it announced', 'POST /yes HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n'],
  ])('%s: it is cut off', async (_name, bytes) => {
    const port = await start({ connectionMs: 100 });
    await talk(port, bytes);
    expect(await ask(port, 'GET /yes')).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('does not read a large answer: it is cut off', async () => {
    const body = 'x'.repeat(64 * 1024 * 1024);
    const port = await start({ connectionMs: 200, answer: async () => ({ code: 200, type: 'text/plain', body }) });
    const socket = connect(port);
    socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    while (answered.length === 0) await sleep(5);
    await sleep(400);
    let read = 0;
    socket.on('data', (piece: Buffer) => {
      read += piece.length;
    });
    await closed(socket.resume());
    expect(read).toBeLessThan(body.length);
  });
});

test('clients that hold every connection do not keep out those that ask', async () => {
  const port = await start();
  const idle = Array.from({ length: MAX_CONNECTIONS }, () => connect(port));
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  expect(await ask(port, 'GET /yes')).toMatch(/^HTTP\/1\.1 200 /);
  const ended = () => idle.filter((socket) => socket.readableEnded || socket.destroyed).length;
  for (const socket of idle) socket.resume();
  while (ended() === 0) await sleep(5);
  expect(ended()).toBeLessThan(MAX_CONNECTIONS / 2);
});

test('a port that is taken is tried again until it is free', async () => {
  const other = createServer().listen(0, HOST);
  await once(other, 'listening');
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const listening = start({ listen: { address: HOST, port }, retryMs: 10 });
  while (states.length < 3) await sleep(5);
  expect(states.slice(0, 3)).toMatchObject([10, 20, 40].map((retryInMs) => ({ listening: false, retryInMs })));
  expect(states[0]).toMatchObject({ error: expect.stringContaining('EADDRINUSE') });
  other.close();
  await listening;
  expect(await ask(port, 'GET /yes')).toMatch(/^HTTP\/1\.1 200 /);
});

test('once closed, it neither listens nor tries to', async () => {
  const port = await start();
  const socket = connect(port);
  await once(socket, 'connect');
  server?.close();
  await closed(socket.resume());
  const refused = connect(port);
  await closed(refused);
  expect(refused.bytesRead).toBe(0);
  expect(states).toHaveLength(1);
});
