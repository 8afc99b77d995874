import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { attempt, run } from '../lab/command.js';
import { GROUP } from '../lab/host-files.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, holdsVip, PATIENCE_MS, startAll, untilActive, untilPair, untilSaid } from './ground.js';

/** A vote that cannot be written is refused, never forgotten. */
inSandbox('test/survival/disk.lab.test.ts', () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await createLab({ ...CALM, agents: false });
  });
  afterEach(async () => {
    await Promise.all([lab.agent.db1, lab.agent.db2, lab.witness].map((daemon) => daemon.stop('SIGKILL')));
    for (const directory of mounted.splice(0)) await run(['umount', '--lazy', directory]);
    await lab.destroy();
  });

  const mounted: string[] = [];
  /** A small disk of its own in the place of a state directory. */
  const mount = async (directory: string, options: string): Promise<void> => {
    await run(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
    mounted.push(directory);
  };
  const recordOf = (node: NodeName): string => join(lab.files[node].stateDirectory, GROUP, 'record.json');

  const nobodyServesFor = async (ms: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    expect([await holdsVip(lab, 'db1'), await holdsVip(lab, 'db2')]).toEqual([false, false]);
  };

  it('that is read-only on both nodes from the start lets nobody serve, and says why', async () => {
    for (const node of ['db1', 'db2'] as const) await mount(lab.files[node].stateDirectory, 'ro');
    startAll(lab);
    await untilSaid(
      lab.agent.db1,
      /cannot write the voter's record .*record\.json: EROFS \(the file system is read-only\)/,
    );
    await untilSaid(lab.agent.db1, /the journal cannot be written: .*EROFS/);
    await nobodyServesFor(2_000);
    for (const node of ['db1', 'db2'] as const)
      await run(['mount', '-o', 'remount,rw', lab.files[node].stateDirectory]);
    await untilPair(lab);
  });

  it('that becomes full on the standby: what serves goes on, and no takeover until there is room', async () => {
    for (const node of NODES) await mount(lab.files[node].stateDirectory, 'size=64k');
    startAll(lab);
    await untilPair(lab);
    const active = await activeNode(lab);
    const standby = peerOf(active);
    const ballast = join(lab.files[standby].stateDirectory, 'ballast');
    await attempt(['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=4k', 'count=64']);
    await lab.vipctl(standby, ['maintenance', 'on']);
    await untilSaid(
      lab.agent[standby],
      /votes are refused, the record could not be written: .*ENOSPC \(the disk is full\)/,
    );
    expect((await lab.status(active)).active).toBe(active);
    await lab.vipctl(standby, ['maintenance', 'off']);
    await Promise.all([lab.agent[active].stop('SIGKILL'), lab.database[active].stop('SIGKILL')]);
    await waitFor(async () => !(await holdsVip(lab, active)), 'the dead node loses its VIP', PATIENCE_MS);
    await nobodyServesFor(1_500);
    await run(['rm', ballast]);
    await untilActive(lab, standby);
  });

  it('that fails under the witness: it grants nothing, the pair goes on without it', async () => {
    startAll(lab);
    await untilPair(lab);
    await mount(lab.witnessFiles.stateDirectory, 'ro');
    const active = await activeNode(lab);
    expect(await lab.vipctl(active, ['switchover'])).toMatchObject({ status: 0, stderr: '' });
    await untilSaid(lab.witness, /votes are refused: cannot write the voter's record .*EROFS/);
    await untilPair(lab);
    expect((await lab.status(active)).active).toBe(peerOf(active));
  });

  describe('a record that is not the one that was written', () => {
    const damages = {
      torn: (path: string) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, 90)),
      empty: (path: string) => writeFileSync(path, ''),
      edited: (path: string) =>
        writeFileSync(path, readFileSync(path, 'utf8').replace(/"maxTerm": \d+/, '"maxTerm": 99')),
    } as const;

    it.each(Object.entries(damages))(
      '%s: nothing is guessed, and the others tell it what it was',
      async (_, damage) => {
        startAll(lab);
        await untilPair(lab);
        const { term } = await lab.status('db1');
        await lab.agent.db2.stop();
        damage(recordOf('db2'));
        lab.agent.db2.start();
        await untilSaid(
          lab.agent.db2,
          /the record .*record\.json is torn, so nothing is granted until the others told their terms/,
        );
        await untilPair(lab);
        expect((await lab.status('db2')).term).toBeGreaterThanOrEqual(term);
      },
    );

    it("but the other node's, copied here, is told apart", async () => {
      startAll(lab);
      await untilPair(lab);
      await lab.agent.db2.stop();
      copyFileSync(recordOf('db1'), recordOf('db2'));
      lab.agent.db2.start();
      await untilSaid(
        lab.agent.db2,
        /the record .* is foreign, .*record of db1 in group lab, and this is db2 in group lab; was it copied here\?/,
      );
      await untilPair(lab);
    });

    it("lost on the witness is learned from both nodes, or made anew by the operator's word", async () => {
      startAll(lab);
      await untilPair(lab);
      await lab.witness.stop();
      writeFileSync(join(lab.witnessFiles.stateDirectory, GROUP, 'record.json'), '{');
      lab.witness.start();
      await untilSaid(lab.witness, /the record .* is torn/);
      await untilSaid(
        lab.witness,
        /no record: nothing is granted until both nodes told their terms, or `vipd witness init lab`/,
      );
      await untilSaid(lab.witness, /record made from what the nodes told/);
      await untilPair(lab);
    });
  });
});
