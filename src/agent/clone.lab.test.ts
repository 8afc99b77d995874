/** A MySQL with commits of its own is cloned from a real active that takes writes meanwhile, through what ends it in the middle. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { KINDS } from '../../test/lab/kinds.js';
import { assertCloneable, CLONE_GRANT, DONOR_GRANT } from '../mysql/clone.js';
import { splitPair } from '../mysql/divergence.fixture.js';
import { AGENT, alone, type Cleanup, eventually, type Pair, runCleanup, writeLoad } from '../mysql/lab.fixture.js';
import { createLinks } from '../mysql/links.js';
import { type CloneOptions, rebuildByClone } from './clone.js';
import { makeService } from './rebuild.fixture.js';
import { loadRebuild } from './rebuild-record.js';
import { proveWhole, tables } from './whole-pair.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const run = promisify(execFile);

const PLUGIN = "INSTALL PLUGIN clone SONAME 'mysql_clone.so'";
const FROM_HERE = `'${AGENT.user}'@'127.0.0.1'`;

const linksTo = (socket: string) => {
  const links = createLinks({
    target: { socket },
    credentials: AGENT,
    onOpened: () => undefined,
    onLost: () => undefined,
  });
  cleanup.push(async () => links.close());
  return links;
};

interface ClonePair extends Pair {
  readonly said: string[];
  readonly recordPath: string;
  run(options?: Partial<CloneOptions>): Promise<void>;
}

const startClonePair = async (): Promise<ClonePair> => {
  const { active, standby } = await splitPair(cleanup, KINDS.mysql);
  const account = `CREATE USER ${FROM_HERE} IDENTIFIED BY '${AGENT.password.replace("'", "''")}'`;
  await alone(active, PLUGIN, account, `${DONOR_GRANT} ${FROM_HERE}`);
  await alone(standby, PLUGIN, `${CLONE_GRANT} '${AGENT.user}'@localhost`);
  const links = linksTo(standby.socket);
  const said: string[] = [];
  const recordPath = join(standby.dir, 'rejoin.json');
  const options: CloneOptions = {
    link: (name) => links.get(name, 5_000),
    recordPath,
    active: 'db1',
    donor: { host: '127.0.0.1', port: active.port ?? 0, ...AGENT },
    stop: ['/bin/false'],
    start: ['/bin/false'],
    say: (text) => said.push(text),
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
  };
  return { active, standby, said, recordPath, run: (given = {}) => rebuildByClone({ ...options, ...given }) };
};

const uuidOf = async ({ standby }: Pair): Promise<unknown> =>
  (await standby.sql('SELECT @@server_uuid AS uuid'))[0]?.uuid;

test('under writes: the pair is one again, its checksums agree, and no discarded name is given again', async () => {
  const pair = await startClonePair();
  const uuid = await uuidOf(pair);
  const load = writeLoad(pair.active);
  await eventually(() => load.acknowledged > 50);
  await pair.run();
  await load.stop();
  expect(await pair.standby.sql('SELECT @@super_read_only AS ro')).toEqual([{ ro: 1 }]);
  expect(await uuidOf(pair)).not.toBe(uuid);
  await proveWhole(cleanup, pair);
});

const isCloning = ({ standby }: Pair): Promise<boolean> =>
  standby.sql('SELECT 1 FROM performance_schema.clone_status').then(
    (rows) => rows.length > 0,
    () => false,
  );

test('an operator who looks away finds it going on, and no second clone is begun', async () => {
  const pair = await startClonePair();
  const leaving = new AbortController();
  const say = (text: string): void => {
    pair.said.push(text);
    if (text.startsWith('replacing')) void eventually(() => isCloning(pair)).then(() => leaving.abort());
  };
  await expect(pair.run({ signal: leaving.signal, say })).rejects.toThrow('type the command again');
  await pair.run();
  expect(pair.said).toContain('going on where it stopped: replacing the data by that of the active');
  expect((await pair.standby.sql('SELECT ID FROM performance_schema.clone_status'))[0]?.ID).toBe(1);
  const log = await readFile(pair.standby.errorLog, 'utf8');
  expect(log.match(/Clone removing all user data for provisioning: Started/g)).toHaveLength(1);
  await proveWhole(cleanup, pair);
});

const receiverErrno = async ({ standby }: Pair): Promise<number> =>
  Number((await standby.sql('SHOW REPLICA STATUS'))[0]?.Last_IO_Errno);

test('killed before the channel is set up, it is taken up there', async () => {
  const pair = await startClonePair();
  const say = (text: string): void => {
    if (text === 'setting up its channel') throw new Error('killed');
  };
  await expect(pair.run({ say })).rejects.toThrow('killed');
  expect(await loadRebuild(pair.recordPath)).toMatchObject({ way: 'clone', stage: 'source' });
  // What an agent beside it may do meanwhile: start a channel that pulls from this server itself.
  await pair.standby.sql(pair.standby.kind.startReplica);
  await eventually(async () => (await receiverErrno(pair)) !== 0);
  await pair.run();
  // Else that agent would take the error for its own channel's, and leave it to an operator.
  expect(await receiverErrno(pair)).toBe(0);
  await proveWhole(cleanup, pair);
});

test('where nobody starts the server again, its start command does', async () => {
  const pair = await startClonePair();
  const service = await makeService(cleanup, pair.standby);
  const [[stop = ''], [start = '']] = [service.stop, service.start];
  await pair.standby.stop();
  await run(start);
  await pair.run({ stop: [stop], start: [start] });
  expect(pair.said).toContain(`  ${start}`);
  await proveWhole(cleanup, pair);
});

test('what is refused deletes nothing, names the privilege, and asks for the word anew', async () => {
  const pair = await startClonePair();
  await alone(pair.active, `REVOKE BACKUP_ADMIN ON *.* FROM ${FROM_HERE}`);
  await expect(pair.run()).rejects.toThrow(/BACKUP_ADMIN.*GRANT BACKUP_ADMIN ON \*\.\* TO/);
  await alone(pair.standby, `REVOKE CLONE_ADMIN ON *.* FROM '${AGENT.user}'@localhost`);
  await expect(pair.run()).rejects.toThrow(/CLONE_ADMIN.*GRANT CLONE_ADMIN ON \*\.\* TO/);
  expect(await tables(pair.standby)).toContain('shop.only_here');
  expect(await pair.standby.sql('SELECT @@super_read_only AS ro')).toEqual([{ ro: 1 }]);
  expect(await loadRebuild(pair.recordPath)).toBeNull();
});

test('tables of other engines, and a missing plugin, are named before the word is asked for', async () => {
  const pair = await startClonePair();
  const [here, there] = [
    await linksTo(pair.standby.socket).get('command', 5_000),
    await linksTo(pair.active.socket).get('command', 5_000),
  ];
  await assertCloneable(here, there);
  await pair.active.sql('CREATE TABLE shop.old (id INT) ENGINE=MyISAM');
  await expect(assertCloneable(here, there)).rejects.toThrow('1 other tables (shop.old)');
  await pair.active.sql('DROP TABLE shop.old; UNINSTALL PLUGIN clone');
  await expect(assertCloneable(here, there)).rejects.toThrow('the active has no clone plugin: INSTALL PLUGIN clone');
});
