import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WRITES_TABLE } from '../lab/database.js';
import { startLoadClient } from '../lab/load.js';
import { LAB_ROOT } from '../lab/sandbox.js';
import { NODES, VIP4 } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { onMachines } from './ground.js';
import { installByReadme } from './install.js';
import { bootMachines, PATIENCE_MS, type Pair, pairOf, peerOf } from './pair.js';

/** Three boots, and a database server installed twice. */
const LONG_MS = 600_000;
const APPLICATION = `CREATE DATABASE lab; ${WRITES_TABLE};
  GRANT INSERT ON lab.* TO 'app'@'10.99.0.%' IDENTIFIED BY 'app-password'`;

onMachines('test/service/install.lab.test.ts', 'bare', (ground) => {
  let pair: Pair;
  let shown = '';
  beforeAll(async () => {
    const machines = await bootMachines(ground.base, () => undefined);
    pair = pairOf(machines, 'app-password');
    for (const machine of Object.values(machines)) {
      expect((await machine.attempt('sh', '-c', 'command -v mariadb nft vipd')).stdout).toBe('');
    }
    shown = await installByReadme(machines, ground);
    await pair.whole();
  }, LONG_MS);
  afterAll(() => pair?.destroy(), LONG_MS);

  test('the README’s install section gives the pair that it shows', async () => {
    const { stdout } = await pair.vipctl('db1', 'status');
    // What differs are times, terms' ages and positions.
    const [headline, , , ...table] = shown.split('\n');
    expect(stdout.split('\n')[0]).toBe(headline);
    const words = (line: string): string => line.split(/ {2,}/).slice(0, 5).join(' ');
    for (const line of table.slice(0, 3)) expect(stdout.split('\n').map(words)).toContain(words(line));
  });

  test.each(NODES)('the doctor finds nothing on %s', async (node) => {
    const { stdout } = await pair.vipctl(node, 'doctor', '--json');
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly { check: string; verdict: string }[] };
    const wrong = findings.filter(({ verdict }) => verdict !== 'ok').map(({ check }) => check);
    expect(wrong).toEqual([]);
  });

  test('every secret is root’s, or the witness’s own', () => {
    for (const machine of Object.values(pair.machines)) {
      const directory = join(machine.root, 'etc/vipd');
      for (const name of readdirSync(directory).filter((one) => one === 'key' || one.endsWith('.cnf')))
        expect(statSync(join(directory, name)).mode & 0o077, `${machine.name}: ${name}`).toBe(0);
    }
  });

  test(
    'it serves, survives the death of its server, and loses nothing',
    async () => {
      const first = await pair.active();
      await pair.sql(first, APPLICATION);
      await pair.whole();
      const load = startLoadClient(
        'client',
        { kind: 'fresh', host: VIP4, port: 3306, user: 'app', password: pair.appPassword, everyMs: 20, firstId: 1 },
        LAB_ROOT,
      );
      const acknowledged = () => load.attempts.filter((one) => one.acknowledged).map(({ id }) => id);
      await waitFor(() => acknowledged().length > 20, 'writes pass', PATIENCE_MS);
      await pair.machines[first].run('systemctl', 'kill', '--signal=KILL', 'mariadb');
      await waitFor(async () => (await pair.active()) === peerOf(first) || 'not yet', 'it has moved', PATIENCE_MS);
      const before = acknowledged().length;
      await waitFor(() => acknowledged().length > before + 20, 'writes pass again', PATIENCE_MS);
      await load.stop();
      await pair.whole();
      for (const node of NODES) {
        const rows = new Set((await pair.sql(node, 'SELECT id FROM lab.writes')).split('\n'));
        expect(acknowledged().filter((id) => !rows.has(String(id)))).toEqual([]);
      }
    },
    LONG_MS,
  );
});
