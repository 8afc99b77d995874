import { expect, test } from 'vitest';
import { createLogger, type Logger, type LogOptions } from './log.js';
import { formatLine } from './log-line.js';
import { createRateLimit, MAX_LIMITED_NAMES } from './rate-limit.js';

const capture = (more: Partial<LogOptions> = {}): { readonly log: Logger; readonly lines: string[] } => {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  return { log: createLogger({ level: 'info', reader: 'program', destination, ...more }), lines };
};

test('a program gets JSON lines with the level by name and nothing of the host', () => {
  const { log, lines } = capture();
  log.info({ term: 4 }, 'took the VIP');
  log.debug('not shown');
  expect(lines.length).toBe(1);
  const entry: unknown = JSON.parse(lines[0] ?? '');
  expect(entry).toEqual({ level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), term: 4, msg: 'took the VIP' });
});

test('a terminal gets short lines', () => {
  const { log, lines } = capture({ reader: 'terminal' });
  log.warn({ term: 4, why: 'peer silent', holds: ['paused'] }, 'took the VIP');
  expect(lines[0]).toMatch(/^[\d:.]{12} warn {2}took the VIP term=4 why=peer silent holds=\["paused"\]\n$/);
});

test('an error shows where it came from, and nothing steers the terminal', () => {
  const { log, lines } = capture({ reader: 'terminal' });
  log.error({ err: new Error('no such file'), from: 'a\u001b[2Jb\nc' }, 'cannot start');
  expect(lines[0]).toContain('from=a [2Jb c\n  Error: no such file\n');
  expect(lines[0]).toMatch(/\n {6}at /);
});

test('what is no entry is left alone', () => {
  expect(formatLine('plain\n')).toBe('plain\n');
  expect(formatLine('[1]\n')).toBe('[1]\n');
});

test.each(['program', 'terminal'] as const)('secrets are hidden, read by a %s', (reader) => {
  const { log, lines } = capture({ reader });
  log.info({ password: 'sesame', mysql: { user: 'vipd', password: 'sesame' }, keys: ['sesame'] }, 'connecting');
  log.child({ token: 'sesame' }).info('connecting');
  expect(lines.join('')).not.toContain('sesame');
  expect(lines.join('')).toContain('[hidden]');
});

test('repeated lines are held back by name, and counted', () => {
  let nowMs = 0;
  const limit = createRateLimit({ perWindow: 2, windowMs: 1_000, nowMs: () => nowMs });
  const admitted = (name: string): number | null => {
    const answer = limit.admit(name);
    return answer.admitted ? answer.heldBack : null;
  };
  expect([admitted('a'), admitted('a'), admitted('a'), admitted('b'), admitted('a')]).toEqual([0, 0, null, 0, null]);
  nowMs = 1_000;
  expect([admitted('a'), admitted('a'), admitted('b')]).toEqual([2, 0, 0]);
});

test('only so many names are kept apart: the one quiet longest is forgotten', () => {
  const limit = createRateLimit({ perWindow: 1, windowMs: 1_000, nowMs: () => 0 });
  limit.admit('first');
  limit.admit('second');
  for (let i = 0; i < MAX_LIMITED_NAMES - 2; i += 1) limit.admit(`n${i}`);
  expect(limit.admit('first').admitted).toBe(false);
  limit.admit('one more');
  expect(limit.admit('first').admitted).toBe(false);
  expect(limit.admit('second').admitted).toBe(true);
});
