import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VoterRecord } from '../core/types.js';
import { smallDisk, type TestDisk } from './disk.fixture.js';
import { createHookQueue } from './hooks.js';
import { createJournal } from './journal.js';
import { createRecordStore } from './store.js';

let disk: TestDisk;
beforeEach(async () => {
  disk = await smallDisk(64);
});
afterEach(() => disk.remove());

const record = (maxTerm: number): VoterRecord => ({
  maxTerm,
  holder: 'db1',
  servedTerm: 3,
  sync: true,
  maxLeaseMs: 300,
  dataTerm: 2,
  byWord: false,
  pause: { version: 1, on: false, leftMs: -1, since: 0, boot: '' },
  maintenance: false,
});

/** Until nothing more fits. */
const fill = (): void => {
  try {
    for (let i = 0; ; i += 1) writeFileSync(join(disk.path, `filler${i}`), Buffer.alloc(4_096));
  } catch {
    // Full.
  }
};

test('a full disk keeps the old record and refuses the new one, until there is room again', async () => {
  const store = createRecordStore({ directory: disk.path, group: 'orders', voter: 'db1' });
  await store.save(record(4));
  fill();
  await expect(store.save(record(5))).rejects.toMatchObject({
    code: 'ENOSPC',
    message: `cannot write the voter's record ${store.path}: ENOSPC (the disk is full); free some space`,
  });
  expect(await store.load()).toEqual({ kind: 'found', record: record(4) });
  rmSync(join(disk.path, 'filler0'));
  await store.save(record(6));
  expect(await store.load()).toEqual({ kind: 'found', record: record(6) });
});

test('a read-only disk keeps the old record, refuses the new one, and says so', async () => {
  const store = createRecordStore({ directory: disk.path, group: 'orders', voter: 'db1' });
  await store.save(record(4));
  disk.run('mount', '-o', 'remount,ro', '/mnt');
  await expect(store.save(record(5))).rejects.toMatchObject({ code: 'EROFS' });
  expect(await store.load()).toEqual({ kind: 'found', record: record(4) });
  const fresh = createRecordStore({ directory: disk.path, group: 'sales', voter: 'db1' });
  await expect(fresh.save(record(1))).rejects.toMatchObject({ code: 'EROFS' });
  expect(await fresh.load()).toEqual({ kind: 'missing' });
});

test('a full disk is a note and no end: the journal keeps its lines, and writes them when there is room', async () => {
  const problems: (string | null)[] = [];
  const journal = createJournal({
    directory: disk.path,
    nowMs: () => performance.now(),
    wallClock: () => new Date(),
    onProblem: (why) => problems.push(why),
  });
  const entry = (cause: string) => ({ kind: 'notice', term: 4, cause, text: 'x'.repeat(1_000) }) as const;
  journal.append(entry('before'));
  await expect.poll(() => readFileSync(journal.path, 'utf8')).toContain('before');
  fill();
  for (let i = 0; i < 10; i += 1) journal.append(entry(`during${i}`));
  await expect.poll(() => problems[0]).toContain('ENOSPC');
  const expected = ['before', ...Array.from({ length: 10 }, (_, i) => `during${i}`)];
  expect((await journal.tail(20)).map((line) => line.cause)).toEqual(expected);
  for (let i = 0; i < 8; i += 1) rmSync(join(disk.path, `filler${i}`));
  await expect.poll(() => problems[1], { timeout: 10_000 }).toBe(null);
  await journal.close();
  expect((await journal.tail(20)).map((line) => line.cause)).toEqual(expected);
});

test('a hook that belongs to another account is refused', async () => {
  const file = join(disk.path, 'pre-promote', 'gate');
  mkdirSync(dirname(file));
  writeFileSync(file, '#!/bin/sh\nexit 0\n');
  chmodSync(file, 0o755);
  disk.run('chown', 'nobody', '/mnt/pre-promote/gate');
  const hooks = createHookQueue({
    settings: () => ({ directory: disk.path, timeoutMs: 5_000 }),
    nowMs: () => performance.now(),
  });
  const facts = {
    group: 'g',
    node: 'db1',
    phase: 'pre-promote',
    term: 1,
    role: 'promoting',
    reason: '',
    peer: 'db2',
    vips: [],
  } as const;
  const result = await hooks.run(facts);
  expect(result).toMatchObject({ ok: false, ran: [] });
  expect(result.detail).toContain('belongs to user id 65534');
});
