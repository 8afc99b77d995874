/** The pre-flight of a switchover: whatever a demotion would have to wait for, or to kill, is named with its holder. */

import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, test } from 'vitest';
import { KINDS } from '../../test/lab/kinds.js';
import type { ServerKind } from '../../test/lab/server-kind.js';
import {
  type Cleanup,
  type Client,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startPair,
  type Watched,
  watch,
  writeLoad,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const preflight = ({ run }: Watched) => run({ name: 'database-preflight' });

interface Lock {
  readonly take: readonly string[];
  readonly release: string;
  /** As the pre-flight calls it. */
  readonly named: RegExp;
}

const TABLE_LOCK: Lock = { take: ['LOCK TABLES orders WRITE'], release: 'UNLOCK TABLES', named: /LOCK TABLES … WRITE/ };
const READ_LOCK: Lock = {
  take: ['FLUSH TABLES WITH READ LOCK'],
  release: 'UNLOCK TABLES',
  named: /global read lock/,
};
/** What mariadb-backup goes through, stage by stage. */
const stages = (...names: readonly string[]): Lock => ({
  take: names.map((name) => `BACKUP STAGE ${name}`),
  release: 'BACKUP STAGE END',
  named: /a backup \(MDL_BACKUP_\w+\)/,
});

const BACKUPS: Readonly<Record<ServerKind['name'], readonly Lock[]>> = {
  mariadb: [
    stages('START'),
    stages('START', 'FLUSH'),
    stages('START', 'FLUSH', 'BLOCK_DDL'),
    stages('START', 'FLUSH', 'BLOCK_DDL', 'BLOCK_COMMIT'),
  ],
  mysql: [{ take: ['LOCK INSTANCE FOR BACKUP'], release: 'UNLOCK INSTANCE', named: /LOCK INSTANCE FOR BACKUP/ }],
};

const takeLock = async (client: Client, { take }: Lock): Promise<void> => {
  for (const statement of take) await client.query(statement);
};

describe.each(EVERY_KIND)('$title', (kind) => {
  test('a global read lock, a table lock and each stage of a backup are named, and nothing else once they are gone', async () => {
    const { active } = await startPair(cleanup, kind);
    const watched = watch(cleanup, active);
    const holder = await openClient(cleanup, active, 'root');
    for (const lock of [READ_LOCK, TABLE_LOCK, ...BACKUPS[kind.name]]) {
      await takeLock(holder, lock);
      // The client hears of its lock a moment before its session counts as one that sleeps.
      await eventually(async () => !(await preflight(watched)).ok);
      const { ok, detail } = await preflight(watched);
      expect({ ok, detail }, lock.take.join()).toEqual({ ok: false, detail: expect.stringMatching(lock.named) });
      expect(detail).toContain('held: session');
      expect(detail).toContain('root@localhost');
      await holder.query(lock.release);
      expect(await preflight(watched)).toEqual({ ok: true, detail: 'nothing in the way' });
    }
    expect(holder.ended).toBe(false);
  });

  test('they are named as well while their holder is busy with a statement, as a dump is', async () => {
    const { active } = await startPair(cleanup, kind);
    const watched = watch(cleanup, active);
    for (const lock of [READ_LOCK, BACKUPS[kind.name].at(-1) ?? READ_LOCK]) {
      const holder = await openClient(cleanup, active, 'root');
      await takeLock(holder, lock);
      const asleep = holder.query('SELECT SLEEP(60)').catch(() => undefined);
      await eventually(async () => lock.named.test((await preflight(watched)).detail));
      await endSleepers(active);
      await asleep;
      await holder.query(lock.release);
    }
    expect(await preflight(watched)).toMatchObject({ ok: true });
  });

  test.each([
    ['a statement under a table lock', ['LOCK TABLES orders WRITE'], 'SELECT SLEEP(60)'],
    ['a long INSERT', [], 'INSERT INTO orders (v) SELECT SLEEP(60)'],
    ['a long CREATE TABLE', [], 'CREATE TABLE later AS SELECT SLEEP(60) AS x'],
  ])('%s, which read-only would wait for, is named', async (_, before, statement) => {
    const { active } = await startPair(cleanup, kind);
    const watched = watch(cleanup, active);
    const client = await openClient(cleanup, active);
    for (const sql of before) await client.query(sql);
    const busy = client.query(statement).catch(() => undefined);
    await eventually(async () => /app@localhost/.test((await preflight(watched)).detail));
    const { detail } = await watched.run({ name: 'database-demote', force: false, timeoutMs: 1_000 });
    expect(detail).toMatch(/read_only=ON did not finish.*app@localhost.*undone: writable again/);
    await endSleepers(active);
    await busy;
  });

  test('clients that write in short statements hold no lock that counts', async () => {
    const { active } = await startPair(cleanup, kind);
    const watched = watch(cleanup, active);
    const load = writeLoad(active);
    await eventually(() => load.acknowledged > 50);
    const details = new Set<string>();
    for (let times = 0; times < 100; times += 1) details.add((await preflight(watched)).detail);
    await load.stop();
    expect([...details].filter((detail) => /held: session \d+ of \S+, for 0 s/.test(detail))).toEqual([]);
  });

  test('a transaction of a moment is not long because the second of the clock has turned meanwhile', async () => {
    const { active } = await startPair(cleanup, kind);
    const watched = watch(cleanup, active);
    const client = await openClient(cleanup, active);
    const second = () => Math.floor(Date.now() / 1_000);
    for (let tooSlow = true; tooSlow; ) {
      await eventually(() => Date.now() % 1_000 > 900);
      const [begunIn, begunAt] = [second(), performance.now()];
      await client.query('BEGIN');
      await client.query('INSERT INTO orders (v) VALUES (1)');
      await eventually(() => second() > begunIn);
      const outcome = await preflight(watched);
      tooSlow = performance.now() - begunAt >= 1_000;
      await client.query('ROLLBACK');
      if (!tooSlow) expect(outcome).toEqual({ ok: true, detail: 'nothing in the way' });
    }
  });
});

test("MariaDB without its plugin for locks: a table lock is counted, and the plugin's name told", async () => {
  const { active } = await startPair(cleanup, KINDS.mariadb);
  await active.sql("UNINSTALL SONAME 'metadata_lock_info'");
  const watched = watch(cleanup, active);
  const holder = await openClient(cleanup, active);
  await takeLock(holder, TABLE_LOCK);
  expect(await preflight(watched)).toEqual({
    ok: false,
    detail: expect.stringMatching(/LOCK TABLES held by 1 of the idle sessions .*metadata_lock_info.*app@localhost/),
  });
});

/** KILL QUERY of whoever sleeps: the session and what it holds stay. */
const endSleepers = async (server: {
  sql(statement: string): Promise<readonly object[]>;
  readonly kind: ServerKind;
}) => {
  const sleepers = `SELECT ID AS id FROM ${server.kind.processList} WHERE INFO LIKE '%SLEEP(60)%' AND ID <> CONNECTION_ID()`;
  for (const row of await server.sql(sleepers)) await server.sql(`KILL QUERY ${(row as { id: number }).id}`);
};
