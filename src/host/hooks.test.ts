import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HookPhase } from '../core/types.js';
import { hungReader } from './disk-reader.fixture.js';
import { listHookPhases, MAX_HOOKS_PER_PHASE, readHooks } from './hook-directory.js';
import { createHookQueue, type HookFacts, type HookQueue, MAX_WAITING_PHASES } from './hooks.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-hooks-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const hook = (phase: HookPhase, name: string, script: string, mode = 0o755): string => {
  mkdirSync(join(directory, phase), { recursive: true });
  const file = join(directory, phase, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, mode);
  return file;
};

const queue = (timeoutMs = 5_000): HookQueue =>
  createHookQueue({ settings: () => ({ directory, timeoutMs }), nowMs: () => performance.now() });

const facts = (phase: HookPhase, more: Partial<HookFacts> = {}): HookFacts => ({
  group: 'orders',
  node: 'db1',
  phase,
  term: 7,
  role: 'promoting',
  reason: 'peer silent',
  peer: 'db2',
  vips: ['10.99.0.100/24', 'fd00::100/64'],
  ...more,
});

const said = (): string => {
  try {
    return readFileSync(join(directory, 'said'), 'utf8');
  } catch {
    return '';
  }
};

describe('a phase', () => {
  test('tells its hooks the facts, and keepalived their arguments', async () => {
    hook('post-promote', '10-env', `env | grep VIPD_ | sort; echo "$@"`);
    const result = await queue().run(facts('post-promote', { reason: 'peer\0 silent' }));
    expect(result).toMatchObject({ ok: true, detail: '1 post-promote hook ran' });
    expect(result.ran[0]?.output.split('\n')).toEqual([
      'VIPD_GROUP=orders',
      'VIPD_NODE=db1',
      'VIPD_PEER=db2',
      'VIPD_PHASE=post-promote',
      'VIPD_REASON=peer silent',
      'VIPD_TERM=7',
      'VIPD_VIPS=10.99.0.100/24 fd00::100/64',
      'INSTANCE orders MASTER',
    ]);
  });

  test.each([
    ['pre-promote', 'promoting', 'MASTER'],
    ['pre-demote', 'handing-off', 'BACKUP'],
    ['post-demote', 'standby', 'BACKUP'],
    ['hold', 'standby', 'FAULT'],
    ['hold', 'active', 'MASTER'],
  ] as const)('%s of a node that is %s is %s to keepalived', async (phase, role, state) => {
    hook(phase, 'notify', `echo $3`);
    const result = await queue().run(facts(phase, { role }));
    expect(result.ran[0]?.output).toBe(state);
  });

  test('without hooks is done', async () => {
    expect(await queue().run(facts('hold'))).toEqual({ ok: true, detail: '0 hold hooks ran', ran: [] });
  });

  test('runs in name order, and goes on after a failure, which it tells', async () => {
    hook('post-demote', '20-b', `echo b >> ${directory}/said; echo no such host >&2; exit 4`);
    hook('post-demote', '100-a', `echo a >> ${directory}/said`);
    hook('post-demote', '30-c', `echo c >> ${directory}/said`);
    const result = await queue().run(facts('post-demote'));
    expect(said()).toBe('a\nb\nc\n');
    expect(result.ok).toBe(false);
    expect(result.detail).toBe('post-demote/20-b: exit 4: no such host');
    expect(result.ran.map((run) => run.exit)).toEqual([0, 4, 0]);
  });

  test('that is the gate ends at the first failure', async () => {
    hook('pre-promote', '1', 'exit 1');
    hook('pre-promote', '2', `echo 2 >> ${directory}/said`);
    const result = await queue().run(facts('pre-promote'));
    expect(result).toMatchObject({ ok: false, detail: 'pre-promote/1: exit 1' });
    expect(said()).toBe('');
  });

  test('kills a hook that hangs and its children at the deadline, and goes on', async () => {
    hook(
      'post-promote',
      '1',
      `trap '' TERM; (trap '' TERM; while :; do echo x >> ${directory}/alive; sleep 0.05; done) & wait`,
    );
    hook('post-promote', '2', `echo 2 >> ${directory}/said`);
    const result = await queue(200).run(facts('post-promote'));
    expect(result.detail).toBe('post-promote/1: no end within 200 ms');
    expect(said()).toBe('2\n');
    const size = readFileSync(join(directory, 'alive')).length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(readFileSync(join(directory, 'alive')).length).toBe(size);
  });

  test('has failed at the deadline where its directory does not answer, and the next one is tried', async () => {
    hook('pre-promote', '1', `echo 1 >> ${directory}/said`);
    const { disk, answer } = hungReader();
    const hooks = createHookQueue({
      settings: () => ({ directory, timeoutMs: 200 }),
      nowMs: () => performance.now(),
      disk,
    });
    const hung = await hooks.run(facts('pre-promote'));
    expect(hung).toMatchObject({ ok: false, ran: [] });
    expect(hung.detail).toMatch(/^pre-promote hooks not run: reading .*\/pre-promote: .* within 200 ms/);
    answer();
    expect(await hooks.run(facts('pre-promote'))).toMatchObject({ ok: true });
    expect(said()).toBe('1\n');
  });

  test('keeps only the beginning of a flood', async () => {
    hook('hold', 'flood', 'yes | head -c 3000000');
    const result = await queue().run(facts('hold'));
    expect(result.ok).toBe(true);
    expect(result.ran[0]?.output.length).toBeLessThan(5_000);
    expect(result.ran[0]?.output).toMatch(/bytes dropped\]$/);
  });
});

describe('the queue', () => {
  test('runs one hook at a time, in the order asked for', async () => {
    const script = `echo "+$VIPD_TERM" >> ${directory}/said; sleep 0.1; echo "-$VIPD_TERM" >> ${directory}/said`;
    hook('post-promote', 'a', script);
    hook('post-demote', 'a', script);
    const hooks = queue();
    await Promise.all([
      hooks.run(facts('post-promote', { term: 1 })),
      hooks.run(facts('post-demote', { term: 2 })),
      hooks.run(facts('post-promote', { term: 3 })),
    ]);
    expect(said().trim().split('\n')).toEqual(['+1', '-1', '+2', '-2', '+3', '-3']);
  });

  test('is bounded: the oldest that is no gate is dropped, and told so', async () => {
    hook('hold', 'a', 'sleep 0.3');
    const hooks = queue();
    const first = hooks.run(facts('hold', { term: 0 }));
    const gate = hooks.run(facts('pre-promote', { term: 1 }));
    const second = hooks.run(facts('post-demote', { term: 2 }));
    const rest = Array.from({ length: MAX_WAITING_PHASES - 1 }, (_, i) =>
      hooks.run(facts('post-demote', { term: 3 + i })),
    );
    expect(await second).toMatchObject({ ok: false, ran: [] });
    expect((await second).detail).toMatch(/^post-demote hooks of term 2 dropped: 16 phases were waiting already/);
    expect((await Promise.all([first, gate, ...rest])).every((result) => result.ok)).toBe(true);
  });

  test('gives up what waits and what runs', async () => {
    hook('hold', 'a', 'exec sleep 60');
    const hooks = queue(60_000);
    const [one, two] = [new AbortController(), new AbortController()];
    const running = hooks.run(facts('hold'), one.signal);
    const waiting = hooks.run(facts('hold'), two.signal);
    two.abort();
    expect(await waiting).toMatchObject({ ok: false, ran: [] });
    await new Promise((resolve) => setTimeout(resolve, 100));
    one.abort();
    expect((await running).detail).toMatch(/^hold\/a: given up after \d+ ms; hold hooks given up$/);
    expect(await hooks.run(facts('pre-demote'))).toMatchObject({ ok: true });
  });
});

describe('the directory', () => {
  test('names what it skips: dots, backups, what is not executable', async () => {
    const file = hook('hold', 'good_1-a', '');
    for (const name of ['notify.sh', 'good~', '.hidden']) hook('hold', name, '');
    hook('hold', 'plain', '', 0o644);
    mkdirSync(join(directory, 'hold', 'folder'));
    const found = await readHooks(directory, 'hold');
    expect(found.run).toEqual([file]);
    expect(found.refused).toEqual([]);
    const why = Object.fromEntries(found.skipped.map(({ file: path, why }) => [path.slice(directory.length), why]));
    expect(Object.keys(why).sort()).toEqual([
      '/hold/.hidden',
      '/hold/folder',
      '/hold/good~',
      '/hold/notify.sh',
      '/hold/plain',
    ]);
    expect(why['/hold/notify.sh']).toContain('run-parts');
    expect(why['/hold/plain']).toContain('chmod +x');
    expect((await queue().run(facts('hold'))).detail).toContain('skipped notify.sh');
  });

  test.each([
    ['writable by others', (file: string) => chmodSync(file, 0o757), /can be written by others/],
    [
      'in a directory writable by others',
      (file: string) => chmodSync(join(file, '..'), 0o777),
      /can be written by others/,
    ],
    [
      'a link to nothing',
      (file: string) => symlinkSync('/nowhere', join(file, '..', 'link')),
      /cannot read .*link: ENOENT/,
    ],
  ])('refuses the phase for a hook that is %s', async (_, spoil, why) => {
    spoil(hook('pre-promote', 'gate', 'exit 0'));
    const result = await queue().run(facts('pre-promote'));
    expect(result).toMatchObject({ ok: false, ran: [] });
    expect(result.detail).toMatch(why);
    expect(await listHookPhases(directory)).toEqual(['pre-promote']);
  });

  test('refuses a phase with too many hooks, and one that is not a directory', async () => {
    for (let i = 0; i <= MAX_HOOKS_PER_PHASE; i += 1) hook('hold', `h${i}`, '');
    expect((await readHooks(directory, 'hold')).refused[0]).toContain('at most 32');
    writeFileSync(join(directory, 'pre-promote'), '');
    expect((await readHooks(directory, 'pre-promote')).refused[0]).toContain('ENOTDIR');
  });

  test('lists the phases that have hooks', async () => {
    expect(await listHookPhases(join(directory, 'none'))).toEqual([]);
    hook('post-demote', 'a', '');
    hook('pre-promote', 'a', '');
    hook('hold', 'a.sh', '');
    expect(await listHookPhases(directory)).toEqual(['pre-promote', 'post-demote']);
  });
});
