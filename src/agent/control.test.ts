/** What the control socket answers by the agent's state. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ConfigFixture, createConfigFixture } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import { request } from '../control/client.js';
import type { ReloadStatus } from '../control/status.js';
import { startNode } from '../core/start.js';
import type { Handoff, NodeState } from '../core/state.js';
import { type Control, createControl } from './control.js';
import { coreConfigOf } from './take-over.js';

const NOW = 1_000;

let fixture: ConfigFixture;
let directory: string;
let control: Control;
let state: NodeState;
let validFile = true;
const refused: ReloadStatus = { ok: false, text: 'not reloaded', details: ['line 3'], at: { bootMs: 0, wall: '' } };

beforeEach(async () => {
  fixture = createConfigFixture();
  directory = mkdtempSync(join(tmpdir(), 'vipd-control-'));
  const loaded = loadConfig(fixture.write('vipd.yaml', fixture.agentYaml));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  state = startNode(coreConfigOf(loaded.config, []), null, 0).state;
  const never = () => Promise.reject(new Error('not asked here'));
  control = createControl({
    socket: join(directory, 'c.sock'),
    group: 'root',
    dispatch: () => undefined,
    state: () => state,
    status: never,
    history: never,
    reload: async () => ({ ...refused, validFile }),
    acknowledge: () => undefined,
    now: () => NOW,
    warn: () => undefined,
  });
  await control.open();
});

afterEach(async () => {
  await control.close();
  rmSync(directory, { recursive: true });
  fixture.remove();
});

const serving = (role: NodeState['role'], phase: Handoff['phase'] | null, leaseUntil = NOW + 1): NodeState => ({
  ...state,
  role,
  // What else stands in them is not looked at.
  owner: { leaseUntil } as NodeState['owner'],
  handoff: phase === null ? null : ({ phase } as Handoff),
});

test.each([true, false])('a refused reload tells whether the file is valid: %s', async (valid) => {
  validFile = valid;
  const answer = await request(join(directory, 'c.sock'), { request: 'reload' }, { timeoutMs: 5_000 });
  expect(answer).toMatchObject({
    ok: false,
    text: 'not reloaded\nline 3',
    data: valid ? undefined : { invalid: true },
  });
});

test.each([
  ['active', null, true],
  ['active', 'preflight', true],
  ['handing-off', 'pre-demote', true],
  ['handing-off', 'demoting', false],
  ['handing-off', 'applying', false],
  ['handing-off', 'undoing', false],
  ['fencing', null, false],
  ['standby', null, false],
] as const)('is-active, %s and %s: %s, as /active has it', async (role, phase, ok) => {
  state = serving(role, phase);
  expect(await request(join(directory, 'c.sock'), { request: 'is-active' }, { timeoutMs: 5_000 })).toMatchObject({
    ok,
    text: role,
  });
});

test('is-active is "no" once the lease has run out', async () => {
  state = serving('active', null, NOW);
  const answer = await request(join(directory, 'c.sock'), { request: 'is-active' }, { timeoutMs: 5_000 });
  expect(answer).toMatchObject({ ok: false, text: 'active' });
});
