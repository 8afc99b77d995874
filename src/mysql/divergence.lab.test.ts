/** Divergence of a real pair that was split by hand: exactly the rows that differ, and binary logs that can be read. */

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { Server } from '../../test/lab/mysqld.js';
import { splitPair } from './divergence.fixture.js';
import { findDivergence } from './divergence.js';
import { keepDivergence, LIST_FILE } from './kept-binlog.js';
import { AGENT, alone, type Cleanup, EVERY_KIND, runCleanup } from './lab.fixture.js';
import { createLinks, type Link } from './links.js';

const run = promisify(execFile);
const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const linkTo = async (server: Server): Promise<Link> => {
  const target = { socket: server.socket };
  const links = createLinks({
    target,
    credentials: AGENT,
    onOpened: () => undefined,
    onLost: () => undefined,
  });
  cleanup.push(async () => links.close());
  return links.get('command', 5_000);
};

const find = async (here: Server, active: Server) =>
  findDivergence(await linkTo(here), {
    active: await active.position(),
    signal: new AbortController().signal,
    program: here.kind.binlog,
  });

/** Each program has its own way to print a quote and a line break in a text. */
const noteOf = { mariadb: "'it's\\x0ahere'", mysql: "'it\\'s\\nhere'" } as const;

describe.each(EVERY_KIND)('$title', (kind) => {
  test('the rows that differ are named, through two binary logs, and no others', async () => {
    const { active, standby } = await splitPair(cleanup, kind);
    await alone(standby, `GRANT SELECT ON shop.* TO '${AGENT.user}'@localhost`);
    const found = await find(standby, active);
    expect(found).toMatchObject({ count: 5, unread: '' });
    expect(found.transactions.flatMap(({ rows }) => rows)).toEqual([
      { kind: 'insert', table: 'shop.orders', before: [], after: [expect.any(String), '100'] },
      { kind: 'insert', table: 'shop.orders', before: [], after: [expect.any(String), '101'] },
      { kind: 'update', table: 'shop.orders', before: ['1', '1'], after: ['1', '7'] },
      { kind: 'delete', table: 'shop.notes', before: ['1', "'both'"], after: [] },
      { kind: 'insert', table: 'shop.only_here', before: [], after: ['1', noteOf[kind.name]] },
    ]);
    expect(found.transactions.flatMap(({ statements }) => statements)).toEqual([
      expect.stringContaining('CREATE TABLE shop.only_here'),
    ]);
    expect(found.columns.get('shop.orders')).toEqual(['id', 'v']);
    expect(found.parts).toHaveLength(2);
  });

  test('the other way round it is the rows of the other, and a node that has nothing extra names nothing', async () => {
    const { active, standby } = await splitPair(cleanup, kind);
    const found = await find(active, standby);
    expect(found.transactions.map(({ rows }) => rows.length)).toEqual([2, 1]);
    expect(await find(active, active)).toMatchObject({ missing: '', count: 0, transactions: [], parts: [] });
  });

  test('purged binary logs: what cannot be listed is said', async () => {
    const { active, standby } = await splitPair(cleanup, kind);
    await standby.sql("PURGE BINARY LOGS TO 'binlog.000002'");
    expect(await find(standby, active)).toMatchObject({
      count: 4,
      transactions: { length: 4 },
      unread: expect.stringMatching(/^what stands before and up to \S+: the oldest binary logs were purged$/),
    });
  });

  test("what is kept is read by the server's own tool, private, and kept once", async () => {
    const { active, standby } = await splitPair(cleanup, kind);
    const root = await mkdtemp(join(tmpdir(), 'vipd-kept-'));
    cleanup.push(() => rm(root, { recursive: true, force: true }));
    const found = await find(standby, active);
    const kept = await keepDivergence(join(root, 'divergence'), found);
    if (kept.kind !== 'kept') throw new Error(kept.why);
    const all = await readdir(kept.directory);
    expect(all).toEqual(['binlog.000001', 'binlog.000002', LIST_FILE]);
    for (const file of all) expect((await stat(join(kept.directory, file))).mode & 0o777).toBe(0o600);
    expect((await stat(kept.directory)).mode & 0o777).toBe(0o700);
    const list: unknown = JSON.parse(await readFile(join(kept.directory, LIST_FILE), 'utf8'));
    expect(list).toMatchObject({ count: 5, transactions: { length: 5 } });
    const files = all.filter((name) => name !== LIST_FILE);
    const paths = files.map((file) => join(kept.directory, file));
    const { stdout } = await run(kind.binlog, ['--no-defaults', '--base64-output=decode-rows', '-v', ...paths]);
    expect(stdout.match(/^### (?:INSERT|UPDATE|DELETE)/gm)).toHaveLength(5);
    expect(stdout).toContain('CREATE TABLE shop.only_here');
    expect(await keepDivergence(join(root, 'divergence'), { ...found, parts: [] })).toEqual(kept);
    expect(await keepDivergence(join(root, 'divergence'), { ...found, missing: 'other' }, 100)).toMatchObject({
      kind: 'not-kept',
      why: expect.stringContaining('of at most 100'),
    });
  });
});
