import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boottimeMs } from './clock.js';
import { createFenceCommand, type FenceCommand } from './fence-command.js';

const GENEROUS_MS = 20_000;
const request = { term: 7, reason: 'promise-ran-out', timeoutMs: GENEROUS_MS };
const never = new AbortController().signal;

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), `fence-${randomUUID()}-`));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const script = (text: string, ...args: string[]): FenceCommand => {
  const path = join(directory, 'fence');
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return commandOf(path, ...args);
};

const commandOf = (...command: string[]): FenceCommand =>
  createFenceCommand({
    command,
    facts: () => ({ group: 'orders', node: 'db2', peer: 'db1', vips: ['10.99.0.100/24'] }),
    nowMs: boottimeMs,
  });

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await sleep(5);
};

describe('the fence command', () => {
  it('has cut off the peer when it exits with 0', async () => {
    expect(await script('exit 0').run(request, never)).toMatchObject({ ok: true });
  });

  it('is told what hooks are told, and gets the arguments of the configuration only', async () => {
    const out = join(directory, 'out');
    await script(`{ echo "$# $1"; env; } > ${out}`, 'outlet-3').run(request, never);
    const said = readFileSync(out, 'utf8').split('\n');
    expect(said[0]).toBe('1 outlet-3');
    expect(said).toEqual(
      expect.arrayContaining([
        'VIPD_PHASE=pre-takeover',
        'VIPD_GROUP=orders',
        'VIPD_NODE=db2',
        'VIPD_PEER=db1',
        'VIPD_TERM=7',
        'VIPD_REASON=promise-ran-out',
        'VIPD_VIPS=10.99.0.100/24',
      ]),
    );
  });

  it('says with what it failed', async () => {
    expect(await script('echo no such outlet; exit 3').run(request, never)).toEqual({
      ok: false,
      detail: 'exit 3: no such outlet',
    });
  });

  it('has failed when it is not over at its deadline, and is killed', async () => {
    const late = join(directory, 'late');
    const result = await script(`trap '' TERM; sleep 2; touch ${late}`).run({ ...request, timeoutMs: 100 }, never);
    expect(result).toEqual({ ok: false, detail: 'no end within 100 ms' });
    await sleep(2_500);
    expect(existsSync(late)).toBe(false);
  });

  it('says that it cannot be run', async () => {
    const result = await commandOf(join(directory, 'absent')).run(request, never);
    expect(result.ok).toBe(false);
    expect(result.detail).toMatch(/^cannot run .*absent/);
  });

  it('is killed when it is given up', async () => {
    const begun = join(directory, 'begun');
    const giveUp = new AbortController();
    const running = script(`touch ${begun}; exec sleep 20`).run(request, giveUp.signal);
    await until(() => existsSync(begun));
    giveUp.abort();
    expect((await running).detail).toMatch(/^given up/);
  });

  it('never runs twice at once: the next run waits until one that was given up is gone', async () => {
    const [log, pid] = [join(directory, 'log'), join(directory, 'pid')];
    const overlap = `[ -e ${pid} ] && kill -0 $(cat ${pid}) 2>/dev/null && echo overlap >> ${log}`;
    const command = script(`${overlap}; echo $$ > ${pid}; echo begin >> ${log}; trap '' TERM; sleep 20 & wait`);
    const giveUp = new AbortController();
    const first = command.run(request, giveUp.signal);
    await until(() => existsSync(log));
    giveUp.abort();
    await first;
    const begun = (): number =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line === 'begin').length;
    // Where killing it takes long it is refused, and asked for again, as the core does.
    while (begun() < 2) {
      const stop = new AbortController();
      let over = false;
      const next = command.run(request, stop.signal).finally(() => {
        over = true;
      });
      await until(() => over || begun() === 2);
      stop.abort();
      await next;
    }
    expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual(['begin', 'begin']);
  });
});
