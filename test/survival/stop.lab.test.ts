import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { attempt } from '../lab/command.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { VIPD } from '../lab/programs.js';
import { type NodeName, on } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, holdsVip, isReadOnly, PATIENCE_MS, said, untilActive, untilEnded, untilPair } from './ground.js';

/** Takes longer than all the rest of a stop. */
const HOOKS = { 'post-demote/10-tell': '#!/bin/sh\nsleep 1\necho "$VIPD_NODE" > "$(dirname "$0")/../told"\n' };

/** A unit's TimeoutStopSec is far above; an operator who waits longer than this for a stop wonders. */
const STOP_LIMIT_MS = 5_000;

inSandbox('test/survival/stop.lab.test.ts', () => {
  let lab: Lab;
  let active: NodeName;
  let standby: NodeName;
  beforeEach(async () => {
    lab = await createLab({ ...CALM, hooks: HOOKS });
    await untilPair(lab);
    active = await activeNode(lab);
    standby = peerOf(active);
  });
  afterEach(() => lab.destroy());

  const cleanUp = (node: NodeName) =>
    attempt([...on(node), process.execPath, VIPD, 'cleanup', '--config', lab.files[node].config]);
  const tookMs = async (work: () => Promise<unknown>): Promise<number> => {
    const begin = performance.now();
    await work();
    return performance.now() - begin;
  };

  describe('SIGTERM', () => {
    it('on the active hands off first, then it leaves with 0, nothing held', async () => {
      const took = await tookMs(() => lab.agent[active].stop());
      expect(lab.agent[active].exits).toEqual([{ code: 0, signal: null }]);
      expect(took).toBeLessThan(STOP_LIMIT_MS);
      expect(await holdsVip(lab, active)).toBe(false);
      expect(await isReadOnly(lab, active)).toBe(true);
      await untilActive(lab, standby);
      expect(said(lab.agent[active]).join('\n')).toMatch(
        /active -> handing-off: asked to stop, and the standby is fit/,
      );
      // Its hooks were let run to their end.
      expect(await readFile(join(lab.files[active].hooksDirectory, 'told'), 'utf8')).toBe(`${active}\n`);
      const moves = (await lab.journal(standby)).filter(({ to }) => to === 'active');
      expect(moves.at(-1)?.text).toContain('because released');
      lab.agent[active].start();
      await untilPair(lab);
    });

    it('on the active with nobody to take over gives the VIP up and leaves with 0', async () => {
      await lab.agent[standby].stop();
      const took = await tookMs(() => lab.agent[active].stop());
      expect(lab.agent[active].exits).toEqual([{ code: 0, signal: null }]);
      expect(took).toBeLessThan(STOP_LIMIT_MS);
      expect([await holdsVip(lab, active), await holdsVip(lab, standby)]).toEqual([false, false]);
      expect(await isReadOnly(lab, active)).toBe(true);
    });

    it('on the standby leaves with 0, and the active goes on', async () => {
      await lab.agent[standby].stop();
      expect(lab.agent[standby].exits).toEqual([{ code: 0, signal: null }]);
      expect((await lab.status(active)).active).toBe(active);
      expect(await isReadOnly(lab, standby)).toBe(true);
      lab.agent[standby].start();
      await untilPair(lab);
    });

    it('twice leaves at once, and still nothing is held', async () => {
      lab.database[standby].signal('SIGSTOP');
      lab.agent[active].signal('SIGTERM');
      await waitFor(
        () => said(lab.agent[active]).some((line) => /asked to stop/.test(line)),
        'it is stopping',
        PATIENCE_MS,
      );
      const took = await tookMs(() => lab.agent[active].stop());
      lab.database[standby].signal('SIGCONT');
      expect(lab.agent[active].exits).toEqual([{ code: 0, signal: null }]);
      expect(took).toBeLessThan(STOP_LIMIT_MS);
      expect(await holdsVip(lab, active)).toBe(false);
    });

    it('on the witness leaves with 0, and the pair goes on without it', async () => {
      await lab.witness.stop();
      expect(lab.witness.exits).toEqual([{ code: 0, signal: null }]);
      expect(await lab.vipctl(active, ['switchover'])).toMatchObject({ status: 0, stderr: '' });
      await untilPair(lab);
    });
  });

  describe('vipd cleanup', () => {
    it('does nothing while an agent runs', async () => {
      const result = await cleanUp(active);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toContain(`an agent of group lab runs (process ${lab.agent[active].pid}); nothing to do`);
      await untilPair(lab);
      expect((await lab.status(standby)).active).toBe(active);
    });

    it('after kill -9 of the active takes the VIP off and makes the database read-only', async () => {
      // Nobody takes over meanwhile, so what is taken off is what the dead agent left.
      await lab.agent[standby].stop();
      lab.agent[active].signal('SIGKILL');
      await untilEnded(lab.agent[active]);
      const left = { vip: await holdsVip(lab, active), readOnly: await isReadOnly(lab, active) };
      expect(left).toEqual({ vip: true, readOnly: false });
      const result = await cleanUp(active);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toMatch(/vipd cleanup: VIPs off, \d+ connections reset\nvipd cleanup: database .+\n/);
      expect([await holdsVip(lab, active), await isReadOnly(lab, active)]).toEqual([false, true]);
      const { stdout } = await lab.exec(active, ['nft', 'list', 'tables']);
      expect(stdout).not.toContain('vipd_lab');
      expect((await cleanUp(active)).status).toBe(0);
      lab.agent[active].start();
      lab.agent[standby].start();
      await untilPair(lab);
    });

    it('goes by what the agent had in force, whatever has become of its file', async () => {
      await lab.agent[standby].stop();
      lab.agent[active].signal('SIGKILL');
      await untilEnded(lab.agent[active]);
      const { config, controlSocket } = lab.files[active];
      const sound = await readFile(config);
      await writeFile(config, 'vip: [\n');
      // As the service manager gives it to ExecStopPost=.
      const runtime = `RUNTIME_DIRECTORY=${dirname(controlSocket)}`;
      const result = await attempt([
        ...on(active),
        'env',
        runtime,
        process.execPath,
        VIPD,
        'cleanup',
        '--config',
        config,
      ]);
      await writeFile(config, sound);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).toContain('by what the agent of group lab had in force');
      expect([await holdsVip(lab, active), await isReadOnly(lab, active)]).toEqual([false, true]);
    });

    it('with a dead database still takes the VIP off', async () => {
      await lab.agent[standby].stop();
      lab.agent[active].signal('SIGKILL');
      await untilEnded(lab.agent[active]);
      await lab.database[active].stop('SIGKILL');
      const result = await cleanUp(active);
      expect(result.stdout).toContain('VIPs off');
      expect(result.status).toBe(0);
      expect(await holdsVip(lab, active)).toBe(false);
    });
  });
});
