/** vipctl's command lines, against a real control server with a made-up agent behind it. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { request } from '../../control/client.js';
import type { Request } from '../../control/protocol.js';
import { type ControlServer, createControlServer, type ReplyTo } from '../../control/server.js';
import { HISTORY, STATES } from '../../control/status.fixture.js';
import { ANSWER_WITHIN_MS, wishWithin } from '../../core/timing.js';
import { runVipctl } from './program.js';
import type { Terminal } from './terminal.js';

// As it is; only what it is given is looked at.
vi.mock('../../control/client.js', { spy: true });

let directory = '';
let socket = '';
let server: ControlServer;
let asked: Request[] = [];
let out = '';
let err = '';
let interrupt: (() => void) | null = null;
let size: { columns: number; rows: number } | null = null;
let answer: (request: Request, reply: ReplyTo) => void;

const terminal: Terminal = {
  out(text) {
    out += text;
  },
  err(text) {
    err += text;
  },
  size: () => size,
  environment: {},
  onInterrupt(listener) {
    interrupt = listener;
    return () => {
      interrupt = null;
    };
  },
};

const checkConfig = (path: string) => ({ text: `looked at ${path}`, status: path.endsWith('bad.yaml') ? 4 : 0 });

const vipctl = (...argv: readonly string[]) => runVipctl(argv, { terminal, checkConfig });

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vipctl-'));
  socket = join(directory, 'c.sock');
  asked = [];
  out = '';
  err = '';
  size = null;
  answer = (_request, reply) => reply.done(true, 'done');
  server = await createControlServer({
    path: socket,
    group: 'root',
    warn: () => undefined,
    handle(request, reply) {
      asked.push(request);
      answer(request, reply);
    },
  });
});

afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

describe('status', () => {
  beforeEach(() => {
    answer = (_request, reply) => reply.done(true, '', STATES['no-writer']);
  });

  test('says first who is active and what is wrong, without colours where there is no terminal', async () => {
    expect(await vipctl('status', '--socket', socket)).toBe(0);
    expect(out).toMatch(/^NO WRITER {2}orders: nobody accepts writes for 1 min 35 s; db2 loss; db1 silent\n/);
    expect(out).not.toContain('\x1b');
  });

  test('has colours on a terminal', async () => {
    size = { columns: 100, rows: 40 };
    await vipctl('status', '--socket', socket);
    expect(out.startsWith('\x1b[1;31mNO WRITER\x1b[0m')).toBe(true);
  });

  test('--json is the status, with what is wrong', async () => {
    expect(await vipctl('--socket', socket, 'status', '--json')).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ...STATES['no-writer'],
      problems: expect.any(Array),
      headline: expect.any(String),
    });
  });

  test('--watch draws again, and ends with 0 and the last picture on Ctrl-C', async () => {
    size = { columns: 100, rows: 12 };
    const ended = vipctl('status', '--watch', '--socket', socket);
    while (!out.includes('enlarge the window')) await sleep(5);
    const first = out;
    while (out === first) await sleep(20);
    await server.close();
    while (!out.includes('no agent on this host')) await sleep(20);
    interrupt?.();
    expect(await ended).toBe(0);
    expect(out.startsWith('\x1b[?1049h')).toBe(true);
    expect(out.split('\x1b[?1049l')[1]).toMatch(/^no agent on this host.*\n$/);
    expect(first.split('\x1b[H')[1]?.split('\r\n')).toHaveLength(12);
  });

  test('of another format is not guessed at', async () => {
    answer = (_request, reply) => reply.done(true, '', { format: 99 });
    expect(await vipctl('status', '--socket', socket)).toBe(1);
    expect(err).toContain('different versions');
  });
});

describe('requests', () => {
  test.each([
    [['switchover'], { request: 'switchover', dryRun: false, force: false, timeoutMs: 30_000 }],
    [
      ['switchover', '--dry-run', '--force', '--timeout', '2m'],
      { request: 'switchover', dryRun: true, force: true, timeoutMs: 120_000 },
    ],
    [['promote'], { request: 'promote', acceptLoss: false }],
    [['promote', '--accept-loss'], { request: 'promote', acceptLoss: true }],
    [['pause'], { request: 'pause', forMs: -1 }],
    [['pause', '--for', '30m'], { request: 'pause', forMs: 1_800_000 }],
    [['resume'], { request: 'resume' }],
    [['maintenance', 'on'], { request: 'maintenance', on: true }],
    [['maintenance', 'off'], { request: 'maintenance', on: false }],
  ])('%j asks the agent for it', async (argv, request) => {
    expect(await vipctl(...argv, '--socket', socket)).toBe(0);
    expect(asked).toEqual([request]);
    expect(out).toBe('done\n');
  });

  test.each([
    [['pause'], ANSWER_WITHIN_MS],
    [['resume'], ANSWER_WITHIN_MS],
    [['maintenance', 'on'], ANSWER_WITHIN_MS],
    // Typed on the standby it is answered within twice the time given.
    [['switchover', '--timeout', '5m'], wishWithin(300_000)],
    // promotion.catch_up_timeout at its longest.
    [['promote'], 3_600_000],
  ])('%j waits longer than the agent may be silent', async (argv, longest) => {
    vi.mocked(request).mockClear();
    expect(await vipctl(...argv, '--socket', socket)).toBe(0);
    expect(vi.mocked(request).mock.lastCall?.[2].timeoutMs).toBeGreaterThan(longest);
  });

  test('progress comes before the outcome', async () => {
    answer = (_request, reply) => {
      reply.progress('db1 read-only after 4 ms');
      reply.done(true, 'db2 is active; writes stood still for 31 ms');
    };
    expect(await vipctl('switchover', '--socket', socket)).toBe(0);
    expect(out).toBe('db1 read-only after 4 ms\ndb2 is active; writes stood still for 31 ms\n');
  });

  test('a refusal is exit status 1, with its reason on stderr', async () => {
    answer = (_request, reply) => reply.done(false, 'db2 is quarantined\x1b[2J');
    expect(await vipctl('switchover', '--socket', socket)).toBe(1);
    expect([out, err]).toEqual(['', 'vipctl: db2 is quarantined [2J\n']);
  });

  test('a reload of a file that is not valid is exit status 4, with its errors on stderr', async () => {
    answer = (_request, reply) => reply.done(false, 'the file is not valid\nvipd.yaml:3:1: …', { invalid: true });
    expect(await vipctl('reload', '--socket', socket)).toBe(4);
    expect([out, err]).toEqual(['', 'vipctl: the file is not valid\nvipd.yaml:3:1: …\n']);
  });

  test('Ctrl-C leaves the agent to its work, and says so', async () => {
    answer = () => interrupt?.();
    expect(await vipctl('switchover', '--socket', socket)).toBe(1);
    expect(err).toContain('the agent goes on with "switchover"');
  });

  test('a node that is active is exit status 0, with its role on stdout', async () => {
    answer = (_request, reply) => reply.done(true, 'active');
    expect(await vipctl('is-active', '--socket', socket)).toBe(0);
    expect(asked).toEqual([{ request: 'is-active' }]);
    expect(out).toBe('active\n');
  });

  test.each([
    'the agent is starting; try again in a moment',
    '16 control connections are open already; close some and try again',
  ])('to is-active, "%s" is no answer', async (text) => {
    answer = (_request, reply) => reply.done(false, text);
    expect(await vipctl('is-active', '--socket', socket)).toBe(3);
    expect([out, err]).toEqual(['', `vipctl: ${text}\n`]);
  });

  test('a node that is not active is exit status 1, with its role on stdout', async () => {
    answer = (_request, reply) => reply.done(false, 'standby');
    expect(await vipctl('is-active', '--socket', socket)).toBe(1);
    expect([out, err]).toEqual(['standby\n', '']);
  });

  test('history is a table, or JSON', async () => {
    answer = (_request, reply) => reply.done(true, '', HISTORY);
    expect(await vipctl('history', '-n', '7', '--socket', socket)).toBe(0);
    expect(asked).toEqual([{ request: 'history', limit: 7 }]);
    expect(out.split('\n')[3]).toMatch(/ step +database-catch-up +18 ms /);
    out = '';
    expect(await vipctl('history', '--json', '--socket', socket)).toBe(0);
    expect(JSON.parse(out)).toEqual(HISTORY);
  });
});

test('explain asks for the status and what was noted, and answers in sentences', async () => {
  answer = ({ request }, reply) => reply.done(true, '', request === 'status' ? STATES['no-writer'] : HISTORY);
  expect(await vipctl('explain', '--socket', socket)).toBe(0);
  expect(asked.map(({ request }) => request)).toEqual(['status', 'history']);
  expect(out).toMatch(/^db2 is not active, and neither is db1.*\ndb2 holds "loss".*\n {2}next: bring db1 back/);
});

describe('exit status 3, no agent', () => {
  test.each([['status'], ['explain'], ['switchover'], ['is-active'], ['history']])('%s', async (command) => {
    expect(await vipctl(command, '--socket', join(directory, 'none'))).toBe(3);
    expect(out).toBe('');
    expect(err).toMatch(/^vipctl: no agent on this host: .*systemctl start vipd/);
  });
});

describe('exit status 2, usage', () => {
  test.each([
    [[]],
    [['dance']],
    [['status', '--colour']],
    [['status', '--json', '--watch']],
    [['status', 'extra']],
    [['maintenance']],
    [['maintenance', 'maybe']],
    [['pause', '--for', '5']],
    [['pause', '--for', '0s']],
    [['pause', '--for', '1constructor']],
    [['switchover', '--timeout', '99h']],
    [['history', '-n', '0']],
    [['history', '-n', 'all']],
    [['history', '-n']],
  ])('%j', async (argv) => {
    expect(await vipctl(...argv, '--socket', socket)).toBe(2);
    expect(err).not.toBe('');
    expect(asked).toEqual([]);
  });
});

describe('the socket', () => {
  test('is read from the configuration that is named', async () => {
    const file = join(directory, 'vipd.yaml');
    writeFileSync(file, `group: orders\nnonsense: 3\ncontrol: { socket: ${socket} }\n`);
    expect(await vipctl('--config', file, 'resume')).toBe(0);
    expect(asked).toHaveLength(1);
  });

  test('is found in a file that is broken elsewhere, so that the agent hears of a reload and refuses it', async () => {
    const file = join(directory, 'vipd.yaml');
    const twice = 'moves: { max_failovers: 3 }\n';
    writeFileSync(file, `group: orders\n${twice}${twice}control: { socket: ${socket} }\nvip: [\n`);
    expect(await vipctl('--config', file, 'reload')).toBe(0);
    expect(asked).toEqual([{ request: 'reload' }]);
  });

  test.each([
    ['a missing file', 'missing.yaml', null],
    ['no YAML', 'broken.yaml', 'a: [b\n'],
  ])('from %s is exit status 4', async (_what, name, text) => {
    const file = join(directory, name);
    if (text !== null) writeFileSync(file, text);
    expect(await vipctl('--config', file, 'resume')).toBe(4);
    expect(err).toContain(`cannot read the configuration ${file}`);
  });
});

describe('check-config', () => {
  test('takes the file, or --config, or the usual place', async () => {
    expect(await vipctl('check-config', 'a.yaml')).toBe(0);
    expect(await vipctl('check-config', '--config', 'b.yaml')).toBe(0);
    expect(await vipctl('check-config')).toBe(0);
    expect(out).toBe('looked at a.yaml\nlooked at b.yaml\nlooked at /etc/vipd/vipd.yaml\n');
  });

  test('of a bad file is exit status 4, with the report on stderr', async () => {
    expect(await vipctl('check-config', 'bad.yaml')).toBe(4);
    expect([out, err]).toEqual(['', 'looked at bad.yaml\n']);
  });
});

test('--help and --version end with 0, and help names the exit statuses', async () => {
  expect(await vipctl('--help')).toBe(0);
  expect(out).toMatch(/3 {2}no agent answers/);
  out = '';
  expect(await vipctl('--version')).toBe(0);
  expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
});
