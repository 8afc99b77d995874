import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLock } from './lock.js';

let directory = '';
let path = '';
let other: ChildProcess | null = null;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-lock-'));
  path = join(directory, 'run', 'agent.lock');
});
afterEach(() => {
  other?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** Another process, which takes the lock with flock(1) and says so. */
const lockElsewhere = async (): Promise<ChildProcess> => {
  const script = 'echo $$ > "$1"; exec 9<>"$1"; flock 9 || exit 1; echo locked; exec sleep 60';
  const child = spawn('/bin/sh', ['-c', script, 'locker', path], { stdio: ['ignore', 'pipe', 'inherit'] });
  other = child;
  if (child.stdout !== null) await once(child.stdout, 'data');
  return child;
};

test('the first has it, with its process id in the file; the second learns who', () => {
  const first = acquireLock(path);
  expect(first.kind).toBe('acquired');
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(acquireLock(path)).toEqual({ kind: 'held', heldBy: process.pid });
  if (first.kind === 'acquired') first.release();
  const again = acquireLock(path);
  expect(again.kind).toBe('acquired');
  if (again.kind === 'acquired') {
    again.release();
    again.release();
  }
});

test('another process holds it until it dies, by SIGKILL too', async () => {
  const mine = acquireLock(path);
  if (mine.kind === 'acquired') mine.release();
  const child = await lockElsewhere();
  expect(acquireLock(path)).toEqual({ kind: 'held', heldBy: child.pid });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const after = acquireLock(path, 7);
  expect(after.kind).toBe('acquired');
  expect(readFileSync(path, 'utf8')).toBe('7\n');
  if (after.kind === 'acquired') after.release();
});

test('a program started meanwhile does not inherit it', async () => {
  const mine = acquireLock(path);
  const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  other = child;
  await once(child, 'spawn');
  if (mine.kind === 'acquired') mine.release();
  const after = acquireLock(path);
  expect(after.kind).toBe('acquired');
  if (after.kind === 'acquired') after.release();
});

test('a path that cannot be opened is an error, and a symbolic link is not followed', () => {
  writeFileSync(join(directory, 'file'), '');
  expect(() => acquireLock(join(directory, 'file', 'lock'))).toThrow(/ENOTDIR|EEXIST/);
  symlinkSync('/etc/hostname', join(directory, 'link'));
  expect(() => acquireLock(join(directory, 'link'))).toThrow(/ELOOP/);
});
