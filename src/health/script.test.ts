import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createScriptCheck, type ScriptCheck, type ScriptCheckOptions, type ScriptResult } from './script.js';

let directory = '';
let check: ScriptCheck | null = null;
let results: ScriptResult[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-script-'));
  results = [];
});
afterEach(async () => {
  await check?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const begin = (script: string, more: Partial<ScriptCheckOptions> = {}): void => {
  const file = join(directory, 'check');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  check = createScriptCheck({
    name: 'disk',
    command: [file, '/var/lib/mysql'],
    intervalMs: 50,
    timeoutMs: 2_000,
    nowMs: () => performance.now(),
    onResult: (result) => results.push(result),
    ...more,
  });
};

const resultsAtLeast = async (count: number): Promise<void> => {
  await expect.poll(() => results.length, { timeout: 8_000, interval: 10 }).toBeGreaterThanOrEqual(count);
};

test('exit status 0 is healthy, with its output, its arguments and the name of the check', async () => {
  begin('echo $VIPD_CHECK $1');
  await resultsAtLeast(1);
  expect(results[0]).toMatchObject({
    name: 'disk',
    ok: true,
    detail: 'exit 0: disk /var/lib/mysql',
    output: 'disk /var/lib/mysql',
  });
});

test('it runs again at each interval and follows what the script says', async () => {
  begin(`test ! -e ${directory}/bad`);
  await resultsAtLeast(2);
  expect(results.every((result) => result.ok)).toBe(true);
  writeFileSync(join(directory, 'bad'), '');
  await expect.poll(() => results.at(-1)).toMatchObject({ ok: false, detail: 'exit 1' });
  rmSync(join(directory, 'bad'));
  await expect.poll(() => results.at(-1)?.ok).toBe(true);
});

test('a script that hangs and ignores SIGTERM fails at each deadline, once a run, and runs do not overlap', async () => {
  begin(`trap '' TERM; echo x >> ${directory}/runs; while :; do sleep 0.05; done`, { timeoutMs: 100 });
  await resultsAtLeast(3);
  await check?.stop();
  expect(results.slice(0, 3).map((result) => result.detail)).toEqual(Array(3).fill('no end within 100 ms'));
  expect(readFileSync(join(directory, 'runs'), 'utf8').split('\n').length - 1).toBe(results.length);
});

test('a script that cannot be run fails again and again, with the reason', async () => {
  begin('exit 0', { command: ['/nowhere/check'] });
  await resultsAtLeast(2);
  expect(results[1]).toMatchObject({ ok: false, detail: 'cannot run /nowhere/check: not found' });
});

test('a script killed by a signal has failed', async () => {
  begin('kill -KILL $$');
  await resultsAtLeast(1);
  expect(results[0]).toMatchObject({ ok: false, detail: 'killed by SIGKILL' });
});

test('stopped, it tells nothing more and its script is gone', async () => {
  begin(`echo $$ > ${directory}/pid; exec sleep 60`);
  const pid = (): number => {
    try {
      return Number(readFileSync(join(directory, 'pid'), 'utf8'));
    } catch {
      return 0;
    }
  };
  await expect.poll(pid).toBeGreaterThan(0);
  const started = pid();
  await check?.stop();
  await expect
    .poll(() => {
      try {
        return process.kill(started, 0);
      } catch {
        return false;
      }
    })
    .toBe(false);
  expect(results).toEqual([]);
});
