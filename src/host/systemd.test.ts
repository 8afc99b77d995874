import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bindSocket, closeFd, openSocket, receive, SOCK_DGRAM } from './libc.js';
import { createServiceManager, type ServiceManager } from './systemd.js';

const AF_UNIX = 1;

let directory = '';
let socket = -1;
let nowMs = 0;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-notify-'));
  const path = join(directory, 'socket');
  socket = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'a notify socket');
  // struct sockaddr_un (unix(7)): the family in the host's byte order, then the path, ended by a NUL.
  const family = new Uint8Array(Uint16Array.of(AF_UNIX).buffer);
  bindSocket(socket, Buffer.concat([family, Buffer.from(`${path}\0`)]), 'a notify socket');
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
