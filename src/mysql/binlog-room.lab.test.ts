import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { smallDisk } from '../host/disk.fixture.js';
import { type Cleanup, EVERY_KIND, eventually, runCleanup, startServer, watch } from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const DISK_KIB = 32 * 1_024;

test.each(EVERY_KIND)('a full volume of the binary log fails the active on $title, and room mends it', async (kind) => {
  const disk = await smallDisk(DISK_KIB);
  cleanup.push(async () => disk.remove());
  const server = await startServer(cleanup, kind, 1, { log_bin: join(disk.path, 'binlog') });
  await server.sql('SET GLOBAL read_only=OFF');
  const { database, reports } = watch(cleanup, server);
  database.start();
  database.setServing(true);
  const newest = () => reports.at(-1);
  await eventually(() => newest()?.state === 'ok');
  const ballast = join(disk.path, 'ballast');
  expect(() => writeFileSync(ballast, Buffer.alloc(DISK_KIB * 1_024))).toThrow('ENOSPC');
  await eventually(() => newest()?.state === 'failed' && (newest()?.detail ?? '').includes('bytes left'));
  rmSync(ballast);
  await eventually(() => newest()?.state === 'ok');
});
