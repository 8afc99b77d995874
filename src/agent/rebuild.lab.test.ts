/** A node with commits of its own is rebuilt from a real active that takes writes meanwhile, through every death in the middle. */

import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { AGENT, alone, type Cleanup, eventually, runCleanup, writeLoad } from '../mysql/lab.fixture.js';
import { startRebuildPair } from './rebuild.fixture.js';
import { proveWhole, tables } from './whole-pair.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

test('under writes: the pair is one again, its checksums agree, and the old data lies aside', async () => {
  const pair = await startRebuildPair(cleanup);
  // A server that writes no more, as an owner before the last: its transactions are in the copy as well.
  await pair.active.sql('SET SESSION server_id=3; INSERT INTO shop.orders (v) VALUES (50)');
  const load = writeLoad(pair.active);
  await eventually(() => load.acknowledged > 50);
  const { oldData } = await pair.run();
  await load.stop();
  await proveWhole(cleanup, pair);
  expect(await readdir(oldData)).toEqual(expect.arrayContaining(['ibdata1', 'binlog.000001', 'shop']));
  expect(await readdir(join(oldData, 'shop'))).toContain('only_here.ibd');
  expect(pair.said).toContain('copying the data');
});

test('whatever dies in the middle, the next run goes on there, and nothing of the old data is lost', async () => {
  const pair = await startRebuildPair(cleanup);
  const dying = new AbortController();
  const dieAt = (words: string) => (text: string) => {
    pair.said.push(text);
    if (text.includes(words)) dying.abort();
  };
  await expect(pair.run({ signal: dying.signal, say: dieAt('copying') })).rejects.toThrow('given up');
  expect(await pair.standby.sql('SELECT 1 AS one')).toEqual([{ one: 1 }]);

  await expect(pair.run({ stop: ['/bin/false'] })).rejects.toThrow('/bin/false (rejoin.stop): exit 1');
  await expect(pair.run({ stop: ['/bin/true'] })).rejects.toThrow('still answers after /bin/true');
  expect((await tables(pair.standby)).length).toBe(3);

  await expect(pair.run({ start: ['/bin/false'] })).rejects.toThrow('/bin/false (rejoin.start): exit 1');
  expect(pair.said).toContain('telling the server what it holds');
  // The second start is the one with the channel.
  let starts = 0;
  const say = (text: string): void => {
    if (text.endsWith('/start')) starts += 1;
    if (text === 'waiting for the judgement of the agent') throw new Error('killed');
  };
  await expect(pair.run({ say })).rejects.toThrow('killed');
  expect(starts).toBe(1);
  const { oldData } = await pair.run();
  expect(pair.said.filter((text) => text.startsWith('going on where it stopped'))).toEqual([
    'going on where it stopped: copying the data',
    'going on where it stopped: preparing the copy',
    'going on where it stopped: preparing the copy',
    'going on where it stopped: waiting for the judgement of the agent',
  ]);
  await proveWhole(cleanup, pair);
  expect(await readdir(join(oldData, 'shop'))).toContain('only_here.ibd');
});

test('who is not active is not copied from, and missing privileges are named; the old server runs on', async () => {
  const pair = await startRebuildPair(cleanup);
  pair.serves = false;
  await expect(pair.run()).rejects.toThrow('this node is not active any more');
  pair.serves = true;
  await alone(pair.active, `REVOKE RELOAD ON *.* FROM '${AGENT.user}'@localhost`);
  await expect(pair.run()).rejects.toThrow(
    /privilege.*GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON \*\.\* TO/,
  );
  expect(await tables(pair.standby)).toContain('shop.only_here');
});

test('a server that somebody started in the middle overwrites nothing', async () => {
  const pair = await startRebuildPair(cleanup);
  const say = (text: string): void => {
    if (text === 'moving the new data to its place') throw new Error('killed');
  };
  await expect(pair.run({ say })).rejects.toThrow('killed');
  await writeFile(join(pair.standby.dataDir, 'ibdata1'), 'made by a start on an empty directory');
  await expect(pair.run()).rejects.toThrow(/ibdata1 is there already.*Move away what that start made/);
  await rm(join(pair.standby.dataDir, 'ibdata1'));
  await pair.run();
  await proveWhole(cleanup, pair);
});
