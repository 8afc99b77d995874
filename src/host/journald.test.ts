import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeFields, journalDestination, journalFields } from './journald.js';
import { AF_UNIX, bindSocket, closeFd, openSocket, receive, SOCK_DGRAM } from './libc.js';
import { createLogger, type Logger } from './log.js';
import { unixAddress } from './unix-address.js';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-journald-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A logger for the journal at a socket of that name, and the lines that the journal did not take. */
const logTo = (socket: string): { readonly log: Logger; readonly refused: string[] } => {
  const refused: string[] = [];
  const destination = journalDestination({ write: (line) => refused.push(line) }, socket);
  return { log: createLogger({ level: 'debug', reader: 'program', destination }), refused };
};

const listen = (name: string): { readonly path: string; readonly fd: number } => {
  const path = join(directory, name);
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'listening as the journal');
  bindSocket(fd, unixAddress(path), 'listening as the journal');
  return { path, fd };
};

test('an entry arrives with its priority and its fields, upper case', () => {
  const { path, fd } = listen('one');
  const { log, refused } = logTo(path);
  log.child({ group: 'orders' }).warn({ term: 4, role: 'standby', holds: ['stale'] }, 'holds "stale"');
  const datagram = Buffer.alloc(1_000);
  const length = receive(fd, datagram, null, 'reading as the journal') ?? 0;
  expect(datagram.subarray(0, length).toString().trimEnd().split('\n')).toEqual([
    'MESSAGE=holds "stale" holds=["stale"]',
    'PRIORITY=4',
    'SYSLOG_IDENTIFIER=vipd',
    'GROUP=orders',
    'TERM=4',
    'ROLE=standby',
    'HOLDS=["stale"]',
  ]);
  expect(refused).toEqual([]);
  closeFd(fd);
});

test.each([
  ['fatal', '2'],
  ['error', '3'],
  ['warn', '4'],
  ['info', '6'],
  ['debug', '7'],
])('%s has the priority %s', (level, priority) => {
  expect(journalFields(JSON.stringify({ level, msg: 'x' }))?.get('PRIORITY')).toBe(priority);
});

test('a line break cannot begin a field, and no name is one of the journal’s own', () => {
  const fields = journalFields(JSON.stringify({ level: 'info', msg: 'x', _PID: 1, '': 2, 'a-b': 'one\nPRIORITY=0' }));
  expect([...(fields?.keys() ?? [])]).toEqual(['MESSAGE', 'PRIORITY', 'SYSLOG_IDENTIFIER', 'A_B']);
  expect(fields?.get('A_B')).not.toContain('\n');
  const encoded = encodeFields(new Map([['MESSAGE', 'one\ntwo']]));
  expect(encoded).toEqual(Buffer.from('MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n', 'latin1'));
});

test('what the journal does not take goes elsewhere, and nothing waits', () => {
  const { log, refused } = logTo(join(directory, 'nobody-listens'));
  log.info('lost?');
  expect(refused.join('')).toContain('"msg":"lost?"');

  // Nobody reads: after some hundred entries its queue is full (unix(7), max_dgram_qlen).
  const { path, fd } = listen('never-read');
  const stuck = logTo(path);
  for (let i = 0; i < 2_000; i += 1) stuck.log.info({ i }, 'again');
  expect(stuck.refused.length).toBeGreaterThan(0);
  expect(stuck.refused.at(-1)).toContain('"i":1999');
  closeFd(fd);
});

test('standard error says in the journal that its lines are errors, and nothing elsewhere', () => {
  const vipd = join(import.meta.dirname, '..', '..', 'dist', 'src', 'cli', 'vipd.js');
  // As systemd.exec(5) has it: the variable names what standard error is connected to.
  const asStream = 'JOURNAL_STREAM=$(stat -Lc %d:%i /dev/stderr) exec "$@"';
  const run = (script: string) =>
    spawnSync('sh', ['-c', script, 'sh', process.execPath, vipd, '--config', join(directory, 'none.yaml')], {
      encoding: 'utf8',
    });
  expect(run(asStream)).toMatchObject({ status: 4, stderr: expect.stringMatching(/^<3>\S/) });
  expect(run('exec "$@"')).toMatchObject({ status: 4, stderr: expect.stringMatching(/^[^<]/) });
});
