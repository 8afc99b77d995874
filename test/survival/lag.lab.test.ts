import { createConnection } from 'mysql2/promise';
import { afterEach, describe, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { KINDS } from '../lab/kinds.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { waitFor } from '../lab/wait.js';
import { CALM, PATIENCE_MS, untilPair } from './ground.js';

const ROWS = 40;

/** A standby whose applier waits for a lock, as behind a reader's open transaction. */
inSandbox('test/survival/lag.lab.test.ts', () => {
  describe.each(Object.values(KINDS))('$title', (kind) => {
    let lab: Lab;
    afterEach(() => lab.destroy());

    it('a promotion that would take longer than catch_up_timeout is warned of, with what it comes from', async () => {
      const config = { ...CALM.config, promotion: { catch_up_timeout: '1s' } };
      lab = await createLab({ ...CALM, flavour: kind.name, semiSync: 'off', config });
      await untilPair(lab);
      const active = await activeNode(lab);
      const standby = peerOf(active);
      const [source, replica] = [lab.database[active], lab.database[standby]];
      await source.sql('CREATE TABLE lab.notes (id INT PRIMARY KEY, v INT); INSERT INTO lab.notes VALUES (1, 1)');
      await waitFor(
        async () => (await replica.sql('SELECT 1 FROM lab.notes')).length === 1,
        'the row is there',
        PATIENCE_MS,
      );
      // The row may be seen before the agent's next look at the server.
      const calm = async (): Promise<string> => (await lab.vipctl(standby, ['status'])).stdout;
      await waitFor(
        async () => (/^Lag +.*all applied/m.test(await calm()) ? true : calm()),
        'all is applied',
        PATIENCE_MS,
      );
      expect(await calm()).not.toContain('far behind');

      const holder = await createConnection({ socketPath: replica.socket, user: 'root' });
      holder.on('error', () => undefined);
      // Reading locks no row against a writer; a metadata lock does, and the agent lets a reader be.
      await holder.query('BEGIN');
      await holder.query('SELECT * FROM lab.notes');
      await source.sql('ALTER TABLE lab.notes ADD COLUMN w INT');
      for (let id = 2; id < ROWS; id += 1) await source.sql(`INSERT INTO lab.notes VALUES (${id}, 1, 1)`);
      const problemOf = async () => {
        const { stdout } = await lab.vipctl(standby, ['status', '--json']);
        const { problems, database } = JSON.parse(stdout) as {
          readonly problems: readonly { readonly brief: string; readonly text: string }[];
          readonly database: { readonly lag: Readonly<Record<string, number | null>> };
        };
        return { problem: problems.find(({ brief }) => brief === `${standby} far behind`), lag: database.lag };
      };
      await waitFor(async () => (await problemOf()).problem !== undefined, 'the warning', PATIENCE_MS);
      const { problem, lag } = await problemOf();
      expect(problem?.text).toMatch(/to promote db\d has taken .* so far, longer than promotion\.catch_up_timeout \(1/);
      expect(lag).toMatchObject({ applyMs: null, catchUpMs: null, timeoutMs: 1_000 });
      expect(lag.backlog).toBeGreaterThan(ROWS / 2);
      const shown = await lab.vipctl(standby, ['status']);
      expect(shown.stdout).toMatch(/^Lag +.* TO APPLY,.* nothing moves/m);
      // The other node says nothing of it: it could not do better.
      expect((await lab.vipctl(active, ['status'])).stdout).toMatch(/^Lag +[\d.]+\/s committed/m);

      await holder.query('COMMIT');
      holder.destroy();
      await waitFor(async () => (await problemOf()).problem === undefined, 'the warning goes', PATIENCE_MS);
      await waitFor(async () => (await problemOf()).lag.backlog === 0, 'all is applied', PATIENCE_MS);
    });
  });
});
