import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MAX_HISTORY_ENTRIES } from '../control/protocol.js';
import type { JournalEntry } from '../core/effect.js';
import { hungReader } from './disk-reader.fixture.js';
import { createJournal, type Journal, type JournalOptions, MAX_TAIL_LINES, MAX_WAITING_LINES } from './journal.js';

let directory = '';
let journal: Journal;
let problems: (string | null)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-journal-'));
  problems = [];
  journal = begin();
});
afterEach(async () => {
  await journal.close();
  rmSync(directory, { recursive: true, force: true });
});

const begin = (more: Partial<JournalOptions> = {}): Journal => {
  let nowMs = 0;
  return createJournal({
    directory,
    nowMs: () => {
      nowMs += 1;
      return nowMs;
    },
    wallClock: () => new Date('2024-05-06T07:08:09.010Z'),
    onProblem: (why) => problems.push(why),
    ...more,
  });
};

const entry = (cause: string, more: Partial<JournalEntry> = {}): JournalEntry => ({
  kind: 'notice',
  term: 4,
  cause,
  text: `about ${cause}`,
  ...more,
});

const causes = async (count: number): Promise<readonly string[]> =>
  (await journal.tail(count)).map((line) => line.cause);

test('entries come back in order with both times, from another process too', async () => {
  journal.append(entry('one', { kind: 'transition', from: 'standby', to: 'candidate', tookMs: 1.5 }));
  journal.append(entry('two'));
  await journal.close();
  const lines = await begin().tail(10);
  expect(lines).toEqual([
    {
      at: '2024-05-06T07:08:09.010Z',
      bootMs: 1,
      ...entry('one', { kind: 'transition', from: 'standby', to: 'candidate', tookMs: 1.5 }),
    },
    { at: '2024-05-06T07:08:09.010Z', bootMs: 2, ...entry('two') },
  ]);
});

test('an entry shows at once, before the disk has it, and only once after', async () => {
  journal.append(entry('one'));
  expect(await causes(10)).toEqual(['one']);
  await journal.close();
  expect(await causes(10)).toEqual(['one']);
});

test('a batch written twice, since the first try was cut short, shows once', async () => {
  journal.append(entry('one'));
  journal.append(entry('two'));
  await journal.close();
  appendFileSync(journal.path, readFileSync(journal.path));
  expect(await causes(10)).toEqual(['one', 'two']);
});

test('no file is an empty journal', async () => {
  expect(await journal.tail(10)).toEqual([]);
});

test('a line cut by a crash is skipped, and does not swallow the next one', async () => {
  journal.append(entry('one'));
  await journal.close();
  appendFileSync(journal.path, '{"at":"2024-05-06T07:08:0');
  journal = begin();
  journal.append(entry('two'));
  await journal.close();
  expect(await causes(10)).toEqual(['one', 'two']);
});

test('it is bounded, with one file before it, and tail reads across both', async () => {
  journal = begin({ maxBytes: 10_000 });
  for (let i = 0; i < 300; i += 1) {
    journal.append(entry(`c${i}`));
    if (i % 20 === 19) await journal.close();
  }
  await journal.close();
  expect(statSync(journal.path).size).toBeLessThanOrEqual(10_000);
  expect(statSync(`${journal.path}.1`).size).toBeLessThanOrEqual(10_000);
  expect(await causes(90)).toEqual(Array.from({ length: 90 }, (_, i) => `c${i + 210}`));
  expect(await causes(1)).toEqual(['c299']);
});

test('a long file is read from its end', async () => {
  for (let i = 0; i < 3_000; i += 1) {
    journal.append(entry(`c${i}`));
    if (i % 500 === 499) await journal.close();
  }
  expect(await causes(5)).toEqual(['c2995', 'c2996', 'c2997', 'c2998', 'c2999']);
  expect((await causes(100_000)).length).toBe(MAX_TAIL_LINES);
});

test('each line is parsed once, and lines longer than a read are whole', async () => {
  const text = 'ä'.repeat(1_000);
  for (let i = 0; i < 400; i += 1) journal.append(entry(`c${i}`, { text }));
  await journal.close();
  appendFileSync(journal.path, `${'x'.repeat(200_000)}\n`);
  const parse = vi.spyOn(JSON, 'parse');
  const lines = await journal.tail(250);
  const parsed = parse.mock.calls.length;
  parse.mockRestore();
  expect(lines.map(({ cause }) => cause)).toEqual(Array.from({ length: 250 }, (_, i) => `c${i + 150}`));
  expect(lines.every((line) => line.text === text)).toBe(true);
  expect(parsed).toBeLessThan(320);
});

test('a disk that hangs costs an answer: one read waits for it, and a second is refused', {
  timeout: 10_000,
}, async () => {
  const { disk, answer } = hungReader();
  const stuck = begin({ disk });
  const [one, two] = [stuck.tail(5), stuck.tail(5)];
  const refusal = /^reading the journal .*journal\.jsonl: an earlier read has had no answer/;
  await Promise.all([expect(one).rejects.toThrow(refusal), expect(two).rejects.toThrow(refusal)]);
  answer();
  expect(await stuck.tail(5)).toEqual([]);
});

test('as many lines can be asked for as are told', () => {
  expect(MAX_HISTORY_ENTRIES).toBe(MAX_TAIL_LINES);
});

test('an endless text is cut', async () => {
  journal.append(entry('long', { text: 'x'.repeat(1_000_000) }));
  await journal.close();
  expect(statSync(journal.path).size).toBeLessThan(5_000);
});

test('what the disk does not take is kept in bounds, counted, said once, and written later', async () => {
  mkdirSync(journal.path);
  for (let i = 0; i < MAX_WAITING_LINES + 7; i += 1) journal.append(entry(`c${i}`));
  await expect.poll(() => problems.length).toBe(1);
  expect(problems[0]).toMatch(/^cannot write the journal .*journal\.jsonl: EISDIR/);
  expect(journal.problem()).toBe(problems[0]);
  expect(await causes(2)).toEqual([`c${MAX_WAITING_LINES - 2}`, `c${MAX_WAITING_LINES - 1}`]);
  rmSync(journal.path, { recursive: true });
  await expect.poll(() => existsSync(journal.path), { timeout: 5_000 }).toBe(true);
  await journal.close();
  expect(problems.length).toBe(2);
  expect(journal.problem()).toBe(null);
  const [last] = await journal.tail(1);
  expect(last).toMatchObject({
    cause: 'journal-dropped',
    text: expect.stringMatching(/^7 journal entries were dropped/),
  });
  expect(readFileSync(journal.path, 'utf8').split('\n').length - 1).toBe(MAX_WAITING_LINES + 1);
});

test('a damaged file gives what is sound in it', async () => {
  writeFileSync(journal.path, Buffer.concat([Buffer.alloc(200_000, 0xff), Buffer.from('\n')]));
  journal.append(entry('one'));
  await journal.close();
  appendFileSync(journal.path, '{"cause":"no entry"}\nnull\n');
  expect(await causes(10)).toEqual(['one']);
});
