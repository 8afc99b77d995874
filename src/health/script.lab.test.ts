import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { frozenDisk, type TestDisk } from '../host/disk.fixture.js';
import { createScriptCheck, type ScriptCheck, type ScriptCheckOptions, type ScriptResult } from './script.js';

let check: ScriptCheck | null = null;
let disk: TestDisk | null = null;
afterEach(async () => {
  await check?.stop();
  disk?.remove();
  check = null;
  disk = null;
});

const begin = (command: readonly string[], more: Partial<ScriptCheckOptions> = {}): ScriptResult[] => {
  const results: ScriptResult[] = [];
  check = createScriptCheck({
    name: 'disk',
    command,
    intervalMs: 300,
    timeoutMs: 200,
    nowMs: () => performance.now(),
    onResult: (result) => results.push(result),
    ...more,
  });
  return results;
};

const state = (processGroup: string): string =>
  /\) (\w) /.exec(readFileSync(`/proc/${processGroup}/stat`, 'latin1'))?.[1] ?? '';

test('a script that waits for a frozen disk, beyond SIGKILL, fails at each turn and has no second beside it', async () => {
  disk = await frozenDisk();
  const results = begin(['/bin/cat', `${disk.path}/file`]);
  await expect.poll(() => results.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
  expect(results.every((result) => !result.ok)).toBe(true);
  expect(results[0]?.detail).toBe('no end within 200 ms');
  const groups = results.slice(1, 4).map((result) => /still running: .*process group (\d+)/.exec(result.detail)?.[1]);
  expect(new Set(groups).size).toBe(1);
  expect(state(groups[0] ?? '')).toBe('D');
});

test('a script that lies on a frozen disk does not hold the event loop', async () => {
  disk = await frozenDisk();
  // Were it executed by spawn itself this would never return.
  const results = begin([`${disk.path}/check`]);
  await expect.poll(() => results[1]?.detail, { timeout: 10_000 }).toContain('still running');
});

test('a script goes on once the disk answers again', async () => {
  disk = await frozenDisk();
  const results = begin(['/bin/cat', `${disk.path}/file`]);
  await expect.poll(() => results.at(-1)?.detail, { timeout: 10_000 }).toContain('still running');
  disk.remove();
  await expect.poll(() => results.at(-1)?.detail, { timeout: 10_000 }).toContain('exit 1');
  disk = null;
});

test('a script runs as the account it names, with that account’s groups and nothing of ours', async () => {
  const results = begin(['/usr/bin/id'], { user: 'nobody', timeoutMs: 5_000 });
  await expect.poll(() => results.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(1);
  expect(results[0]).toMatchObject({ ok: true, output: 'uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)' });
});

test('a script that its account may not run has failed, with the reason', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-private-'));
  const file = join(directory, 'check');
  writeFileSync(file, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const results = begin([file], { user: 'nobody' });
  await expect.poll(() => results.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(1);
  expect(results[0]).toMatchObject({ ok: false, detail: `cannot run ${file} as nobody: Permission denied` });
  rmSync(directory, { recursive: true });
});
