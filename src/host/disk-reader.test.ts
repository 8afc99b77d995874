import { expect, test } from 'vitest';
import { hungReader } from './disk-reader.fixture.js';
import { createDiskReader } from './disk-reader.js';

const forever = (): Promise<never> => new Promise(() => undefined);

test('a read answers, fails, or is given up at its deadline', async () => {
  const disk = createDiskReader();
  expect(await disk.read('a', 5_000, async () => 7)).toBe(7);
  await expect(disk.read('a', 5_000, () => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
  await expect(disk.read('reading a', 20, forever)).rejects.toThrow('reading a: no answer within 20 ms');
});

test('behind a read that hangs none is begun, and those given up meanwhile never are', async () => {
  const { disk, answer } = hungReader();
  const begun: string[] = [];
  const read = (name: string, timeoutMs: number) => disk.read(name, timeoutMs, async () => begun.push(name));
  await expect(read('late', 20)).rejects.toThrow('late: an earlier read has had no answer');
  const patient = read('patient', 5_000);
  expect(begun).toEqual([]);
  answer();
  await patient;
  expect(begun).toEqual(['patient']);
});

test('only so many wait', async () => {
  const { disk, answer } = hungReader();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const reads = Array.from({ length: 20 }, () => disk.read('a', 5_000, async () => 'read').catch(() => 'refused'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  answer();
  const results = await Promise.all(reads);
  expect(results.filter((result) => result === 'read').length).toBe(16);
});
