/** The agent's connections, while the account that it logs in with is changed by a reload. */

import { afterEach, describe, expect, test } from 'vitest';
import { AGENT, type Cleanup, EVERY_KIND, runCleanup, startServer } from './lab.fixture.js';
import { createLinks } from './links.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const DEADLINE_MS = 5_000;

describe.each(EVERY_KIND)('$title', (kind) => {
  test('a login that is under way when the account changes ends as one of the new account', async () => {
    const server = await startServer(cleanup, kind, 1);
    const target = { socket: server.socket };
    const before = { user: 'root', password: '' };
    const links = createLinks({ target, credentials: before, onOpened: () => undefined, onLost: () => undefined });
    cleanup.push(async () => links.close());
    const underWay = links.get('aside', DEADLINE_MS);
    links.setCredentials(AGENT);
    links.drop('aside');
    for (const link of [await underWay, await links.get('aside', DEADLINE_MS)]) {
      const [row] = await link.session.query('SELECT SUBSTRING_INDEX(CURRENT_USER(), "@", 1) AS account', DEADLINE_MS);
      expect(row).toEqual({ account: AGENT.user });
    }
  });
});
