/** State directory and hooks are judged by the rights of the agent, whoever types `vipctl doctor`. */

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { titled } from '../../test/titled.js';
import { type ConfigFixture, createConfigFixture } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import { agentUser, asAgent } from './agent-user.js';
import { checkHooks, checkState } from './host.js';
import type { Subject } from './subject.js';

const AGENT = 4_321;
const isRoot = process.geteuid?.() === 0;

let fixture: ConfigFixture;
let directory: string;
let agent: ChildProcess | null = null;

beforeEach(() => {
  fixture = createConfigFixture();
  directory = mkdtempSync(join(tmpdir(), 'vipd-doctor-'));
  chmodSync(directory, 0o755);
});
afterEach(() => {
  agent?.kill();
  agent = null;
  vi.restoreAllMocks();
  fixture.remove();
  rmSync(directory, { recursive: true });
});

const subject = (agentPid: number | null): Subject => {
  const hooks = `hooks: { directory: ${join(directory, 'hooks.d')} }`;
  const loaded = loadConfig(
    fixture.write('vipd.yaml', `${fixture.agentYaml}state_directory: ${join(directory, 'state')}\n${hooks}\n`),
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return { config: loaded.config, digest: '', status: null, agentPid, peer: { kind: 'silent' } };
};

/** A process in the place of the agent, which is known by its process id. */
const startAgent = (): number => {
  agent = spawn('/bin/sleep', ['60'], { uid: AGENT, gid: AGENT });
  return agent.pid ?? 0;
};

test('the user of a running agent is told by its process', () => {
  expect(agentUser(process.pid)).toEqual({
    uid: process.geteuid?.(),
    gid: process.getegid?.(),
    groups: expect.any(Array),
  });
  expect(agentUser(0x7fff_ffff)).toBeNull();
});

test('root becomes the agent for as long as it tries, and is itself again when that fails', async () => {
  const said: string[] = [];
  vi.spyOn(process, 'geteuid').mockReturnValue(0);
  vi.spyOn(process, 'getegid').mockReturnValue(0);
  vi.spyOn(process, 'getgroups').mockReturnValue([0]);
  vi.spyOn(process, 'setgroups').mockImplementation((groups) => void said.push(`groups ${groups.join()}`));
  vi.spyOn(process, 'setegid').mockImplementation((id) => void said.push(`gid ${id}`));
  vi.spyOn(process, 'seteuid').mockImplementation((id) => void said.push(`uid ${id}`));
  const work = () => {
    said.push('tried');
    throw new Error('EACCES');
  };
  await expect(asAgent({ uid: AGENT, gid: 5, groups: [5, 6] }, work)).rejects.toThrow('EACCES');
  expect(said).toEqual(['groups 5,6', 'gid 5', `uid ${AGENT}`, 'tried', 'uid 0', 'gid 0', 'groups 0']);
  said.length = 0;
  await expect(asAgent({ uid: 0, gid: 0, groups: [] }, work)).rejects.toThrow('EACCES');
  expect(said).toEqual(['tried']);
});

test.runIf(isRoot)(
  titled('a state directory that only root can write is a fault for an agent of another user', isRoot, 'root'),
  async () => {
    const state = join(directory, 'state');
    mkdirSync(state, { mode: 0o750 });
    const pid = startAgent();
    expect(await checkState(subject(pid))).toMatchObject([
      {
        verdict: 'fault',
        tried: expect.stringContaining(`as user id ${AGENT}`),
        found: expect.stringContaining('EACCES'),
      },
    ]);
    chownSync(state, AGENT, AGENT);
    expect(await checkState(subject(pid))).toMatchObject([{ verdict: 'ok' }]);
    expect(process.geteuid?.()).toBe(0);
  },
);

test.runIf(isRoot)(titled('a hook of the user of the agent is one that it runs', isRoot, 'root'), async () => {
  const phase = join(directory, 'hooks.d/hold');
  mkdirSync(phase, { recursive: true });
  writeFileSync(join(phase, 'mail'), '#!/bin/sh\n', { mode: 0o755 });
  chownSync(join(phase, 'mail'), AGENT, AGENT);
  expect(await checkHooks(subject(startAgent()))).toMatchObject([{ verdict: 'ok', found: '1 would run' }]);
});
