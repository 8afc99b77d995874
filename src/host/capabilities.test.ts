import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mayChangeUser } from './capabilities.js';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-capabilities-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** As proc(5) shows a process that has these and, in the other sets, all. */
const statusWith = (effective: string): string => {
  const path = join(directory, effective);
  writeFileSync(path, `CapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\n`);
  return path;
};

test.each([
  ['root', '000001ffffffffff', true],
  ['the agent in its unit', '00000000000030e4', true],
  ['one without CAP_SETGID', '00000000000030a4', false],
  ['one without CAP_SETUID', '0000000000003064', false],
  ['anybody', '0000000000000000', false],
])('%s may change user, or not', (_who, effective, may) => {
  expect(mayChangeUser(statusWith(effective))).toBe(may);
});

test('where it cannot be read, it may not', () => {
  expect(mayChangeUser(join(directory, 'missing'))).toBe(false);
});
