/** Whether a rebuilt pair is one again, judged as the two agents do it. */

import { expect } from 'vitest';
import type { Server } from '../../test/lab/mysqld.js';
import { containsPosition, differencePosition } from '../core/position.js';
import { type Cleanup, eventually, type Pair, watch } from '../mysql/lab.fixture.js';

export const tables = async (server: Server): Promise<readonly string[]> =>
  (await server.sql("SELECT TABLE_NAME AS t FROM information_schema.TABLES WHERE TABLE_SCHEMA='shop' ORDER BY 1")).map(
    (row) => `shop.${row.t}`,
  );

const checksums = async (server: Server) => server.sql(`CHECKSUM TABLE ${(await tables(server)).join(', ')}`);

/** What the two agents then do: the standby is judged and follows, the active opens the reverse channel. */
export const proveWhole = async (cleanup: Cleanup, { active, standby }: Pair): Promise<void> => {
  const here = watch(cleanup, standby);
  const there = watch(cleanup, active);
  expect(differencePosition(await standby.position(), await active.position())).toBe('');
  const activePosition = await active.position();
  expect(await here.run({ name: 'database-follow', activePosition })).toMatchObject({ ok: true });
  await active.sql('INSERT INTO shop.orders (v) VALUES (99)');
  await eventually(async () => containsPosition(await standby.position(), await active.position()));
  expect(await there.run({ name: 'database-open-reverse' })).toMatchObject({ ok: true });
  expect(await tables(standby)).toEqual(await tables(active));
  expect(await checksums(standby)).toEqual(await checksums(active));
};
