import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { diagnose } from '../../src/control/diagnosis.js';
import { activeNode } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, holdsVip, isReadOnly, PATIENCE_MS, selfOf, untilActive, untilPair } from './ground.js';

inSandbox('test/survival/fence.lab.test.ts', () => {
  let directory: string;
  let lab: Lab;
  let active: NodeName;
  let standby: NodeName;

  const path = (name: string): string => join(directory, name);
  const runs = (): readonly string[] =>
    existsSync(path('runs')) ? readFileSync(path('runs'), 'utf8').trim().split('\n') : [];
  const untilRun = (times: number): Promise<void> =>
    waitFor(() => runs().length >= times || `it ran ${runs().length} times`, 'the command runs', PATIENCE_MS);

  /** Says that it runs, waits for the file `go`, and fails while there is a file `broken`. */
  const SCRIPT = (): string => `#!/bin/sh
echo "$VIPD_NODE $VIPD_PHASE $VIPD_PEER $1" >> ${path('runs')}
while [ ! -e ${path('go')} ]; do sleep 0.05; done
if [ -e ${path('broken')} ]; then echo 'no such outlet'; exit 3; fi
`;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vipd-fence-'));
    writeFileSync(path('fence'), SCRIPT(), { mode: 0o755 });
    const fence = { command: [path('fence'), 'outlet-3'], required: true, timeout: '60s' };
    lab = await createLab({ ...CALM, config: { ...CALM.config, fence } });
    await untilPair(lab);
    active = await activeNode(lab);
    standby = peerOf(active);
  });
  afterEach(async () => {
    await lab.destroy();
    rmSync(directory, { recursive: true, force: true });
  });

  it('keeps a standby from opening in place of a silent active until it has succeeded', async () => {
    lab.agent[active].signal('SIGKILL');
    await untilRun(1);
    const waiting = await selfOf(lab, standby);
    expect(waiting).toMatchObject({ role: 'promoting', progress: `cutting off ${active}` });
    expect([await holdsVip(lab, standby), await isReadOnly(lab, standby)]).toEqual([false, true]);
    writeFileSync(path('go'), '');
    await untilActive(lab, standby);
    expect(runs()).toEqual([`${standby} pre-takeover ${active} outlet-3`]);
    const { protection } = await lab.status(standby);
    expect(protection.fence).toMatchObject({ configured: true, required: true, last: { ok: true } });
    lab.agent[active].start();
    await untilPair(lab);
  });

  it('while it fails is tried again, and status says what to do', async () => {
    writeFileSync(path('go'), '');
    writeFileSync(path('broken'), '');
    lab.agent[active].signal('SIGKILL');
    await untilRun(2);
    await waitFor(
      async () => (await selfOf(lab, standby)).holds.some(({ name }) => name === 'fence') || 'no hold',
      'it holds fence',
      PATIENCE_MS,
    );
    const problem = diagnose(await lab.status(standby)).find(({ brief }) => brief === `${standby} fence`);
    expect(problem?.text).toContain(`${active} could not be cut off: exit 3: no such outlet`);
    expect(problem?.next).toContain('vipctl promote');
    expect([await holdsVip(lab, standby), await isReadOnly(lab, standby)]).toEqual([false, true]);
    rmSync(path('broken'));
    await untilActive(lab, standby);
    expect((await selfOf(lab, standby)).holds).toEqual([]);
  });

  it('does not run in a switchover, nor for an active that is heard again', async () => {
    expect(await lab.vipctl(active, ['switchover'])).toMatchObject({ status: 0 });
    await untilPair(lab);
    expect(runs()).toEqual([]);
    lab.agent[standby].signal('SIGSTOP');
    await untilRun(1);
    // Past every deadline of its questions to its own server, which must not be taken for hanging, and killed.
    await sleep(2_500);
    lab.agent[standby].signal('SIGCONT');
    await untilActive(lab, active);
    await untilPair(lab);
    expect(runs()).toHaveLength(1);
    expect(existsSync(path('go'))).toBe(false);
  });
});
