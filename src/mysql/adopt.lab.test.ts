/** A split pair whose rows were merged by hand: the node keeps its data, and both replicate again. */

import { afterEach, describe, expect, test } from 'vitest';
import type { Server } from '../../test/lab/mysqld.js';
import { containsPosition, differencePosition } from '../core/position.js';
import { adoptDivergence } from './adopt.js';
import { splitPair } from './divergence.fixture.js';
import { AGENT, alone, type Cleanup, EVERY_KIND, eventually, runCleanup, watch } from './lab.fixture.js';
import { createLinks, type Link } from './links.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const linkTo = async (server: Server): Promise<Link> => {
  const target = { socket: server.socket };
  const links = createLinks({ target, credentials: AGENT, onOpened: () => undefined, onLost: () => undefined });
  cleanup.push(async () => links.close());
  return links.get('command', 5_000);
};

/** What the operator enters on the active: the rows of divergence.fixture.ts. */
const MERGE = [
  'UPDATE shop.orders SET v=7 WHERE id=1',
  'DELETE FROM shop.notes WHERE id=1',
  'CREATE TABLE shop.only_here (id INT PRIMARY KEY, t TEXT)',
  "INSERT INTO shop.only_here VALUES (1, 'it''s\\nhere')",
];

describe.each(EVERY_KIND)('$title', (kind) => {
  test('once the active has the rows, the node replicates on top of its own, and checksums agree', async () => {
    const { active, standby } = await splitPair(cleanup, kind);
    for (const server of [active, standby]) await alone(server, `GRANT ALL ON *.* TO '${AGENT.user}'@localhost`);
    const rows = await standby.sql('SELECT id, v FROM shop.orders WHERE v IN (100, 101)');
    await alone(active, ...MERGE, ...rows.map(({ id, v }) => `INSERT INTO shop.orders VALUES (${id}, ${v})`));

    await adoptDivergence(await linkTo(standby), () => linkTo(active), await active.position());

    expect(differencePosition(await standby.position(), await active.position())).toBe('');
    const here = watch(cleanup, standby);
    const activePosition = await active.position();
    expect(await here.run({ name: 'database-follow', activePosition })).toMatchObject({ ok: true });
    await active.sql('INSERT INTO shop.orders (v) VALUES (99)');
    await eventually(async () => containsPosition(await standby.position(), await active.position()));
    const there = watch(cleanup, active);
    expect(await there.run({ name: 'database-open-reverse' })).toMatchObject({ ok: true });
    const checksums = 'CHECKSUM TABLE shop.orders, shop.notes, shop.only_here';
    expect(await standby.sql(checksums)).toEqual(await active.sql(checksums));
  });
});
