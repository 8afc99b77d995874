/** Salvage between real servers: a primary killed under load, its transactions fetched, and both replicating again. */

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { MYSQL } from '../../test/lab/mysql.js';
import { differencePosition } from '../core/position.js';
import {
  AGENT,
  alone,
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  longStatement,
  openClient,
  runCleanup,
  waitsForSemiSync,
  writeLoad,
} from './lab.fixture.js';
import { catchUp, INSERT, type SalvagePair, startSides, writeBehind } from './salvage.fixture.js';
import { createSalvage, type SalvageChannel } from './salvage.js';
import { parseRequest } from './salvage-messages.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

/** The dead one comes back: nothing extra on it, both channels run, and a new row reaches both. */
const proveWhole = async ({ active, standby }: SalvagePair): Promise<void> => {
  expect(await standby.run({ name: 'database-open' })).toMatchObject({ ok: true });
  await active.server.start();
  await eventually(() => active.database.lastReport()?.state === 'ok');
  expect(differencePosition(await active.server.position(), await standby.server.position())).toBe('');
  const activePosition = await standby.server.position();
  expect(await active.run({ name: 'database-follow', activePosition })).toMatchObject({ ok: true });
  expect(await standby.run({ name: 'database-open-reverse' })).toMatchObject({ ok: true });
  await standby.server.sql('INSERT INTO shop.orders (v) VALUES (99)');
  const rows = await count(standby.server);
  await eventually(async () => (await count(active.server)) === rows);
  const checksums = await Promise.all(
    [active, standby].map(async ({ server }) => (await server.sql('CHECKSUM TABLE shop.orders'))[0]?.Checksum),
  );
  expect(checksums[0]).toBe(checksums[1]);
};

describe.each(EVERY_KIND)('salvage on $title', (kind) => {
  test('under semi-sync: what was logged and never acknowledged comes along, and the node returns clean', async () => {
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    await active.server.sql(kind.semiSyncOn);
    await standby.server.sql(`${kind.stopReceiver}; ${kind.startReceiver}`);

    const load = writeLoad(active.server);
    await eventually(() => load.acknowledged > 50);
    // From now on commits stand in the binlog and wait for ever.
    await standby.server.sql(standby.server.kind.stopReceiver);
    await eventually(() => waitsForSemiSync(active.server));

    await active.server.stop('SIGKILL');
    const acknowledged = await load.stop();

    await catchUp(standby);

    const rows = await count(standby.server);
    const outcome = await standby.fetch();
    expect(outcome).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/^salvaged \d+ transactions, up to /),
    });
    expect(await count(standby.server)).toBeGreaterThan(rows);
    expect(await count(standby.server)).toBeGreaterThanOrEqual(acknowledged);
    await proveWhole(pair);
  });

  test('asynchronous: no acknowledged row is missing on the new active', async () => {
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    const load = writeLoad(active.server);
    await eventually(() => load.acknowledged > 50);
    await standby.server.sql(standby.server.kind.stopReceiver);
    const before = load.acknowledged;
    await eventually(() => load.acknowledged > before + 200);
    await active.server.sql('CREATE TABLE shop.later (t TEXT); FLUSH BINARY LOGS');
    await active.server.sql("INSERT INTO shop.later VALUES ('a\\\\! touch /tmp/never; \\r\\n ÄÖ \\0 #')");
    await eventually(() => load.acknowledged > before + 400);
    await active.server.stop('SIGKILL');
    const acknowledged = await load.stop();
    await catchUp(standby);
    expect(await count(standby.server)).toBeLessThan(acknowledged);
    const outcome = await standby.fetch();
    expect(outcome).toMatchObject({ ok: true });
    expect(await count(standby.server)).toBeGreaterThanOrEqual(acknowledged);
    expect(standby.told[0]).toMatch(/^salvage: \d+ transactions to fetch/);
    await proveWhole(pair);
    expect(await standby.server.sql('SELECT t FROM shop.later')).toEqual(
      await active.server.sql('SELECT t FROM shop.later'),
    );
  });

  test('a statement larger than any packet the server takes: it comes whole, and the setting is as before', async () => {
    const { active, standby } = await startSides(cleanup, kind, {}, 'SELECT');
    await active.server.sql('CREATE TABLE shop.large (id INT AUTO_INCREMENT PRIMARY KEY, t LONGBLOB)');
    await eventually(async () => (await standby.server.sql("SHOW TABLES FROM shop LIKE 'large'")).length === 1);
    const packet = 4_194_304;
    await standby.server.sql(`SET GLOBAL max_allowed_packet=${packet}`);
    const rows = 'WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT i FROM n';
    const large = `INSERT INTO shop.large (t) SELECT REPEAT('x', 1000000) FROM (${rows}) AS d`;
    await writeBehind({ active, standby }, INSERT, large, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    expect(await standby.fetch()).toMatchObject({
      ok: true,
      detail: expect.stringContaining('salvaged 3 transactions'),
    });
    expect(await standby.server.sql('SELECT COUNT(*) AS n FROM shop.large')).toEqual([{ n: 12 }]);
    expect(await standby.server.sql('SELECT @@global.max_allowed_packet AS bytes')).toEqual([{ bytes: packet }]);
  });

  test('a statement that takes the server longer than the stall is waited for, since the server is at work', async () => {
    const stallMs = 1_500;
    const pair = await startSides(cleanup, kind, { stallMs: () => stallMs });
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, await longStatement(active.server, 4 * stallMs), INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const startedMs = performance.now();
    expect(await standby.fetch()).toMatchObject({
      ok: true,
      detail: expect.stringContaining('salvaged 3 transactions'),
    });
    expect(performance.now() - startedMs).toBeGreaterThan(stallMs);
    expect(standby.told).toContainEqual(expect.stringMatching(/^salvage: 2 transactions left, 0 MB read, .* at work/));
    await proveWhole(pair);
  });

  test('while it is applied clients are refused, and afterwards everybody is', async () => {
    const { active, standby } = await startSides(cleanup, kind);
    await writeBehind({ active, standby }, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const client = await openClient(cleanup, standby.server);
    const locker = await openClient(cleanup, standby.server, 'root');
    await locker.query('LOCK TABLES orders READ');
    const outcome = standby.fetch();
    const applying = `SELECT ID FROM ${kind.processList} WHERE USER='vipd' AND INFO LIKE '%BINLOG%'`;
    await eventually(async () => (await standby.server.sql(applying)).length === 1);
    await expect(client.query('CREATE TABLE by_client (id INT)')).rejects.toMatchObject({ errno: 1290 });
    await locker.query('UNLOCK TABLES');
    expect(await outcome).toMatchObject({ ok: true });
    const strongest = kind.name === 'mysql' ? 'super_read_only' : 'read_only';
    expect(await standby.server.sql(`SELECT @@${strongest} AS r`)).toEqual([{ r: 1 }]);
  });

  test('nothing missing is told without a process, and a server that runs is refused', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'vipd-started-'));
    cleanup.push(() => rm(dir, { recursive: true, force: true }));
    /** Leaves its name behind when it is started. */
    const marking = async (name: 'client' | 'binlog'): Promise<string> => {
      const path = join(dir, `run-${name}`);
      await writeFile(path, `#!/bin/sh\n: > ${join(dir, name)}\nexec ${kind[name]} "$@"\n`, { mode: 0o755 });
      return path;
    };
    const started = async () => (await readdir(dir)).filter((name) => !name.startsWith('run-')).sort();
    const programs = { client: await marking('client'), binlog: await marking('binlog') };
    const pair = await startSides(cleanup, kind, { programs });
    const { active, standby } = pair;
    await active.server.sql('INSERT INTO shop.orders (v) VALUES (1)');
    await eventually(async () => (await count(standby.server)) === 1);
    await catchUp(standby);
    expect(await standby.fetch()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('runs: make it read-only'),
    });
    await active.server.stop('SIGKILL');
    expect(await standby.fetch(await standby.server.position())).toMatchObject({
      ok: true,
      detail: 'nothing to salvage',
    });
    // Nor where the peer is asked for what is missing itself, with nothing told of what is here.
    expect(await standby.fetch()).toMatchObject({ ok: true, detail: 'nothing to salvage' });
    expect(await started()).toEqual([]);
    // Else the marks would prove nothing.
    await active.server.start();
    await active.server.sql('SET GLOBAL read_only=OFF');
    await writeBehind(pair, INSERT);
    await active.server.stop('SIGKILL');
    expect(await standby.fetch()).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 1') });
    expect(await started()).toEqual(['binlog', 'client']);
  });
});

describe('salvage of MySQL’s own kinds of GTIDs', () => {
  test('tagged ones, over several files, and with some had that stand between', async () => {
    const pair = await startSides(cleanup, MYSQL);
    const { active, standby } = pair;
    const tagged = "SET SESSION gtid_next='AUTOMATIC:blue'; INSERT INTO shop.orders (v) VALUES (8)";
    await active.server.sql(tagged);
    await eventually(async () => (await count(standby.server)) === 1);
    await writeBehind(pair, INSERT, tagged, 'FLUSH BINARY LOGS', tagged, INSERT, 'FLUSH BINARY LOGS', INSERT);
    const [row] = await active.server.sql('SELECT @@server_uuid AS uuid');
    // One of them comes by another way: it is the source's own, and not applied twice.
    await alone(standby.server, 'SET SESSION sql_log_bin=1', `SET gtid_next='${row?.uuid}:4'`, 'COMMIT');
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const outcome = await standby.fetch();
    expect(outcome).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 4 transactions') });
    expect(await standby.server.position()).toBe(`mysql:${row?.uuid}:1-5:blue:1-3`);
  });
});

describe.each(EVERY_KIND)('a salvage on $title that cannot have everything', (kind) => {
  /** As a message names those of the first server. */
  const gtids = (from: number, to: number): string => {
    if (from === to) return kind.gtid(1, to);
    return kind.name === 'mysql' ? `${kind.gtid(1, from)}-${to}` : `${kind.gtid(1, from)} to ${kind.gtid(1, to)}`;
  };

  test('a torn last event: all whole transactions come, the torn one is no failure', async () => {
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, INSERT, INSERT);
    await active.server.stop('SIGKILL');
    const log = join(active.server.dataDir, 'binlog.000001');
    await truncate(log, (await stat(log)).size - 40);
    await catchUp(standby);
    expect(await standby.fetch()).toMatchObject({
      ok: true,
      detail: expect.stringContaining('salvaged 2 transactions'),
    });
    expect(await count(standby.server)).toBe(2);
  });

  test('purged files: nothing is applied over the gap, and the GTIDs are named', async () => {
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, INSERT, 'FLUSH BINARY LOGS', INSERT, 'FLUSH BINARY LOGS');
    await eventually(async () => {
      await active.server.sql("PURGE BINARY LOGS TO 'binlog.000003'");
      return (await active.server.sql('SHOW BINARY LOGS')).length === 1;
    });
    await active.server.sql(INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const before = await standby.server.position();
    const last = Number(/\d+$/.exec(before)?.[0]);
    expect(await standby.fetch()).toEqual({
      ok: false,
      detail: expect.stringMatching(new RegExp(`purged.*could not be had: ${gtids(last + 1, last + 4)}`)),
    });
    expect(await standby.server.position()).toBe(before);
  });

  test('an error of the server in the middle: what came before it stays, what could not be had is named', async () => {
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    await active.server.sql('CREATE TABLE shop.small (t CHAR(250))');
    await eventually(async () => (await standby.server.sql("SHOW TABLES FROM shop LIKE 'small'")).length === 1);
    await alone(standby.server, 'DROP TABLE shop.small');
    // Longer than what is kept of the client's complaints: it repeats the statement before the error.
    const many = Array.from({ length: 100 }, () => "(REPEAT('x', 250))").join(',');
    await writeBehind(pair, INSERT, INSERT, `INSERT INTO shop.small VALUES ${many}`, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const last = Number(/\d+$/.exec(await standby.server.position())?.[0]);
    const outcome = await standby.fetch();
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('ERROR 1146') });
    expect(outcome.detail).toContain(
      `could not be had: ${gtids(last + 3, last + 4)}; applied up to ${kind.name === 'mysql' ? gtids(last + 1, last + 2) : gtids(last + 2, last + 2)}`,
    );
    expect(outcome.detail).not.toMatch(/cannot ask|BINLOG|eHh4/);
    expect(await count(standby.server)).toBe(2);
  });

  test('a lock or a full disk that lets nothing through: given up after the stall, and nothing applies later', async () => {
    const pair = await startSides(cleanup, kind, { stallMs: () => 1_500 });
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const locker = await openClient(cleanup, standby.server, 'root');
    await locker.query('LOCK TABLES orders READ');
    expect(await standby.fetch()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('took nothing for 1500 ms'),
    });
    const before = await standby.server.position();
    // The client's connection has ended with it, rather than waiting on for the lock.
    expect(
      await standby.server.sql(`SELECT ID FROM ${kind.processList} WHERE USER='vipd' AND INFO LIKE '%BINLOG%'`),
    ).toEqual([]);
    await locker.query('UNLOCK TABLES');
    expect(await standby.server.position()).toBe(before);
    expect(await standby.fetch()).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 2') });
  });

  test('a connection that ends in the middle of a statement: the half of it is not run', async () => {
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, INSERT);
    const { stdout } = await promisify(execFile)(kind.binlog, [
      '--no-defaults',
      ...kind.binlogAfter(1, 2),
      join(active.server.dataDir, 'binlog.000001'),
    ]);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const before = await standby.server.position();
    const cut = stdout.lastIndexOf('COMMIT');
    const broken: SalvageChannel = {
      ask: async (_purpose, request, { onData }) => {
        if ('only' in (parseRequest(request) ?? {})) return { kind: 'holds', position: 'mariadb:0-1-999999' };
        // The last statement before the cut, without its end, would drop everything.
        await onData(Buffer.from(`${stdout.slice(0, cut)}DROP TABLE shop.orders`));
        await eventually(async () => (await count(standby.server)) === 1);
        throw new Error('the connection ended in the middle of the answer');
      },
    };
    const salvage = createSalvage({
      database: standby.database,
      channel: broken,
      target: { socket: standby.server.socket },
      credentials: () => AGENT,
      nowMs: () => performance.now(),
      log: () => undefined,
    });
    const outcome = await salvage.salvage('', { signal: new AbortController().signal, progress: () => undefined });
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('in the middle of the answer') });
    expect(await count(standby.server)).toBe(1);
    const after = await standby.server.position();
    expect(differencePosition(after, before)).not.toBe('');
    expect(await standby.fetch()).toMatchObject({
      ok: true,
      detail: expect.stringContaining('salvaged 1 transactions'),
    });
  });

  test('a server that comes back in the middle is told; what was sent is applied', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'vipd-slow-'));
    cleanup.push(() => rm(dir, { recursive: true, force: true }));
    const slow = join(dir, 'slow-binlog');
    await writeFile(slow, `#!/bin/sh\nsleep 6\nexec ${kind.binlog} "$@"\n`, { mode: 0o755 });
    const pair = await startSides(cleanup, kind, { programs: { client: kind.client, binlog: slow } });
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const outcome = standby.fetch();
    await eventually(() => standby.told.length > 0);
    await active.server.start();
    expect(await outcome).toMatchObject({ ok: true, detail: expect.stringContaining('started again meanwhile') });
    expect(differencePosition(await active.server.position(), await standby.server.position())).toBe('');

    // What was salvaged is in the binary log and not in the replica's position: else it would be applied again (1950).
    if (kind.name === 'mariadb') await standby.server.sql('SET GLOBAL gtid_slave_pos=@@gtid_binlog_pos');
    await standby.server.sql(kind.startReplica);
    await active.server.sql('SET GLOBAL read_only=OFF');
    await eventually(async () => (await count(standby.server)) === 2);
    await writeBehind(pair, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    standby.told.length = 0;
    const second = standby.fetch();
    await eventually(() => standby.told.length > 0);
    await active.server.start({ read_only: 'OFF', ...(kind.name === 'mysql' ? { super_read_only: 'OFF' } : {}) });
    await active.server.sql(INSERT);
    expect(await second).toMatchObject({
      ok: false,
      detail: expect.stringContaining('started again in the middle and has written'),
    });
  });

  test('a hanging server, a missing program, a channel that runs and a writable server are each told', async () => {
    const pair = await startSides(
      cleanup,
      kind,
      { programs: { client: kind.client, binlog: 'binlog-of-nowhere' } },
      'SELECT',
    );
    const { active, standby } = pair;
    await writeBehind(pair, INSERT);
    await catchUp(standby);
    active.server.signal('SIGSTOP');
    expect(await standby.fetch()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('runs: make it read-only'),
    });
    active.server.signal('SIGCONT');
    await active.server.stop('SIGKILL');
    expect(await standby.fetch()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('is not found in /usr/local/sbin'),
    });
    await standby.server.sql(kind.startApplier);
    expect(await standby.fetch()).toMatchObject({ ok: false, detail: expect.stringContaining('channel still runs') });
    await standby.server.sql(kind.stopReplica);
    await standby.server.sql('SET GLOBAL read_only=OFF');
    expect(await standby.fetch()).toMatchObject({ ok: false, detail: expect.stringContaining('writable already') });
    await standby.server.sql('SET GLOBAL read_only=ON');
  });
});
