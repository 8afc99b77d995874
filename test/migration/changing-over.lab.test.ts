/** docs/coming-from-keepalived.md, "Changing over", on a pair that serves: how long clients are off, and what is lost. */

import { expect, it } from 'vitest';
import { FAULTS } from '../bench/fault.js';
import { KEEPALIVED_GUIDE } from '../bench/keepalived.js';
import { measure } from '../bench/measure.js';
import { activeNode, allAttempts, checkNothingLost, rowsOf } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { type Attempt, longestOutage, monotonicMs } from '../lab/load.js';
import { VIPD } from '../lab/programs.js';
import { waitFor } from '../lab/wait.js';
import { CALM, PATIENCE_MS, untilPair, untilSaid } from '../survival/ground.js';

const FLOWING_WRITES = 50;

const untilFlowing = (attempts: readonly Attempt[], since: number): Promise<void> =>
  waitFor(
    () => attempts.filter(({ acknowledged, begin }) => acknowledged && begin >= since).length >= FLOWING_WRITES,
    'writes pass',
    PATIENCE_MS,
  );

/** Longest time without an acknowledged write while the steps of the guide are done. */
const changeOver = async (lab: Lab): Promise<number> => {
  const keepalived = await KEEPALIVED_GUIDE.start(lab, { intervalMs: 100, fall: 1 });
  const active = await keepalived.active();
  const standby = peerOf(active);
  const load = lab.load();
  try {
    await untilFlowing(load.fresh.attempts, 0);
    const begin = monotonicMs();
    await keepalived.switchover(standby);
    const init = await lab.exec('w1', [
      process.execPath,
      VIPD,
      'witness',
      'init',
      'lab',
      '--config',
      lab.witnessFiles.config,
    ]);
    expect(init.status, init.stderr).toBe(0);
    lab.witness.start();
    lab.agent[standby].start();
    await untilSaid(lab.agent[standby], /-> standby/);
    await untilFlowing(load.fresh.attempts, monotonicMs());
    await keepalived.switchover(active);
    // Not vipctl: a start of Node on a busy machine is not what is measured.
    const promoted = await lab.ask(standby, { request: 'promote', acceptLoss: true });
    expect(promoted).toMatchObject({ kind: 'done', ok: true });
    await untilFlowing(load.fresh.attempts, monotonicMs());
    lab.agent[active].start();
    await untilPair(lab);
    const { ms } = longestOutage(load.fresh.attempts, begin);
    await load.stop();
    expect(await activeNode(lab)).toBe(standby);
    expect(checkNothingLost(allAttempts(load), await rowsOf(lab, standby), standby)).toEqual([]);
    return ms;
  } finally {
    await load.stop();
    await keepalived.stop();
  }
};

inSandbox('test/migration/changing-over.lab.test.ts', () => {
  it('takes clients off for no longer than keepalived does when a host dies, and loses no acknowledged write', async () => {
    const lab = await createLab({ ...CALM, agents: false });
    let changeMs: number;
    try {
      changeMs = await changeOver(lab);
    } finally {
      await lab.destroy();
    }
    const hostDead = FAULTS.find(({ name }) => name === 'host-dead-100ms');
    if (hostDead === undefined) throw new Error('there is no such fault');
    const { outageMs: failoverMs } = await measure(KEEPALIVED_GUIDE, hostDead, () => 0);
    expect(changeMs).toBeLessThan(failoverMs ?? Number.POSITIVE_INFINITY);
  });
});
