/** A server that is on its way out: nobody listens, and yet it may write. */

import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Cleanup, EVERY_KIND, eventually, runCleanup, startServer, watch } from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

/** Somebody listens. A server that is busy resets a connection now and then, or has no room for it. */
const accepts = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    const settle = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      settle(!['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '')),
    );
  });

describe.each(EVERY_KIND)('$title', (kind) => {
  test('a server that shuts down is fenced when its process has ended, and not when it listens no more', async () => {
    const server = await startServer(cleanup, kind, 1);
    const { database, run } = watch(cleanup, server);
    database.start();
    await eventually(() => database.serverState() === 'runs');
    server.signal('SIGTERM');
    while (await accepts(server.socket));
    server.signal('SIGSTOP');
    expect(await run({ name: 'database-fence' })).toMatchObject({ ok: false });
    server.signal('SIGCONT');
    await eventually(async () => (await run({ name: 'database-fence' })).ok);
    expect(database.serverState()).toBe('ended');
  });

  test('one that stands still is ended where kill_on_hang says so, and no sooner', async () => {
    const server = await startServer(cleanup, kind, 1);
    const { database, run, reports } = watch(cleanup, server, { killOnHang: true });
    database.start();
    await eventually(() => database.serverState() === 'runs');
    server.signal('SIGTERM');
    while (await accepts(server.socket));
    server.signal('SIGSTOP');
    const first = await run({ name: 'database-fence' });
    // One that stopped before it let its sessions go is ended at once, as any that hangs.
    if (!reports.some(({ state }) => state === 'hanging'))
      expect([first.ok, database.serverState()]).toEqual([false, 'runs']);
    // One that stopped before it let its sessions go hangs first: that fence fails, and the next one finds nobody.
    await eventually(async () => (await run({ name: 'database-fence' })).detail === 'down');
    await eventually(() => database.serverState() === 'ended');
  });
});
