import { existsSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { titled } from '../titled.js';
import { downLab, findLab, type Running, removeRecord, upLab } from './background.js';
import { run } from './command.js';
import { waitFor } from './wait.js';

const DEADLINE_MS = 20_000;

/** Processes of this machine that are in the lab's process namespace. */
const processesIn = async (namespace: string): Promise<readonly string[]> =>
  (await run(['ps', '-e', '-o', 'netns=', '-o', 'args='])).split('\n').filter((line) => line.includes(namespace));

const inode = (running: Running): string => /\d+/.exec(running.namespace)?.[0] ?? '';

// Nobody else's lab is touched: where one is running on this machine already, there is nothing to be learned here.
const isAlone = findLab() === undefined;

describe.skipIf(!isAlone)(titled('a lab left running', isAlone, 'a machine on which none runs'), () => {
  afterEach(async () => {
    const running = findLab();
    if (running !== undefined) await downLab(running);
    removeRecord();
  });

  it('adds nothing to the network of the host, and is gone after "down"', async () => {
    const links = readdirSync('/sys/class/net').sort();
    const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
    const running = await upLab({ agents: false });
    expect(readdirSync('/sys/class/net').sort()).toEqual(links);
    expect(existsSync('/run/netns') ? readdirSync('/run/netns') : []).toEqual(namespaces);
    await downLab(running);
    expect(findLab()).toBeUndefined();
  });

  it('leaves no process behind when the one that holds it is killed', async () => {
    const running = await upLab({ agents: false });
    const unshare = Number((await run(['ps', '-o', 'ppid=', '-p', String(running.pid)])).trim());
    expect((await processesIn(inode(running))).length).toBeGreaterThan(1);
    process.kill(unshare, 'SIGKILL');
    await waitFor(async () => (await processesIn(inode(running))).length === 0, 'all of it ends', DEADLINE_MS);
    expect(findLab()).toBeUndefined();
  });
});
