/** Salvage by an account that lacks privileges: what can be had comes, and what is needed for the rest is told. */

import { afterEach, expect, test } from 'vitest';
import { KINDS } from '../../test/lab/kinds.js';
import {
  AGENT,
  alone,
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  killSessionsOf,
  runCleanup,
} from './lab.fixture.js';
import { catchUp, INSERT, startSides, writeBehind } from './salvage.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

test('on MariaDB without SUPER, so that the largest packet cannot be set: what is small enough is salvaged', async () => {
  const pair = await startSides(cleanup, KINDS.mariadb, {}, 'SELECT');
  const { active, standby } = pair;
  await alone(standby.server, `REVOKE SUPER ON *.* FROM '${AGENT.user}'@localhost`);
  await writeBehind(pair, INSERT);
  await killSessionsOf(standby.server, AGENT.user);
  await active.server.stop('SIGKILL');
  await eventually(() => standby.database.lastReport()?.state === 'ok');
  await catchUp(standby);
  expect(await standby.fetch()).toMatchObject({ ok: true, detail: expect.stringContaining('salvaged 1 transactions') });
});

test.each(EVERY_KIND)(
  'on $title with the privileges of grants.ts alone rows are salvaged, and what else is needed is told',
  async (kind) => {
    const pair = await startSides(cleanup, kind, {}, 'SELECT');
    const { active, standby } = pair;
    await writeBehind(pair, INSERT, 'CREATE TABLE shop.later (id INT)');
    await active.server.stop('SIGKILL');
    await catchUp(standby);
    expect(await standby.fetch()).toMatchObject({
      ok: false,
      detail: expect.stringMatching(
        /CREATE command denied.*GRANT ALL PRIVILEGES.*could not be had: \S+; applied up to/,
      ),
    });
    expect(await count(standby.server)).toBe(1);
    await alone(standby.server, `GRANT ALL PRIVILEGES ON *.* TO '${AGENT.user}'@localhost WITH GRANT OPTION`);
    expect(await standby.fetch()).toMatchObject({
      ok: true,
      detail: expect.stringContaining('salvaged 1 transactions'),
    });
  },
);
