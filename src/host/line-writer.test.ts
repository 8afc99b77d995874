import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLineWriter } from './line-writer.js';

const MAX_BYTES = 256 * 1024;

let directory = '';
let fifo = '';
let opened: number[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-lines-'));
  fifo = join(directory, 'fifo');
  spawnSync('mkfifo', [fifo]);
  opened = [];
});
afterEach(() => {
  for (const fd of opened) closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

const open = (path: string, flags: number): number => {
  const fd = openSync(path, flags | constants.O_NONBLOCK);
  opened.push(fd);
  return fd;
};
const close = (fd: number): void => {
  opened = opened.filter((other) => other !== fd);
  closeSync(fd);
};
const read = (fd: number): string => {
  const piece = Buffer.alloc(MAX_BYTES);
  try {
    return piece.subarray(0, readSync(fd, piece)).toString();
  } catch {
    return '';
  }
};
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

test('a reader that is gone costs the lines of that time, and the next one gets what follows', async () => {
  const first = open(fifo, constants.O_RDONLY);
  const writer = createLineWriter(open(fifo, constants.O_WRONLY), MAX_BYTES);
  writer.write('one\n');
  await expect.poll(() => read(first)).toBe('one\n');
  close(first);
  writer.write('lost\n');
  await settle();
  const second = open(fifo, constants.O_RDONLY);
  writer.write('two\n');
  await expect.poll(() => read(second)).toBe('two\n');
});

test('a full disk ends nothing', async () => {
  const writer = createLineWriter(open('/dev/full', constants.O_WRONLY), MAX_BYTES);
  for (let i = 0; i < 3; i += 1) {
    writer.write('lost\n');
    await settle();
  }
  writer.flush();
});

test('lines arrive whole and in order through a pipe that is full, and what is too much is dropped', async () => {
  const reader = open(fifo, constants.O_RDONLY);
  const writer = createLineWriter(open(fifo, constants.O_WRONLY), MAX_BYTES);
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'x'.repeat(40)}\n`);
  for (const line of lines) writer.write(line);
  let text = '';
  await expect
    .poll(
      () => {
        text += read(reader);
        return text.length >= MAX_BYTES - 100;
      },
      { interval: 5, timeout: 10_000 },
    )
    .toBe(true);
  const told = text.split('\n').slice(0, -1);
  expect(told.length).toBeLessThan(lines.length);
  expect(told).toEqual(lines.slice(0, told.length).map((line) => line.trimEnd()));
});

test('what waits is written at the end, and a reader that takes nothing is not waited for long', () => {
  const path = join(directory, 'file');
  const file = createLineWriter(open(path, constants.O_WRONLY | constants.O_CREAT), MAX_BYTES);
  file.write('one\n');
  file.write('two\n');
  file.flush();
  expect(readFileSync(path, 'utf8')).toContain('two\n');

  open(fifo, constants.O_RDONLY);
  const stuck = createLineWriter(open(fifo, constants.O_WRONLY), MAX_BYTES);
  for (let i = 0; i < 100; i += 1) stuck.write(`${'x'.repeat(2_000)}\n`);
  stuck.flush();
});
