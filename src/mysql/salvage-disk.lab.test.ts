/** Salvage while a disk is full on either side: said in time, nothing half done, and it goes on once there is room. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { describeDifference } from '../core/position.js';
import { smallDisk } from '../host/disk.fixture.js';
import { type Cleanup, count, EVERY_KIND, eventually, runCleanup } from './lab.fixture.js';
import { catchUp, INSERT, type SalvagePair, type Side, startSides, writeBehind } from './salvage.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const TMP_KIB = 256;
const ROOMY_KIB = 32 * 1_024;
/** The programs keep up to a quarter of a megabyte of a transaction in memory; the rest goes to a file. */
const LARGE_BYTES = 3_000_000;

/** A disk of that size, and a hand to fill and to empty it. */
const disk = async (sizeKib: number) => {
  const { path, remove } = await smallDisk(sizeKib);
  cleanup.push(async () => remove());
  const ballast = join(path, 'ballast');
  return {
    path,
    /** Default: to the last byte. */
    fill: (leaveBytes = -1) => {
      const write = () => writeFileSync(ballast, Buffer.alloc(sizeKib * 1_024 - leaveBytes));
      if (leaveBytes < 0) expect(write).toThrow('ENOSPC');
      else write();
    },
    empty: () => rmSync(ballast),
  };
};

/** A small transaction, a large one and another small one that the standby does not receive. */
const large = async (pair: SalvagePair): Promise<void> => {
  const { active, standby } = pair;
  await active.server.sql('CREATE TABLE shop.large (id INT AUTO_INCREMENT PRIMARY KEY, t LONGBLOB)');
  await eventually(async () => (await standby.server.sql("SHOW TABLES FROM shop LIKE 'large'")).length === 1);
  await writeBehind(pair, INSERT, `INSERT INTO shop.large (t) VALUES (REPEAT('x', ${LARGE_BYTES}))`, INSERT);
};

/** A server looks for room once a minute (MariaDB and MySQL: MY_WAIT_FOR_USER_TO_FIX_PANIC). */
const SERVER_LOOKS_TIMES = 90;
const untilSalvaged = async (side: Side): Promise<void> => {
  for (let i = 0; i < SERVER_LOOKS_TIMES; i += 1) {
    if ((await side.fetch()).ok) return;
    await sleep(1_000);
  }
  throw new Error(`not salvaged with room: ${(await side.fetch()).detail}`);
};

const rows = ({ server }: Side) => server.sql('SELECT LENGTH(t) AS bytes FROM shop.large');

describe.each(EVERY_KIND)('salvage on $title', (kind) => {
  test('no room for the login: told, and tried again with room', async () => {
    const tmp = await disk(TMP_KIB);
    const pair = await startSides(cleanup, kind);
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, INSERT);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    const before = await standby.server.position();
    tmp.fill();
    const { TMPDIR } = process.env;
    process.env.TMPDIR = tmp.path;
    cleanup.push(async () => {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    });
    expect(await standby.fetch(before)).toEqual({
      ok: false,
      detail: expect.stringMatching(
        `cannot hand the login to the client by a file in ${tmp.path}: ENOSPC; make some room there; could not be had: \\S+`,
      ),
    });
    expect(await standby.server.position()).toBe(before);
    tmp.empty();
    expect(await standby.fetch(before)).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 2') });
  });

  test('no room for what the program puts aside at the source: told, and nothing of it is run', async () => {
    const tmp = await disk(ROOMY_KIB);
    const dir = mkdtempSync(join(tmpdir(), 'vipd-tmp-'));
    cleanup.push(async () => rmSync(dir, { recursive: true, force: true }));
    const binlog = join(dir, 'binlog');
    writeFileSync(binlog, `#!/bin/sh\nTMPDIR=${tmp.path} exec ${kind.binlog} "$@"\n`, { mode: 0o755 });
    const pair = await startSides(cleanup, kind, { programs: { client: kind.client, binlog } });
    const { active, standby } = pair;
    await large(pair);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    tmp.fill();
    const outcome = await standby.fetch();
    expect(outcome).toEqual({ ok: false, detail: expect.stringMatching(/No space left.*could not be had/) });
    // The whole ones before it at most: of what was put aside nothing is run.
    expect(await rows(standby)).toEqual([]);
    expect(await count(standby.server)).toBeLessThan(2);
    tmp.empty();
    expect(await standby.fetch()).toMatchObject({ ok: true });
    expect(await rows(standby)).toEqual([{ bytes: LARGE_BYTES }]);
    expect(await count(standby.server)).toBe(2);
  });

  test('no room for the binary log of the server that applies: told before anything is asked of it', async () => {
    const volume = await disk(ROOMY_KIB);
    const pair = await startSides(cleanup, kind, { stallMs: () => 1_500 }, 'ALL', {
      log_bin: join(volume.path, 'binlog'),
    });
    const { active, standby } = pair;
    await large(pair);
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    volume.fill();
    expect(await standby.fetch()).toEqual({
      ok: false,
      detail: expect.stringContaining('bytes left: commits wait for room'),
    });
    expect(await count(standby.server)).toBe(0);
    volume.empty();
    expect(await standby.fetch()).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 3') });
    expect(await rows(standby)).toEqual([{ bytes: LARGE_BYTES }]);
  });

  test('its binary log runs full in the middle: the commit is left waiting, not given up, and done once there is room', async () => {
    const volume = await disk(ROOMY_KIB);
    const pair = await startSides(cleanup, kind, { stallMs: () => 1_500 }, 'ALL', {
      log_bin: join(volume.path, 'binlog'),
    });
    const { active, standby } = pair;
    await large(pair);
    const everything = await active.server.position();
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    // Enough for the small one, and for the look before it.
    volume.fill(2_000_000);
    const before = await standby.server.position();
    const outcome = await standby.fetch();
    expect(outcome).toEqual({
      ok: false,
      detail: expect.stringMatching(/bytes left: commits wait for room, so make some; could not be had: \S+/),
    });
    // The GTID of the large one may count as had by now, as MariaDB has it; the text names it all the same.
    expect(outcome.detail).toContain(describeDifference(everything, before));
    expect(await rows(standby)).toEqual([]);
    // Nor is it taken for had by the next salvage.
    expect(await standby.fetch()).toEqual({ ok: false, detail: expect.stringContaining('still waits for room') });
    volume.empty();
    await untilSalvaged(standby);
    expect(await rows(standby)).toEqual([{ bytes: LARGE_BYTES }]);
    expect(await count(standby.server)).toBe(2);
    expect(await standby.fetch()).toMatchObject({ ok: true, detail: 'nothing to salvage' });
  });
});
