/** Salvage where the agent may not read the dead server's files, or they are not there: told, and nothing is opened. */

import { chmod, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Cleanup, EVERY_KIND, runCleanup } from './lab.fixture.js';
import { catchUp, INSERT, startSides, writeBehind } from './salvage.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const NOBODY = 65_534;

/**
 * With an account's own rights and no more: the kernel takes all that root has from whoever becomes another user, in every
 * thread of this process (capabilities(7), seteuid(3)).
 */
const asNobody = async <T>(work: () => Promise<T>): Promise<T> => {
  process.setgroups?.([]);
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
};

test.each(EVERY_KIND)('what the account may not read on $title is told with path and cause', async (kind) => {
  const pair = await startSides(cleanup, kind);
  const { active, standby } = pair;
  await writeBehind(pair, INSERT, INSERT);
  await active.server.stop('SIGKILL');
  await catchUp(standby);
  const { dir, dataDir } = active.server;
  const index = join(dataDir, 'binlog.index');
  const log = join(dataDir, 'binlog.000001');
  const before = await standby.server.position();
  const strongest = kind.name === 'mysql' ? 'super_read_only' : 'read_only';

  /** Tried by an account that may not, and with nothing changed by it. */
  const refused = async (words: string): Promise<void> => {
    const outcome = await asNobody(() => standby.fetch(before));
    expect(outcome).toEqual({ ok: false, detail: expect.stringContaining(words) });
    expect(await standby.server.position()).toBe(before);
    expect(await standby.server.sql(`SELECT @@${strongest} AS r`)).toEqual([{ r: 1 }]);
  };

  const mayNot = (path: string) => `cannot read ${path}: EACCES; let the account of vipd (uid ${NOBODY}) read it`;
  // As the data directory of a package is to everybody else, with the socket elsewhere.
  await chmod(dir, 0o755);
  await chmod(dataDir, 0o700);
  await refused(mayNot(index));
  await chmod(dataDir, 0o755);
  await chmod(index, 0o600);
  await refused(mayNot(index));
  await chmod(index, 0o644);
  await chmod(log, 0o600);
  await refused(mayNot(log));
  // Nor may it ask whether the server lives.
  await chmod(dir, 0o700);
  await refused('runs cannot be told: EACCES');
  await chmod(dir, 0o755);

  const elsewhere = `${dataDir}-elsewhere`;
  await rename(dataDir, elsewhere);
  await refused(`cannot read ${index}: ENOENT; see that its file system is mounted`);
  await rename(elsewhere, dataDir);

  // What was refused has left nothing behind that would be in the way.
  expect(await standby.fetch(before)).toMatchObject({
    ok: true,
    detail: expect.stringContaining('salvaged 2 transactions'),
  });
});
