import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { watchWork } from './at-work.js';
import {
  AGENT,
  type Cleanup,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startServer,
  watch,
} from './lab.fixture.js';
import { openLink } from './links.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const ROWS = 400_000;
const LOOK_MS = 20;

describe.each(EVERY_KIND)('a connection of $title', (kind) => {
  test('is at work while an index is built for it, whichever threads do that, and not while it waits for a lock', async () => {
    const server = await startServer(cleanup, kind, 1);
    const { database } = watch(cleanup, server);
    database.start();
    await eventually(() => database.lastReport()?.state === 'ok');
    await server.sql(
      'SET GLOBAL read_only=OFF; CREATE DATABASE shop; CREATE TABLE shop.wide (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(64))',
    );
    const digits =
      '(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6)';
    const many = Array.from({ length: 7 }, (_, i) => `${digits} AS d${i}`).join(', ');
    await server.sql(`USE shop; INSERT INTO wide (t) SELECT SHA2(RAND(), 256) FROM ${many} LIMIT ${ROWS}`);
    const { session, flavour } = await openLink({ socket: server.socket }, AGENT, 2_000);
    cleanup.push(async () => session.destroy());
    const client = await openClient(cleanup, server, 'root');
    const [{ id }] = (await client.query('SELECT CONNECTION_ID() AS id')) as [{ id: number }];
    const isAtWork = watchWork({
      threads: () => flavour.listAppliers((sql) => session.query(sql, 2_000), id),
      cpuMs: database.cpuMs,
      nowMs: () => performance.now(),
    });
    /** The longest time in which it was not seen at work while the statement ran, as a share of all of it. */
    const quietShare = async (statement: Promise<unknown>): Promise<number> => {
      const startedMs = performance.now();
      let seenMs = startedMs;
      let longestMs = 0;
      let over = false;
      const done = statement.finally(() => {
        over = true;
      });
      while (!over) {
        if (await isAtWork()) seenMs = performance.now();
        longestMs = Math.max(longestMs, performance.now() - seenMs);
        await sleep(LOOK_MS);
      }
      await done;
      return longestMs / (performance.now() - startedMs);
    };
    await isAtWork();
    const share = await quietShare(client.query('ALTER TABLE shop.wide ADD INDEX (t)'));
    expect(share).toBeLessThan(0.4);

    const locker = await openClient(cleanup, server, 'root');
    await locker.query('LOCK TABLES wide READ');
    const waits = client.query("INSERT INTO shop.wide (t) VALUES ('x')");
    await isAtWork();
    expect(await quietShare(Promise.race([sleep(2_000), waits]))).toBeGreaterThan(0.9);
    await locker.query('UNLOCK TABLES');
    await waits;
  });
});
