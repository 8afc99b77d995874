/** What is read from the binary log files of a server that does not run. */

import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FileOptions, type Group, writeBinlog } from './binlog.fixture.js';
import { type BinlogTail, createBinlogTail } from './binlog-tail.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vipd-binlog-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const signal = new AbortController().signal;
const path = (n: number): string => join(directory, `binlog.00000${n}`);
const rows = (...gtids: readonly string[]): readonly Group[] => gtids.map((gtid) => ({ gtid, kind: 'rows' }));
const range = (source: string, from: number, to: number): readonly Group[] =>
  rows(...Array.from({ length: to - from + 1 }, (_, i) => `${source}-${from + i}`));

const write = async (...files: readonly FileOptions[]): Promise<BinlogTail> => {
  await Promise.all(files.map((file, i) => writeFile(path(i + 1), writeBinlog(file).bytes)));
  await writeFile(join(directory, 'binlog.index'), files.map((_, i) => `./binlog.00000${i + 1}\n`).join(''));
  return createBinlogTail({ indexFile: join(directory, 'binlog.index'), dataDirectory: directory });
};

describe('the position', () => {
  test('is what stood before the last file and every transaction in it, of each domain and server', async () => {
    const tail = await write(
      { list: [], groups: range('0-1', 1, 3) },
      {
        list: ['0-1-3', '1-9-4'],
        groups: [...rows('0-2-4', '0-1-5'), { gtid: '1-9-5', kind: 'ddl' }, { gtid: '0-1-6', kind: 'commit-query' }],
      },
    );
    expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-6,0-2-4,1-9-5', torn: false });
  });

  test('is the same without checksums, and over rows larger than one read', async () => {
    const groups: readonly Group[] = [
      ...rows('0-1-1'),
      { gtid: '0-1-2', kind: 'rows', bodyBytes: 3_000_000 },
      { gtid: '0-1-3', kind: 'commit-query' },
      { gtid: '0-1-4', kind: 'rows', bodyBytes: 1_048_500 },
      ...rows('0-1-5'),
    ];
    for (const checksum of [true, false]) {
      const tail = await write({ list: [], groups, checksum });
      expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-5', torn: false });
    }
  });

  test('of a file cut off at any byte is the last whole transaction', async () => {
    const groups: readonly Group[] = [
      ...rows('0-1-1'),
      { gtid: '0-1-2', kind: 'ddl' },
      { gtid: '0-1-3', kind: 'commit-query' },
      ...rows('0-1-4'),
    ];
    const whole = writeBinlog({ list: ['0-2-9'], groups });
    const tail = await write({ list: ['0-2-9'], groups });
    const empty = writeBinlog({ list: ['0-2-9'], groups: [] }).bytes.length;
    for (let length = whole.bytes.length; length >= empty; length -= 1) {
      await truncate(path(1), length);
      const had = whole.ends.filter((end) => end <= length).length;
      expect(await tail.read(signal)).toMatchObject({
        position: had === 0 ? 'mariadb:0-2-9' : `mariadb:0-1-${had},0-2-9`,
        torn: length !== empty && !whole.ends.includes(length),
        ...(had === 0 ? {} : { end: whole.ends[had - 1] }),
      });
    }
  });

  test('of a file that ends in zeros, as after a power cut, is the last whole transaction', async () => {
    const tail = await write({ list: [], groups: range('0-1', 1, 3) });
    await appendFile(path(1), Buffer.alloc(5_000));
    expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-3', torn: true });
  });

  test('follows a file that grows, is cut shorter, and is followed by another', async () => {
    const first = writeBinlog({ list: [], groups: range('0-1', 1, 9) });
    const tail = await write({ list: [], groups: range('0-1', 1, 5) });
    expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-5' });
    await appendFile(path(1), first.bytes.subarray(first.ends[4]));
    expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-9' });
    await truncate(path(1), first.ends[1]);
    expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-2' });
    await writeFile(path(2), writeBinlog({ list: ['0-1-2'], groups: rows('0-1-3') }).bytes);
    await appendFile(join(directory, 'binlog.index'), './binlog.000002\n');
    expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-3', file: path(2) });
  });

  test('is that of the file before when the last has no head yet', async () => {
    const tail = await write({ list: [], groups: range('0-1', 1, 3) }, { list: ['0-1-3'], groups: [] });
    for (const length of [200, 3, 0]) {
      await truncate(path(2), length);
      expect(await tail.read(signal)).toMatchObject({ position: 'mariadb:0-1-3', file: path(1) });
    }
  });

  test('cannot be had of an encrypted file, of another format, or without the files; each is told', async () => {
    const encrypted = await write({ list: [], groups: rows('0-1-1'), encrypted: true });
    await expect(encrypted.read(signal)).rejects.toThrow(/binlog\.000001: it is encrypted/);
    await writeFile(path(1), 'no binary log at all');
    await expect(encrypted.read(signal)).rejects.toThrow('does not begin as a binary log does');
    await rm(path(1));
    await expect(encrypted.read(signal)).rejects.toThrow('ENOENT');
    await rm(join(directory, 'binlog.index'));
    await expect(encrypted.read(signal)).rejects.toThrow(/cannot read .*binlog\.index: ENOENT/);
  });
});

describe('what another lacks', () => {
  const files = (): Promise<BinlogTail> =>
    write(
      { list: ['0-2-50'], groups: range('0-1', 51, 60) },
      { list: ['0-2-50', '0-1-60'], groups: range('0-1', 61, 70) },
      { list: ['0-2-50', '0-1-70'], groups: range('0-1', 71, 80) },
    );

  test('is nothing where it has all, or more', async () => {
    const tail = await files();
    expect(await tail.compare('mariadb:0-1-80,0-2-50', signal)).toMatchObject({ kind: 'nothing' });
    expect(await tail.compare('mariadb:0-1-90,0-2-91', signal)).toMatchObject({ kind: 'nothing' });
  });

  test('begins behind its last transaction, in whichever file that stands', async () => {
    const tail = await files();
    const first = writeBinlog({ list: ['0-2-50'], groups: range('0-1', 51, 60) });
    expect(await tail.compare('mariadb:0-1-78,0-2-50', signal)).toMatchObject({
      kind: 'ship',
      files: [path(3)],
      transactions: 2,
      upTo: 'mariadb:0-1-80',
    });
    const far = await tail.compare('mariadb:0-1-55,0-2-50', signal);
    expect(far).toMatchObject({ kind: 'ship', files: [path(1), path(2), path(3)], transactions: 25 });
    expect(far).toMatchObject({ start: first.ends[4] });
    const edge = await tail.compare('mariadb:0-1-70,0-2-50', signal);
    expect(edge).toMatchObject({ kind: 'ship', files: [path(3)], transactions: 10 });
  });

  test('begins there also for a clone whose own binlog never named the older servers', async () => {
    const tail = await files();
    expect(await tail.compare('mariadb:0-1-75', signal)).toMatchObject({
      kind: 'ship',
      files: [path(3)],
      transactions: 5,
      upTo: 'mariadb:0-1-80',
    });
    expect(await tail.compare('mariadb:0-1-80', signal)).toMatchObject({ kind: 'nothing' });
  });

  test('leaves out what a clone has of other servers, whose transactions stand before its last', async () => {
    const tail = await write({ list: [], groups: rows('0-3-1', '0-1-2', '0-1-3', '0-3-4') });
    const { ends } = writeBinlog({ list: [], groups: rows('0-3-1', '0-1-2') });
    expect(await tail.compare('mariadb:0-1-2', signal)).toMatchObject({
      kind: 'ship',
      start: ends[1],
      transactions: 2,
      upTo: 'mariadb:0-1-3,0-3-4',
    });
  });

  test('is found without a look at files older than needed', async () => {
    const tail = await files();
    await rm(path(1));
    expect(await tail.compare('mariadb:0-1-65,0-2-50', signal)).toMatchObject({ kind: 'ship', transactions: 15 });
    await expect(tail.compare('mariadb:0-1-55,0-2-50', signal)).rejects.toThrow('ENOENT');
  });

  test('cannot be had whole where the files before were purged', async () => {
    const tail = await files();
    expect(await tail.compare('mariadb:0-2-40', signal)).toMatchObject({
      kind: 'cannot',
      why: expect.stringMatching(/oldest binary log binlog\.000001 begins after 0-2-50.*purged/s),
    });
  });

  test('cannot be had where both have written', async () => {
    const tail = await files();
    expect(await tail.compare('mariadb:0-1-75,0-2-76', signal)).toMatchObject({
      kind: 'cannot',
      why: expect.stringMatching(/this node has 0-2-76, and the dead server has 0-1-76 of its own/),
    });
  });

  test('of two domains at different places is told by GTID rather than by byte', async () => {
    const tail = await write({ list: [], groups: rows('0-1-1', '1-1-1', '0-1-2', '1-1-2', '0-1-3', '1-1-3') });
    expect(await tail.compare('mariadb:0-1-1,1-1-2', signal)).toMatchObject({
      kind: 'ship',
      without: '0-1-1,1-1-2',
      transactions: 3,
    });
  });

  test('leaves out what a crash tore off', async () => {
    const tail = await write({ list: [], groups: range('0-1', 1, 5) });
    const { ends } = writeBinlog({ list: [], groups: range('0-1', 1, 5) });
    await truncate(path(1), (ends[4] ?? 0) - 1);
    expect(await tail.compare('mariadb:0-1-2', signal)).toMatchObject({ kind: 'ship', end: ends[3], transactions: 2 });
    expect(await tail.compare('mariadb:0-1-4', signal)).toMatchObject({ kind: 'nothing', tail: { torn: true } });
  });

  test('is not looked for once it was given up', async () => {
    const tail = await files();
    await expect(tail.compare('mariadb:0-1-51', AbortSignal.abort())).rejects.toThrow('given up');
  });
});
