/** MariaDB's positions are a point for each domain and server, and no set: with several of both, nothing may be mixed up. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { KINDS } from '../../test/lab/kinds.js';
import type { Server } from '../../test/lab/mysqld.js';
import { containsPosition } from '../core/position.js';
import { type Cleanup, count, eventually, openClient, type Pair, runCleanup, startPair, watch } from './lab.fixture.js';
import { catchUp, startSides } from './salvage.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const kind = KINDS.mariadb;
const INSERT = 'INSERT INTO shop.orders (v) VALUES (1)';

/** A row under another domain, or as from another server; the standby counts what it has by both. */
const insert = (server: Server, as: { readonly domain?: number; readonly id?: number } = {}) =>
  server.sql(
    [
      ...(as.domain === undefined ? [] : [`SET SESSION gtid_domain_id=${as.domain}`]),
      ...(as.id === undefined ? [] : [`SET SESSION server_id=${as.id}`]),
      INSERT,
    ].join('; '),
  );

/** All but the second, once the replica that had read the first is gone. */
const purge = async (server: Server): Promise<void> => {
  await server.sql('FLUSH BINARY LOGS');
  await eventually(async () => {
    await server.sql("PURGE BINARY LOGS TO 'binlog.000002'");
    return (await server.sql('SHOW BINARY LOGS')).length === 1;
  });
};

const arrived = (from: Server, at: Server): Promise<void> =>
  eventually(async () => containsPosition(await at.position(), await from.position()));

describe('the position', () => {
  test('names every domain and server that wrote, on both nodes, also after others have written', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    await insert(active, { domain: 5 });
    await insert(active, { id: 9 });
    await insert(active, { domain: 5, id: 9 });
    await insert(active);
    await arrived(active, standby);
    for (const server of [active, standby]) {
      const { database } = watch(cleanup, server);
      database.start();
      await eventually(() => database.lastReport()?.position === 'mariadb:0-1-4,0-9-3,5-1-1,5-9-2');
    }
  });

  test('is waited for as a whole: two servers of one domain, and a second domain', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, standby);
    const locker = await openClient(cleanup, standby, 'root');
    await locker.query('LOCK TABLES orders READ');
    await insert(active);
    await insert(active, { domain: 5 });
    await insert(active, { id: 9 });
    await insert(active, { domain: 5 });
    const target = await active.position();
    let over = false;
    const outcome = run({ name: 'database-catch-up', target, stop: true }).finally(() => {
      over = true;
    });
    await sleep(500);
    expect(over).toBe(false);
    await locker.query('UNLOCK TABLES');
    expect(await outcome).toMatchObject({ ok: true, position: target });
    expect(await count(standby)).toBe(4);
  });

  test('is not waited for where it came by salvage, which the replica position that MariaDB waits on does not name', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    const { run } = watch(cleanup, standby, { stallMs: 1_000 });
    await standby.sql(kind.stopReceiver);
    await insert(active);
    await standby.sql(`SET SESSION server_id=1; SET SESSION gtid_seq_no=3; ${INSERT}`);
    const target = await active.position();
    const outcome = await run({ name: 'database-catch-up', target, stop: true });
    expect(outcome).toMatchObject({ ok: true, position: target });
  });
});

describe('a node that comes back', () => {
  const follow = async ({ active, standby }: Pair) =>
    watch(cleanup, standby).run({ name: 'database-follow', activePosition: await active.position() });

  test('with a commit of its own in one domain is refused, however far the other domains of the active are', async () => {
    const pair = await startPair(cleanup, kind);
    const { active, standby } = pair;
    await Promise.all([active.sql(kind.stopReplica), standby.sql(kind.stopReplica)]);
    await standby.sql('SET GLOBAL read_only=OFF');
    await insert(standby, { domain: 5 });
    for (let times = 0; times < 5; times += 1) await insert(active);
    expect(await follow(pair)).toEqual({ ok: false, detail: 'diverged: 5-2-1' });
  });

  test('after it has owned, and written in two domains, asks for neither of them again, which may be purged', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    // Over the reverse channel its own events would come back to it, and its replica position go along with them.
    await active.sql(kind.stopReplica);
    for (const domain of [0, 5, 0, 5]) await insert(active, { domain });
    await arrived(active, standby);
    const [one, two] = [watch(cleanup, active), watch(cleanup, standby)];
    const demoted = await one.run({ name: 'database-demote', force: false, timeoutMs: 5_000 });
    expect(demoted).toMatchObject({ ok: true });
    const target = 'position' in demoted ? (demoted.position ?? '') : '';
    expect(await two.run({ name: 'database-catch-up', target, stop: true })).toMatchObject({ ok: true });
    expect(await two.run({ name: 'database-open' })).toMatchObject({ ok: true });
    await purge(standby);
    await insert(standby, { domain: 5 });
    await insert(standby);
    const activePosition = await standby.position();
    expect(await one.run({ name: 'database-follow', activePosition })).toMatchObject({ ok: true });
    await arrived(standby, active);
    expect(await count(active)).toBe(6);
    expect(await active.channel()).toMatchObject({ applier: 'Yes', applierErrno: 0 });
  });

  test('restarted with two domains in its relay logs, the active dead, applies all that it had received', async () => {
    const { active, standby } = await startPair(cleanup, kind);
    await standby.sql(kind.stopApplier);
    for (const domain of [5, 0, 5, 0]) await insert(active, { domain });
    const target = await active.position();
    await eventually(async () => containsPosition(await standby.received(), 'mariadb:0-1-4,5-1-2'));
    await active.stop('SIGKILL');
    await standby.restart('SIGKILL');
    const outcome = await watch(cleanup, standby).run({ name: 'database-catch-up', target: null, stop: true });
    expect(outcome).toMatchObject({ ok: true, position: target });
    expect(await count(standby)).toBe(4);
  });
});

test('salvage fetches what is missing of each domain, where they stand at different places', async () => {
  const { active, standby } = await startSides(cleanup, kind);
  for (const domain of [0, 5]) await insert(active.server, { domain });
  await arrived(active.server, standby.server);
  await standby.server.sql(kind.stopReceiver);
  for (const domain of [0, 5, 5, 0]) await insert(active.server, { domain });
  // The second of them comes by another way, so that it stands behind one that is missing.
  const ids = await active.server.sql('SELECT id FROM shop.orders ORDER BY id');
  await standby.server.sql(
    `SET SESSION server_id=1; SET SESSION gtid_domain_id=5; SET SESSION gtid_seq_no=2;
     INSERT INTO shop.orders (id, v) VALUES (${ids[3]?.id}, 1)`,
  );
  const position = await active.server.position();
  await active.server.stop('SIGKILL');
  await catchUp(standby);
  expect(await standby.fetch()).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 3 transactions') });
  expect(await standby.server.position()).toBe(position);
  expect(await count(standby.server)).toBe(6);
});
