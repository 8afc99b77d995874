/** The control socket over real unix sockets: what clients can do to it, and what it makes of that. */

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { titled } from '../../test/titled.js';
import { request } from './client.js';
import { MAX_REQUEST_BYTES, type Request } from './protocol.js';
import {
  type ControlServer,
  type ControlServerOptions,
  createControlServer,
  MAX_CONNECTIONS,
  type ReplyTo,
} from './server.js';

const WAIT = { timeoutMs: 5_000 };
const STATUS = '{"request":"status"}\n';

let directory = '';
let path = '';
let open: (ControlServer | Server)[] = [];
let warnings: string[] = [];
let seen: Request[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-control-'));
  path = join(directory, 'control.sock');
  open = [];
  warnings = [];
  seen = [];
});

afterEach(async () => {
  for (const server of open) await server.close();
  rmSync(directory, { recursive: true });
});

const echo = (asked: Request, reply: ReplyTo): void => {
  seen.push(asked);
  reply.progress(`working on ${asked.request}`);
  reply.done(true, `did ${asked.request}`, { asked });
};

const start = async (options: Partial<ControlServerOptions> = {}): Promise<void> => {
  const group = ownGroup();
  open.push(await createControlServer({ path, group, handle: echo, warn: (text) => warnings.push(text), ...options }));
};

/** The name of this process's group, which it may give files to without being root. */
const ownGroup = (): string => {
  const gid = String(process.getgid?.());
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((l) => l.split(':')[2] === gid);
  return line?.split(':')[0] ?? 'root';
};

/** Everything that comes back until the server closes; `send` may do what it likes with the socket. */
const talk = (send: (socket: Socket) => void): Promise<string> =>
  new Promise((resolve) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString();
    });
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => resolve(text));
    socket.once('connect', () => send(socket));
  });

const lastReply = (text: string): unknown => JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');

const expectServing = async (): Promise<void> => {
  const answer = await request(path, { request: 'status' }, WAIT);
  expect(answer).toMatchObject({ kind: 'done', ok: true, text: 'did status' });
};

test('a request gets its progress and its answer, with defaults filled in', async () => {
  await start();
  const progress: string[] = [];
  const onProgress = (text: string) => progress.push(text);
  const answer = await request(path, { request: 'switchover', dryRun: true }, { ...WAIT, onProgress });
  expect(progress).toEqual(['working on switchover']);
  const asked = { request: 'switchover', dryRun: true, force: false, timeoutMs: 30_000 };
  expect(answer).toEqual({ kind: 'done', ok: true, text: 'did switchover', data: { asked } });
});

test('one connection can ask again and again', async () => {
  await start();
  const text = await talk((socket) => {
    let answers = 0;
    socket.write(STATUS);
    socket.on('data', () => {
      answers += 1;
      if (answers < 3) socket.write(STATUS);
      else socket.end();
    });
  });
  expect(text.match(/"reply":"done","ok":true/g)).toHaveLength(3);
});

describe('garbage', () => {
  const garbage: Readonly<Record<string, string | Buffer>> = {
    'an empty line': '\n',
    'plain text': 'GET / HTTP/1.1\n',
    'not UTF-8': Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]),
    'a number': '42\n',
    null: 'null\n',
    'an array': '[]\n',
    'deep nesting': `${'['.repeat(30_000)}\n`,
    'no request': '{}\n',
    'an unknown request': '{"request":"reboot"}\n',
    'an unknown key': `{"request":"status","${'k'.repeat(10_000)}":1}\n`,
    'a prototype': '{"request":"status","__proto__":{"x":1}}\n',
    'a wrong type': '{"request":"maintenance","on":"yes"}\n',
    'a number out of range': '{"request":"switchover","timeoutMs":-1}\n',
    'two requests at once': STATUS + STATUS,
    'thousands of lines': '\n'.repeat(60_000),
    'a request in pieces that never ends': '{"request":',
  };

  test.each(Object.entries(garbage))('%s is answered with an error, and harms nobody', async (_name, bytes) => {
    await start();
    const text = await talk((socket) => socket.end(bytes));
    expect(lastReply(text)).toMatchObject({ reply: 'done', ok: false, text: expect.stringMatching(/^(the|not|one)/) });
    expect(text.length).toBeLessThan(1_000);
    expect(seen).toEqual([]);
    await expectServing();
  });

  test('a line without end is cut off with a word', async () => {
    await start();
    const text = await talk((socket) => {
      const pump = () => {
        while (!socket.destroyed && socket.write('x'.repeat(MAX_REQUEST_BYTES)));
      };
      socket.on('drain', pump);
      pump();
    });
    expect(lastReply(text)).toMatchObject({ ok: false, text: `a request has at most ${MAX_REQUEST_BYTES} bytes` });
    await expectServing();
  });
});

test('a client that sends no newline and closes its side is answered all the same', async () => {
  await start();
  const text = await talk((socket) => socket.end(STATUS.trimEnd()));
  expect(lastReply(text)).toMatchObject({ ok: true, text: 'did status' });
});

test('a client that closes its side while its request runs still gets the answer', async () => {
  await start({
    handle: (_asked, reply) => {
      setTimeout(() => reply.done(true, 'late'), 30);
    },
  });
  const text = await talk((socket) => socket.end(STATUS));
  expect(lastReply(text)).toMatchObject({ ok: true, text: 'late' });
});

test('a client that dawdles over its request loses its place', async () => {
  await start({ requestWaitMs: 80 });
  const text = await talk((socket) => {
    const drip = setInterval(() => socket.write('x'), 10);
    socket.once('close', () => clearInterval(drip));
  });
  expect(lastReply(text)).toMatchObject({ ok: false, text: 'no whole request came within 0.08 s' });
});

test('of fifty clients at once the first are served, the others told or closed, and later ones served', async () => {
  const waiting: ReplyTo[] = [];
  await start({ handle: (_asked, reply) => void waiting.push(reply) });
  const clients = Array.from({ length: 50 }, () => talk((socket) => socket.end(STATUS)));
  while (waiting.length < MAX_CONNECTIONS) await sleep(5);
  await sleep(50);
  expect(waiting).toHaveLength(MAX_CONNECTIONS);
  for (const reply of waiting) reply.done(true, 'served');
  const texts = await Promise.all(clients);
  expect(texts.filter((text) => text.includes('served'))).toHaveLength(MAX_CONNECTIONS);
  expect(texts.filter((text) => text.includes('open already')).length).toBeGreaterThan(0);
  const again = request(path, { request: 'status' }, WAIT);
  while (waiting.length === MAX_CONNECTIONS) await sleep(5);
  waiting.at(-1)?.done(true, 'served later');
  expect(await again).toMatchObject({ ok: true, text: 'served later' });
});

test('a client that goes away cancels nothing', async () => {
  let finish = (): void => undefined;
  const finished = new Promise<string>((resolve) => {
    finish = () => resolve('carried out');
  });
  let gone = (): void => undefined;
  const clientGone = new Promise<void>((resolve) => {
    gone = resolve;
  });
  await start({
    handle: async (asked, reply) => {
      if (asked.request === 'status') return echo(asked, reply);
      reply.progress('begun');
      await clientGone;
      for (let i = 0; i < 100; i++) reply.progress('still going');
      reply.done(true, 'done');
      finish();
    },
  });
  await talk((socket) => {
    socket.write('{"request":"switchover"}\n');
    socket.once('data', () => socket.destroy());
  });
  gone();
  expect(await finished).toBe('carried out');
  await expectServing();
});

test('a client that never reads is cut off', async () => {
  const replies: ReplyTo[] = [];
  await start({ handle: (_asked, reply) => void replies.push(reply) });
  const socket = createConnection(path);
  socket.on('error', () => undefined);
  socket.write(STATUS);
  socket.pause();
  while (replies.length === 0) await sleep(5);
  for (let i = 0; i < 100; i++) replies[0]?.progress('x'.repeat(64 * 1024));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(socket.bytesRead).toBeLessThan(6 * 1024 * 1024);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('broken');
    },
  ],
  ['rejects', () => Promise.reject(new Error('broken'))],
])('a handler that %s is an answer', async (_how, handle) => {
  await start({ handle });
  const answer = await request(path, { request: 'resume' }, WAIT);
  expect(answer).toMatchObject({ ok: false, text: 'the agent could not answer: broken' });
});

test('an answer that is no JSON is said so, and a second answer is dropped', async () => {
  await start({
    handle: (_asked, reply) => {
      reply.done(true, 'first', { big: 1n });
      reply.done(true, 'second');
      reply.progress('third');
    },
  });
  const text = await talk((socket) => socket.end(STATUS));
  expect(text.trimEnd().split('\n')).toHaveLength(1);
  expect(lastReply(text)).toMatchObject({ ok: false, text: expect.stringContaining('cannot be written as JSON') });
});

describe('the socket file', () => {
  test('is for its owner and group alone, and goes with the server', async () => {
    await start();
    const { mode, gid } = statSync(path);
    expect(mode & 0o777).toBe(0o660);
    expect(gid).toBe(process.getgid?.());
    expect(warnings).toEqual([]);
    await open.pop()?.close();
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('stays with the owner where there is no such group, with a warning', async () => {
    await start({ group: 'no-such-group' });
    expect(warnings).toEqual([expect.stringContaining('groupadd --system no-such-group')]);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await expectServing();
  });

  test('left by a dead agent is replaced', async () => {
    // A listener that is killed leaves its file; the shortest way to one is to let a child die.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(() => execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' })).toThrow();
    expect(statSync(path).isSocket()).toBe(true);
    const refused = await request(path, { request: 'status' }, WAIT);
    expect(refused).toMatchObject({ kind: 'no-agent', text: expect.stringContaining('died and left its socket') });
    await start();
    await expectServing();
  });

  test('of a living agent is left alone', async () => {
    await start();
    await expect(start()).rejects.toThrow(/another agent answers there/);
    await expectServing();
  });

  test('is not put over a file that is none', async () => {
    writeFileSync(path, 'precious');
    await expect(start()).rejects.toThrow(/a file that is no socket is there/);
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  test('cannot have a path that the kernel would cut', async () => {
    await expect(start({ path: join(directory, 'x'.repeat(120)) })).rejects.toThrow(/at most 107 bytes/);
  });

  test('gets its directory made', async () => {
    path = join(directory, 'run', 'vipd', 'control.sock');
    await start();
    await expectServing();
  });

  const isRoot = process.getuid?.() === 0;
  test.skipIf(!isRoot)(
    titled('refuses whoever is not of its group, and vipctl says what to do', isRoot, 'root'),
    async () => {
      execFileSync('chmod', ['755', directory]);
      await start();
      const script = `require('net').createConnection(${JSON.stringify(path)}).on('connect', () => console.log('in')).on('error', (e) => console.log(e.code))`;
      expect(await runAside(script, { uid: 65_534, gid: 65_534 })).toBe('EACCES');
    },
  );
});

/** As `execFileSync`, but without blocking the server under test. */
const runAside = (script: string, as: { readonly uid: number; readonly gid: number }): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, ['-e', script], { ...as, cwd: '/', timeout: 5_000 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout.trim()),
    );
  });

describe('without an agent', () => {
  const listenAs = async (onConnection: (socket: Socket) => void): Promise<void> => {
    const server = createServer(onConnection);
    open.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
  };

  test('a missing socket says how to start one', async () => {
    const answer = await request(path, { request: 'status' }, WAIT);
    expect(answer).toMatchObject({ kind: 'no-agent', text: expect.stringContaining('systemctl start vipd') });
  });

  test('something that is no socket says so', async () => {
    writeFileSync(path, '');
    const answer = await request(path, { request: 'status' }, WAIT);
    expect(answer).toMatchObject({ kind: 'no-agent', text: expect.stringContaining(path) });
  });

  test('one that accepts and says nothing is given up', async () => {
    await listenAs(() => undefined);
    const answer = await request(path, { request: 'switchover' }, { timeoutMs: 50 });
    expect(answer).toMatchObject({ kind: 'no-agent', text: expect.stringContaining('has not answered for 0.05 s') });
  });

  test('one that dies in the middle leaves the outcome open, and says where to look', async () => {
    await listenAs((socket) => {
      socket.once('data', () => socket.end('{"reply":"progress","text":"begun"}\n'));
    });
    const answer = await request(path, { request: 'promote' }, WAIT);
    expect(answer).toMatchObject({
      kind: 'no-agent',
      text: expect.stringMatching(/without an answer; .*"promote".*history/),
    });
  });

  test('another protocol is told apart', async () => {
    await listenAs((socket) => void socket.write('220 mail.example ESMTP\r\n'));
    const answer = await request(path, { request: 'status' }, WAIT);
    expect(answer).toMatchObject({ kind: 'no-agent', text: expect.stringContaining('is no vipd agent') });
  });

  test('Ctrl-C ends the wait', async () => {
    await listenAs(() => undefined);
    const controller = new AbortController();
    const answer = request(path, { request: 'switchover' }, { ...WAIT, signal: controller.signal });
    controller.abort();
    expect(await answer).toMatchObject({ kind: 'interrupted', text: expect.stringContaining('goes on') });
  });
});
