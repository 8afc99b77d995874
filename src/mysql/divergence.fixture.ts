/** A pair that was split by hand: both writable, each with commits of its own. */

import type { ServerKind } from '../../test/lab/server-kind.js';
import { type Cleanup, count, eventually, type Pair, startPair } from './lab.fixture.js';

/** The first is the active afterwards; the second wrote too, in two binary logs, and replicates no more. */
export const splitPair = async (cleanup: Cleanup, kind: ServerKind): Promise<Pair> => {
  const { active, standby } = await startPair(cleanup, kind);
  await active.sql(
    "CREATE TABLE shop.notes (id INT PRIMARY KEY, t TEXT); INSERT INTO shop.notes VALUES (1, 'both'); INSERT INTO shop.orders (v) VALUES (1), (2)",
  );
  await eventually(async () => (await count(standby)) === 2);
  await Promise.all([active.sql(kind.stopReplica), standby.sql(kind.stopReplica)]);
  await standby.sql('SET GLOBAL read_only=OFF');
  await standby.sql(
    'INSERT INTO shop.orders (v) VALUES (100), (101); FLUSH BINARY LOGS; UPDATE shop.orders SET v=7 WHERE id=1; DELETE FROM shop.notes WHERE id=1',
  );
  await standby.sql(
    "CREATE TABLE shop.only_here (id INT PRIMARY KEY, t TEXT); INSERT INTO shop.only_here VALUES (1, 'it''s\\nhere')",
  );
  await standby.sql(kind.closeAfterAccounts);
  await active.sql("INSERT INTO shop.orders (v) VALUES (3), (4); INSERT INTO shop.notes VALUES (2, 'active only')");
  return { active, standby };
};
