import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { millis } from '../config/duration.js';
import type { CheckConfig } from '../config/types.js';
import { type Checks, createChecks } from './checks.js';

let directory: string;
let checks: Checks;
let results: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-checks-'));
  results = [];
  checks = createChecks(
    () => performance.now(),
    ({ name, ok }) => results.push(`${name} ${ok}`),
  );
});
afterEach(() => {
  checks.stop();
  rmSync(directory, { recursive: true });
});

/** A script that notes each start of its own, and then takes its time. */
const script = (name: string, takes = '0', intervalMs = 30): CheckConfig => {
  appendFileSync(join(directory, `${name}-starts`), '');
  const command = ['/bin/sh', '-c', `echo $$ >> ${join(directory, `${name}-starts`)}; echo ${name}; sleep ${takes}`];
  return {
    name,
    command: [command[0] ?? '', ...command.slice(1)],
    intervalMs: millis(intervalMs),
    timeoutMs: millis(60_000),
    user: 'root',
    fall: 1,
    rise: 1,
  };
};
const startsOf = (name: string): number =>
  readFileSync(join(directory, `${name}-starts`), 'utf8').split('\n').length - 1;
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
};

it('runs on undisturbed what is as it was, ends what is gone, and starts what is new', async () => {
  const long = script('long', '30', 60_000);
  checks.change([long, script('gone')]);
  await until(() => startsOf('long') === 1 && startsOf('gone') > 0);
  checks.change([{ ...long }, script('new')]);
  await until(() => startsOf('new') > 1);
  expect(startsOf('long')).toBe(1);
  const [ended, told] = [startsOf('gone'), results.filter((one) => one.startsWith('gone')).length];
  await until(() => startsOf('new') > 4);
  expect(startsOf('gone')).toBe(ended);
  expect(results.filter((one) => one.startsWith('gone'))).toHaveLength(told);
  expect([...checks.outputs.keys()]).toEqual(['new']);
});

it('starts a script with other settings anew once its old run is gone', async () => {
  checks.change([script('slow', '30', 60_000)]);
  await until(() => startsOf('slow') === 1);
  const pid = Number(readFileSync(join(directory, `slow-starts`), 'utf8').trim());
  checks.change([script('slow', '30', 50_000)]);
  await until(() => startsOf('slow') === 2);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});
