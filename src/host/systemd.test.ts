import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AF_UNIX, bindSocket, closeFd, openSocket, receive, SOCK_DGRAM } from './libc.js';
import { createServiceManager, type ServiceManager } from './systemd.js';
import { unixAddress } from './unix-address.js';

let directory = '';
let socket = -1;
let nowMs = 0;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-notify-'));
  const path = join(directory, 'socket');
  socket = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'a notify socket');
  bindSocket(socket, unixAddress(path), 'a notify socket');
  process.env.NOTIFY_SOCKET = path;
  nowMs = 0;
});
afterEach(() => {
  delete process.env.NOTIFY_SOCKET;
  closeFd(socket);
  rmSync(directory, { recursive: true, force: true });
});

const manager = (env: Record<string, string> = {}): ServiceManager =>
  createServiceManager({ env: { ...process.env, ...env }, pid: process.pid, nowMs: () => nowMs });

const heard = (): readonly string[] => {
  const messages: string[] = [];
  const buffer = new Uint8Array(4_096);
  for (;;) {
    const length = receive(socket, buffer, null, 'a notification');
    if (length === null) return messages;
    messages.push(Buffer.from(buffer.subarray(0, length)).toString());
  }
};

test('start, status, reload and stop reach the service manager', () => {
  const service = manager();
  service.ready('standby of db2');
  service.status('promoting\nREADY=0');
  service.reloading();
  service.stopping('handing off');
  expect(heard()).toEqual([
    'READY=1\nSTATUS=standby of db2',
    'STATUS=promoting READY=0',
    'RELOADING=1',
    'STOPPING=1\nSTATUS=handing off',
  ]);
});

test('the watchdog is petted as often as it needs, however often the loop comes round', () => {
  const service = manager({ WATCHDOG_USEC: '2000000', WATCHDOG_PID: String(process.pid) });
  expect(service.watchdogIntervalMs()).toBe(2_000);
  for (nowMs = 0; nowMs < 2_000; nowMs += 1) service.pet();
  expect(heard()).toEqual(Array(4).fill('WATCHDOG=1'));
});

test.each([
  ['there is none', {}],
  ['it is for another process', { WATCHDOG_USEC: '2000000', WATCHDOG_PID: '1' }],
  ['its interval makes no sense', { WATCHDOG_USEC: '0' }],
])('no watchdog is petted where %s', (_, env) => {
  const service = manager(env);
  service.pet();
  expect(service.watchdogIntervalMs()).toBe(null);
  expect(heard()).toEqual([]);
});

test('without a service manager, or with one that is gone, nothing happens', () => {
  const gone = manager();
  closeFd(socket);
  rmSync(directory, { recursive: true });
  expect(() => gone.ready('')).not.toThrow();
  delete process.env.NOTIFY_SOCKET;
  const service = manager({ WATCHDOG_USEC: '2000000' });
  expect(() => {
    service.ready('');
    service.pet();
  }).not.toThrow();
  socket = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'a socket to close');
});

test('a manager that reads nothing is not waited for, and hears what matters once it reads again, in its order', () => {
  const service = manager({ WATCHDOG_USEC: '2000000' });
  for (nowMs = 0; nowMs < 2_000_000; nowMs += 500) service.pet();
  service.reloading();
  service.ready('standby');
  expect(new Set(heard())).toEqual(new Set(['WATCHDOG=1']));
  nowMs += 500;
  service.pet();
  expect(heard()).toEqual(['RELOADING=1', 'READY=1\nSTATUS=standby', 'WATCHDOG=1']);
});

test('a manager may listen at an abstract name', () => {
  const name = `@vipd-${process.pid}`;
  const abstract = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'a notify socket');
  bindSocket(abstract, Buffer.concat([unixAddress('').subarray(0, 2), Buffer.from(`\0${name.slice(1)}`)]), name);
  manager({ NOTIFY_SOCKET: name }).ready('standby');
  const message = Buffer.alloc(100);
  expect(message.subarray(0, receive(abstract, message, null, name) ?? 0).toString()).toBe('READY=1\nSTATUS=standby');
  closeFd(abstract);
});
