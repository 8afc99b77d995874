/** `vipctl divergence` and `rejoin` as an operator types them, on a real split pair, beside an agent that only judges. */

import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { KINDS } from '../../../test/lab/kinds.js';
import { KEY, makeService, serveBackups } from '../../agent/rebuild.fixture.js';
import { createControlServer } from '../../control/server.js';
import { allWell, db1, db2 } from '../../control/status.fixture.js';
import { smallDisk } from '../../host/disk.fixture.js';
import { BACKUP_GRANT } from '../../mysql/backup-ship.js';
import { CLONE_GRANT, DONOR_GRANT } from '../../mysql/clone.js';
import { splitPair } from '../../mysql/divergence.fixture.js';
import { grantStatements } from '../../mysql/grants.js';
import { KEPT_DIRECTORY } from '../../mysql/kept-binlog.js';
import { AGENT, alone, type Cleanup, freePort, type Pair, runCleanup, watch } from '../../mysql/lab.fixture.js';
import { runVipctl } from './program.js';

/** Its programs lie beside the system here; where MySQL is installed they are found by their names. */
vi.mock('../../mysql/salvage-program.js', async (load) => {
  const real = await load<typeof import('../../mysql/salvage-program.js')>();
  const { binlog } = KINDS.mysql;
  const startProgram: typeof real.startProgram = (name, ...rest) =>
    real.startProgram(name === 'mysqlbinlog' ? binlog : name, ...rest);
  return { ...real, startProgram };
});

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

/** The first is where the lab's servers listen. */
const ADDRESSES = { db1: '127.0.0.1', db2: '127.0.0.3' } as const;

interface Typed {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** What db2's agent would do when it is asked: look whether it may follow, and say so. */
const judging = async (pair: Pair, socket: string): Promise<void> => {
  const here = watch(cleanup, pair.standby);
  const answer = async () => {
    const position = await pair.active.position();
    const followed = await here.run({ name: 'database-follow', activePosition: position });
    const unfit = followed.ok ? '' : `quarantined: ${followed.detail}`;
    const replication = { ...db2.replication, running: followed.ok };
    return {
      ...allWell,
      node: 'db2',
      nodes: [
        { ...db2, self: true, role: 'standby', active: false, unfit, replication },
        { ...db1, self: false, role: 'active', active: true, position, agent: { ...db1.agent, reachable: true } },
      ],
    };
  };
  const server = await createControlServer({
    path: socket,
    group: 'root',
    warn: () => undefined,
    handle: (_request, reply) => void answer().then((status) => reply.done(true, '', status)),
  });
  cleanup.push(() => server.close());
};

/** By the agents' channel or by the server's own plugin: what the active needs to be copied from. */
const allowCopies = async ({ active, standby }: Pair, port: number): Promise<void> => {
  if (active.kind.name === 'mariadb') {
    const addresses = { self: { address: ADDRESSES.db1, port }, peer: { address: ADDRESSES.db2, port } };
    await serveBackups(cleanup, active, addresses, () => true);
    return await alone(active, `${BACKUP_GRANT} '${AGENT.user}'@localhost`);
  }
  const plugin = "INSTALL PLUGIN clone SONAME 'mysql_clone.so'";
  const account = `'${AGENT.user}'@'${ADDRESSES.db1}'`;
  const create = `CREATE USER ${account} IDENTIFIED BY '${AGENT.password.replace("'", "''")}'`;
  await alone(active, plugin, create, ...grantStatements('mysql', account), `${DONOR_GRANT} ${account}`);
  await alone(standby, plugin, `${CLONE_GRANT} '${AGENT.user}'@localhost`);
};

const makeNode = async (pair: Pair, stateDirectory?: string) => {
  const directory = await mkdtemp(join(tmpdir(), 'vipd-rejoin-'));
  cleanup.push(() => rm(directory, { recursive: true, force: true }));
  const path = (name: string): string => join(directory, name);
  const service = await makeService(cleanup, pair.standby);
  const port = await freePort();
  await allowCopies(pair, port);
  const state = stateDirectory ?? path('state');
  await mkdir(state, { mode: 0o750, recursive: true });
  await writeFile(path('key'), KEY.toString('base64'), { mode: 0o600 });
  const login = `[client]\nuser=${AGENT.user}\npassword="${AGENT.password}"\n`;
  await writeFile(path('mysql.cnf'), login, { mode: 0o600 });
  const yaml = `group: shop
node: db2
nodes: { db1: { address: ${ADDRESSES.db1} }, db2: { address: ${ADDRESSES.db2} } }
gateways: [127.0.0.4]
key_file: ${path('key')}
vip: [{ address: 10.99.0.100/32, interface: eth0 }]
mysql: { socket: ${pair.standby.socket}, port: ${pair.active.port}, defaults_file: ${path('mysql.cnf')} }
agents: { port: ${port} }
rejoin: { stop: [${service.stop[0]}], start: [${service.start[0]}] }
state_directory: ${state}
`;
  await writeFile(path('vipd.yaml'), yaml, { mode: 0o600 });
  await judging(pair, path('c.sock'));
  const vipctl = async (answer: string | null, ...argv: readonly string[]): Promise<Typed> => {
    let [out, err] = ['', ''];
    const terminal = {
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        err += text;
      },
      size: () => null,
      environment: {},
      onInterrupt: () => () => undefined,
      prompt: answer === null ? null : async () => answer,
    };
    const files = ['--config', path('vipd.yaml'), '--socket', path('c.sock')];
    const status = await runVipctl([...files, ...argv], { terminal, checkConfig: () => ({ text: '', status: 0 }) });
    return { status, out, err };
  };
  return { vipctl, path };
};

test('listed, not discarded without the word, discarded with it, fit again, and nothing is left to do', async () => {
  const pair = await splitPair(cleanup, KINDS.mariadb);
  const { vipctl, path } = await makeNode(pair);

  const listed = await vipctl(null, 'divergence');
  expect(listed).toMatchObject({ status: 0, err: '' });
  expect(listed.out).toContain('db2 has 5 transactions that db1 has not: 0-2-');
  expect(listed.out).toContain(`kept as binary logs: ${path('state/divergence/0-2-')}`);
  const json: unknown = JSON.parse((await vipctl(null, 'divergence', '--json')).out);
  expect(json).toMatchObject({ count: 5, node: 'db2', active: 'db1' });

  expect(await vipctl(null, 'rejoin')).toMatchObject({
    status: 1,
    out: expect.stringContaining('vipctl rejoin --discard'),
  });
  expect(await vipctl(null, 'rejoin', '--discard')).toMatchObject({
    status: 1,
    err: expect.stringContaining('add --yes'),
  });
  expect(await vipctl('yes', 'rejoin', '--discard')).toMatchObject({ status: 1, err: 'vipctl: nothing was done\n' });
  expect(existsSync(path('state/rejoin.json'))).toBe(false);

  const discarded = await vipctl('db2', 'rejoin', '--discard');
  expect(discarded).toMatchObject({ status: 0, err: '' });
  expect(discarded.out).toMatch(/db2 replicates, and is fit to take over\nthe old data lies in .*vipd-rebuild\/old/);
  expect(existsSync(path('state/rejoin.json'))).toBe(false);
  const checksums = 'CHECKSUM TABLE shop.orders, shop.notes';
  expect(await pair.standby.sql(checksums)).toEqual(await pair.active.sql(checksums));

  expect(await vipctl(null, 'rejoin', '--discard', '--yes')).toMatchObject({
    status: 1,
    err: expect.stringContaining('there is nothing to do'),
  });
  expect(await vipctl(null, 'divergence')).toMatchObject({ status: 0, out: 'db2 has nothing that db1 has not\n' });
});

/** With it no half of what is free is enough. */
const BALLAST_KIB = 252;
const DISK_KIB = 256;

test('on MySQL, whose clone deletes the binary logs, nothing is done until they are kept, and then they stay', async () => {
  const pair = await splitPair(cleanup, KINDS.mysql);
  const disk = await smallDisk(DISK_KIB);
  cleanup.push(async () => disk.remove());
  const { vipctl } = await makeNode(pair, disk.path);
  const ballast = join(disk.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(BALLAST_KIB * 1_024));

  expect(await vipctl('db2', 'rejoin', '--discard')).toMatchObject({
    status: 1,
    err: expect.stringMatching(/its binary logs are not kept yet, and the clone deletes them: \d+ bytes to keep/),
  });
  expect(await pair.standby.sql('SELECT id FROM shop.only_here')).toEqual([{ id: 1 }]);

  rmSync(ballast);
  expect(await vipctl('db2', 'rejoin', '--discard')).toMatchObject({ status: 0, err: '' });
  expect(await pair.standby.sql("SHOW TABLES FROM shop LIKE 'only_here'")).toEqual([]);
  const kept = readdirSync(join(disk.path, KEPT_DIRECTORY)).flatMap((name) =>
    readdirSync(join(disk.path, KEPT_DIRECTORY, name)),
  );
  expect(kept.sort()).toEqual(['binlog.000001', 'binlog.000002', 'transactions.json']);
});
