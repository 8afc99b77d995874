import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountOf, forgetAccounts, rememberedAccountOf } from './account.js';
import { describeEnd, type ProcessRequest, startProcess, TERM_GRACE_MS } from './process.js';
import { groupIsAlive } from './process-group.js';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-process-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const nowMs = (): number => performance.now();

const request = (command: readonly string[], more: Partial<ProcessRequest> = {}): ProcessRequest => ({
  command,
  env: {},
  timeoutMs: 5_000,
  outputLimitBytes: 4_096,
  nowMs,
  ...more,
});

const shell = (script: string, more: Partial<ProcessRequest> = {}): ProcessRequest =>
  request(['/bin/sh', '-c', script], more);

const until = async (holds: () => boolean): Promise<void> => {
  await expect.poll(holds, { timeout: 5_000, interval: 20 }).toBe(true);
};

const pidIn = (file: string): number => {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
};

/** A zombie that nobody reaps does not run. */
const isRunning = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

describe('a program that ends', () => {
  test('tells its exit status and both outputs', async () => {
    const result = await startProcess(shell('echo out; echo err >&2; exit 3')).ended;
    expect(result.end).toEqual({ kind: 'exited', code: 3 });
    expect(result.output.split('\n').sort()).toEqual(['err', 'out']);
    expect(describeEnd({ ...result, output: '\nfirst\nsecond' }, 5_000)).toBe('exit 3: first');
  });

  test('tells the signal that killed it', async () => {
    const result = await startProcess(shell('kill -SEGV $$')).ended;
    expect(result.end).toEqual({ kind: 'signalled', signal: 'SIGSEGV' });
  });

  test('has a clean environment, an empty standard input, and a group of its own', async () => {
    process.env.VIPD_TEST_SECRET = 'hidden';
    const result = await startProcess(shell('env; cat; ps -o pgid= -p $$; echo $$', { env: { VIPD_CHECK: 'disk' } }))
      .ended;
    delete process.env.VIPD_TEST_SECRET;
    expect(result.output).not.toContain('hidden');
    expect(result.output).toContain('VIPD_CHECK=disk');
    expect(result.output).toContain('LANG=C');
    const [group, pid] = result.output.trim().split('\n').slice(-2).map(Number);
    expect(group).toBe(pid);
  });

  test('does not leave its children running', async () => {
    const file = join(directory, 'leftover');
    const running = startProcess(shell(`sleep 60 & echo $! > ${file}; exit 0`));
    const result = await running.ended;
    expect(result.end).toEqual({ kind: 'exited', code: 0 });
    expect(await running.leave()).toBe(true);
    expect(groupIsAlive(running.pid)).toBe(false);
  });

  test('is not waited for when a daemon of its own session keeps the pipe', async () => {
    const file = join(directory, 'daemon');
    const result = await startProcess(shell(`setsid sh -c 'echo $$ > ${file}; exec sleep 60' & sleep 0.2; echo done`))
      .ended;
    expect(result).toMatchObject({ end: { kind: 'exited', code: 0 }, output: 'done' });
    process.kill(pidIn(file), 'SIGKILL');
  });

  test('in time is not called late because the agent was not scheduled', async () => {
    const running = startProcess(shell('exit 0', { timeoutMs: 100 }));
    // In the loop's check phase, which timers follow before the child's exit is heard.
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400));
    expect((await running.ended).end).toEqual({ kind: 'exited', code: 0 });
  });
});

describe('a program that does not end', () => {
  test('fails at its deadline and its whole group is killed, though parent and child ignore SIGTERM', async () => {
    const file = join(directory, 'stubborn');
    const script = `trap '' TERM; sh -c "trap '' TERM; echo \\$\\$ > ${file}; while :; do sleep 1; done" & echo waiting; wait`;
    const running = startProcess(shell(script, { timeoutMs: 300 }));
    const result = await running.ended;
    expect(result.end).toEqual({ kind: 'timed-out' });
    expect(describeEnd(result, 300)).toBe('no end within 300 ms: waiting');
    // At the deadline, and not when it was reaped: it is still there.
    expect(running.isGone()).toBe(false);
    expect(result.tookMs).toBeLessThan(300 + TERM_GRACE_MS);
    const child = pidIn(file);
    expect(child).toBeGreaterThan(1);
    expect(await running.leave()).toBe(true);
    expect(isRunning(child)).toBe(false);
  });

  test('may tidy up on SIGTERM', async () => {
    const file = join(directory, 'tidied');
    const running = startProcess(
      shell(`trap 'echo yes > ${file}; exit 0' TERM; while :; do sleep 0.05; done`, { timeoutMs: 200 }),
    );
    expect((await running.ended).end).toEqual({ kind: 'timed-out' });
    expect(await running.leave()).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('yes\n');
  });

  test('can be given up before its deadline', async () => {
    const running = startProcess(shell('sleep 60'));
    running.giveUp();
    expect((await running.ended).end).toEqual({ kind: 'given-up' });
    expect(await running.leave()).toBe(true);
  });

  test('is told at the deadline though it never stops printing, and does not keep the event loop', async () => {
    const result = await startProcess(request(['yes', 'flood'], { timeoutMs: 500, outputLimitBytes: 120 })).ended;
    expect(result.end).toEqual({ kind: 'timed-out' });
    const said = /^(?:flood\n){20}\[(\d+) more bytes dropped\]$/.exec(result.output);
    // At most a read of 64 KiB in each 5 ms: a reader without rest takes gigabytes, and the whole processor.
    expect(Number(said?.[1])).toBeGreaterThan(0);
    expect(Number(said?.[1])).toBeLessThan((result.tookMs / 5 + 3) * 65_536);
  });
});

describe('output', () => {
  test('past the limit is read away, so that the program can end', async () => {
    const result = await startProcess(shell('head -c 1000000 /dev/zero | tr "\\0" x; exit 4', { outputLimitBytes: 10 }))
      .ended;
    expect(result.end).toEqual({ kind: 'exited', code: 4 });
    expect(result.output).toBe('xxxxxxxxxx\n[999990 more bytes dropped]');
  });

  test('cannot steer the terminal it is shown on', async () => {
    const result = await startProcess(shell("printf 'a\\033[2Jb\\tc\\nd'")).ended;
    expect(result.output).toBe('a\uFFFD[2Jb\tc\nd');
  });
});

describe('a program that cannot be run', () => {
  const why = async (wanted: ProcessRequest): Promise<string> => {
    const result = await startProcess(wanted).ended;
    expect(result.end.kind).toBe('cannot-run');
    return describeEnd(result, wanted.timeoutMs);
  };

  test('because it is not there', async () => {
    expect(await why(request(['/nowhere/check']))).toBe('cannot run /nowhere/check: not found');
  });

  test('because it is not executable', async () => {
    const file = join(directory, 'plain');
    writeFileSync(file, '#!/bin/sh\nexit 0\n');
    expect(await why(request([file]))).toBe(`cannot run ${file}: Permission denied`);
  });

  test('because its interpreter is not there', async () => {
    const file = join(directory, 'odd');
    writeFileSync(file, '#!/nowhere/interpreter\n');
    chmodSync(file, 0o755);
    expect(await why(request([file]))).toBe(`cannot run ${file}: not found`);
  });

  test('because the command is empty, or holds what no argument can', async () => {
    expect(await why(request([]))).toBe('cannot run: the command is empty');
    expect(await why(request(['/bin/true', 'a\0b']))).toMatch(/^cannot run \/bin\/true: /);
  });

  test('because there is no such user', async () => {
    expect(await why(request(['/bin/true'], { user: 'nobody-at-all' }))).toBe(
      'cannot run /bin/true: there is no user nobody-at-all in /etc/passwd; create it or name another',
    );
  });

  test('but its own exit status 127 is its own', async () => {
    const result = await startProcess(shell('echo mine; exit 127')).ended;
    expect(result.end).toEqual({ kind: 'exited', code: 127 });
  });
});

test('accounts are looked up by their whole name', () => {
  const file = join(directory, 'passwd');
  writeFileSync(file, 'monitoring:x:1:1::/:/bin/sh\nbroken:x:y:1\nmonitor:x:12:34:m:/:/bin/sh\n');
  expect(accountOf('monitor', file)).toEqual({ kind: 'found', uid: 12, gid: 34 });
  expect(accountOf('broken', file).kind).toBe('unknown');
  expect(accountOf('monitor', join(directory, 'none'))).toMatchObject({ kind: 'unknown' });
});

test('an account that was found is not read again, until a reload; one that was not is looked for', () => {
  const file = join(directory, 'passwd');
  rmSync(file, { force: true });
  expect(rememberedAccountOf('monitor', file).kind).toBe('unknown');
  writeFileSync(file, 'monitor:x:12:34:m:/:/bin/sh\n');
  const found = { kind: 'found', uid: 12, gid: 34 };
  expect(rememberedAccountOf('monitor', file)).toEqual(found);
  rmSync(file);
  expect(rememberedAccountOf('monitor', file)).toEqual(found);
  forgetAccounts();
  expect(rememberedAccountOf('monitor', file).kind).toBe('unknown');
});

test('a group of zombies is not alive', async () => {
  const file = join(directory, 'zombie');
  const script = '$p = fork; if (!$p) { setpgrp(0, 0); exit } open F, ">", $ARGV[0]; print F $p; close F; sleep 60';
  const running = startProcess(request(['perl', '-e', script, file]));
  await until(() => pidIn(file) > 0);
  await until(() => readFileSync(`/proc/${pidIn(file)}/stat`, 'utf8').includes(') Z '));
  expect(groupIsAlive(pidIn(file))).toBe(false);
  running.giveUp();
  await running.leave();
});
