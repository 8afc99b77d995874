import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VoterRecord } from '../core/types.js';
import { createRecordStore, type RecordStore, StoreError } from './store.js';

let directory = '';
let store: RecordStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-store-'));
  store = createRecordStore({ directory, group: 'orders', voter: 'db1' });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

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

test('what was saved is found, by another process too', async () => {
  await store.save(record(4));
  const other = createRecordStore({ directory, group: 'orders', voter: 'db1' });
  expect(await other.load()).toEqual({ kind: 'found', record: record(4) });
  expect(statSync(store.path).mode & 0o777).toBe(0o600);
  expect(readdirSync(dirname(store.path))).toEqual(['record.json']);
});

test('each group of a witness has its own', async () => {
  const sales = createRecordStore({ directory, group: 'sales', voter: 'w1' });
  await Promise.all([store.save(record(4)), sales.save(record(9))]);
  expect(await store.load()).toMatchObject({ record: { maxTerm: 4 } });
  expect(await sales.load()).toMatchObject({ record: { maxTerm: 9 } });
  expect(() => createRecordStore({ directory, group: '../etc', voter: 'w1' })).toThrow(/cannot name a directory/);
});

test('none is missing, which is not unreadable', async () => {
  expect(await store.load()).toEqual({ kind: 'missing' });
});

test('cut anywhere, it is torn', async () => {
  await store.save(record(4));
  const whole = readFileSync(store.path);
  for (let length = 0; length < whole.length - 1; length += 1) {
    writeFileSync(store.path, whole.subarray(0, length));
    expect(await store.load()).toMatchObject({ kind: 'unreadable', cause: 'torn' });
  }
});

test('damaged anywhere, it is never another record', async () => {
  await store.save(record(4));
  const whole = readFileSync(store.path);
  for (let at = 0; at < whole.length; at += 1) {
    const damaged = Buffer.from(whole);
    damaged[at] = (whole[at] ?? 0) ^ 1;
    writeFileSync(store.path, damaged);
    const loaded = await store.load();
    if (loaded.kind === 'found') expect(loaded.record).toEqual(record(4));
    else expect(loaded.kind).toBe('unreadable');
  }
});

test('of another voter, another group or another format it is foreign', async () => {
  await store.save(record(4));
  const other = createRecordStore({ directory, group: 'orders', voter: 'db2' });
  expect(await other.load()).toMatchObject({ kind: 'unreadable', cause: 'foreign' });
  const sales = createRecordStore({ directory, group: 'sales', voter: 'db1' });
  mkdirSync(dirname(sales.path));
  writeFileSync(sales.path, readFileSync(store.path));
  expect(await sales.load()).toMatchObject({ cause: 'foreign', why: expect.stringContaining('db1 in group orders') });
  writeFileSync(store.path, file(2, record(4)));
  expect(await store.load()).toMatchObject({ cause: 'foreign', why: expect.stringContaining('format 2') });
});

const file = (format: number, content: unknown): string => {
  const text = JSON.stringify([format, 'orders', 'db1', content]);
  const sha256 = createHash('sha256').update(text).digest('hex');
  return JSON.stringify({ format, group: 'orders', voter: 'db1', sha256, record: content });
};

test('sound, but without the fields of a record, it is invalid', async () => {
  await store.save(record(4));
  writeFileSync(store.path, file(1, { ...record(4), maxTerm: -1 }));
  expect(await store.load()).toMatchObject({ cause: 'invalid', why: expect.stringContaining('maxTerm') });
  writeFileSync(store.path, file(1, { ...record(4), more: 1 }));
  expect(await store.load()).toMatchObject({ cause: 'invalid' });
});

test('what is no plain file is unreadable, with the reason', async () => {
  mkdirSync(store.path, { recursive: true });
  expect(await store.load()).toMatchObject({ cause: 'access', why: expect.stringContaining('EISDIR') });
  rmSync(store.path, { recursive: true });
  symlinkSync('/etc/hostname', store.path);
  expect(await store.load()).toMatchObject({ cause: 'access', why: expect.stringContaining('ELOOP') });
});

test('each save resolves when its record or a later one is on disk, and the latest stays', async () => {
  const terms = Array.from({ length: 100 }, (_, i) => i + 1);
  await Promise.all(
    terms.map(async (term) => {
      await store.save(record(term));
      const loaded = await store.load();
      expect(loaded.kind === 'found' && loaded.record.maxTerm >= term).toBe(true);
    }),
  );
  expect(await store.load()).toMatchObject({ record: { maxTerm: 100 } });
});

test('a failed save names path and cause, keeps the old record, and a later one succeeds', async () => {
  await store.save(record(4));
  const obstacle = `${store.path}.tmp`;
  mkdirSync(obstacle);
  const failure = await store.save(record(5)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StoreError);
  expect(failure).toMatchObject({ path: store.path, code: 'EISDIR', message: expect.stringContaining(store.path) });
  expect(await store.load()).toMatchObject({ record: { maxTerm: 4 } });
  rmSync(obstacle, { recursive: true });
  await store.save(record(6));
  expect(await store.load()).toMatchObject({ record: { maxTerm: 6 } });
});

test('saves that pile up on a dead disk are refused, not queued for ever', async () => {
  const saves = Array.from({ length: 1_100 }, (_, i) =>
    store.save(record(i)).then(
      () => 'saved',
      (e: Error) => e.message,
    ),
  );
  const outcomes = await Promise.all(saves);
  const refused = outcomes.filter((outcome) => outcome !== 'saved');
  expect(refused.length).toBe(1_100 - 1_001);
  expect(refused[0]).toContain('1000 saves wait already');
});
