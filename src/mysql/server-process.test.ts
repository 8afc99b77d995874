import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Session } from './connection.js';
import { createServerProcess, type ServerProcess } from './server-process.js';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-server-process-'));
  copyFileSync('/bin/sleep', join(directory, 'mariadbd'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A process that has the server's name, and what a server tells of itself. */
const learnt = async (): Promise<{ readonly child: ChildProcess; readonly server: ServerProcess }> => {
  const child = spawn(join(directory, 'mariadbd'), ['60']);
  await once(child, 'spawn');
  const pidFile = join(directory, 'pid');
  writeFileSync(pidFile, `${child.pid}\n`);
  const session: Pick<Session, 'query'> = { query: () => Promise.resolve([{ pid_file: pidFile, datadir: directory }]) };
  const server = createServerProcess();
  await server.learn(session, 1_000);
  return { child, server };
};

test('ends the process that it was told of', async () => {
  const { child, server } = await learnt();
  const ended = once(child, 'exit');
  expect(server.kill()).toEqual({ killed: true, detail: `process ${child.pid} was ended (SIGKILL)` });
  expect(await ended).toEqual([null, 'SIGKILL']);
});

test('tells whether it has ended', async () => {
  const { child, server } = await learnt();
  expect(server.ended()).toBeNull();
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  expect(server.ended()).toBe(child.pid);
  expect(createServerProcess().ended()).toBeNull();
});

test('tells the processor time of its threads, and of no other process', async () => {
  const { child, server } = await learnt();
  const own = server.cpuMs([child.pid ?? 0]);
  expect(own).toBeGreaterThanOrEqual(0);
  expect(server.cpuMs([])).toBe(0);
  expect(server.cpuMs([child.pid ?? 0, process.pid, 0])).toBe(own);
  expect(createServerProcess().cpuMs([child.pid ?? 0])).toBeNull();
  expect(server.usedMs()).toBe(own);
  expect(createServerProcess().usedMs()).toBeNull();
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  expect([server.cpuMs([child.pid ?? 0]), server.usedMs()]).toEqual([null, null]);
});

test('one that was killed is at work until it has ended, whether or not its parent has taken note of that', async () => {
  const pidFile = join(directory, 'pid');
  // The shell becomes a program that never waits for its child.
  const script = `"${join(directory, 'mariadbd')}" 60 & echo $! >"${pidFile}"; echo; exec sleep 60`;
  const parent = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(parent.stdout, 'data');
  const session: Pick<Session, 'query'> = { query: () => Promise.resolve([{ pid_file: pidFile, datadir: directory }]) };
  const server = createServerProcess();
  expect(server.state()).toBe('unknown');
  await expect.poll(() => server.learn(session, 1_000).then(server.state)).toBe('runs');
  server.kill();
  expect(['killed', 'ended']).toContain(server.state());
  await expect.poll(server.state).toBe('ended');
  parent.kill('SIGKILL');
});

test('says so of one that has ended by itself, and does not throw', async () => {
  const { child, server } = await learnt();
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  expect(server.kill()).toEqual({ killed: false, detail: `process ${child.pid} has ended already` });
});
