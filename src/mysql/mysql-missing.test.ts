/** What is read from the binary log files of a MySQL that does not run. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createBinlogTail, type Shipment } from './binlog-tail.js';
import { type MysqlFileOptions, writeMysqlBinlog } from './mysql-binlog.fixture.js';

const A = '10990000-0000-4000-8000-000000000001';
const B = '10990000-0000-4000-8000-000000000002';
const signal = new AbortController().signal;

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'vipd-binlog-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const of = (uuid: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => [uuid, from + i] as const);

/** Answers the ends of the transactions of each file. */
const write = async (...files: readonly MysqlFileOptions[]): Promise<readonly (readonly number[])[]> => {
  const names = files.map((_, i) => `./binlog.00000${i + 1}`);
  await writeFile(join(dir, 'binlog.index'), `${names.join('\n')}\n`);
  const written = files.map(writeMysqlBinlog);
  await Promise.all(written.map(({ bytes }, i) => writeFile(join(dir, names[i] ?? ''), bytes)));
  return written.map(({ ends }) => ends);
};
const tail = () => createBinlogTail({ indexFile: join(dir, 'binlog.index'), dataDirectory: dir });
const compare = (have: string): Promise<Shipment> => tail().compare(have, signal);

describe('the position of a MySQL binary log', () => {
  test('is what stood before the last file and every transaction in it, over rows larger than one read', async () => {
    await write({ previous: [], gtids: of(A, 1, 3) }, { previous: [[A, 1, 3]], gtids: of(A, 4, 6), rowBytes: 700_000 });
    expect((await tail().read(signal)).position).toBe(`mysql:${A}:1-6`);
  });

  test('of a file cut off at any byte of its last transaction is the one before', async () => {
    const [ends = []] = await write({ previous: [[B, 1, 7]], gtids: of(A, 1, 2) });
    const { bytes } = writeMysqlBinlog({ previous: [[B, 1, 7]], gtids: of(A, 1, 2) });
    for (let size = ends[0] ?? 0; size <= bytes.length; size += 5) {
      await writeFile(join(dir, 'binlog.000001'), bytes.subarray(0, size));
      const whole = ends.filter((end) => end <= size).length;
      const expected = `mysql:${A}:${whole === 1 ? '1' : `1-${whole}`},${B}:1-7`;
      expect((await tail().read(signal)).position).toBe(expected);
    }
  });

  test('follows a file that grows', async () => {
    const one = tail();
    await write({ previous: [], gtids: of(A, 1, 3) });
    expect((await one.read(signal)).position).toBe(`mysql:${A}:1-3`);
    await write({ previous: [], gtids: [...of(A, 1, 5), [B, 9]] });
    expect((await one.read(signal)).position).toBe(`mysql:${A}:1-5,${B}:9`);
  });
});

describe('what another has not of a MySQL binary log', () => {
  const files: readonly MysqlFileOptions[] = [
    { previous: [[A, 1, 10]], gtids: of(A, 11, 14) },
    { previous: [[A, 1, 14]], gtids: of(A, 15, 18) },
  ];

  test('is nothing where it has all, or more', async () => {
    await write(...files);
    expect(await compare(`mysql:${A}:1-18,${B}:1-3`)).toMatchObject({ kind: 'nothing' });
  });

  test('begins behind its last transaction, in whichever file that stands, and names no set', async () => {
    const [first = [], second = []] = await write(...files);
    expect(await compare(`mysql:${A}:1-16`)).toMatchObject({
      start: second[1],
      transactions: 2,
      missing: `${A}:17-18`,
    });
    const shipment = await compare(`mysql:${A}:1-12`);
    expect(shipment).toMatchObject({ kind: 'ship', start: first[1], end: second[3], transactions: 6 });
    expect(shipment).not.toHaveProperty('without');
  });

  test('with something that is had in between is told with the set that is had', async () => {
    const [first = []] = await write(...files);
    const have = `${A}:1-12:14:17`;
    expect(await compare(`mysql:${have}`)).toMatchObject({ start: first[1], transactions: 4, without: have });
  });

  test('cannot be had whole where the files before were purged', async () => {
    await write(...files);
    expect(await compare(`mysql:${A}:1-8:11-12`)).toMatchObject({
      kind: 'cannot',
      why: expect.stringMatching(`binlog.000001 begins after ${A}:9-10.*purged`),
      missing: `${A}:9-10:13-18`,
    });
  });
});
