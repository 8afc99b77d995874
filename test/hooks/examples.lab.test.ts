import { execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readHooks } from '../../src/host/hook-directory.js';
import { run } from '../lab/command.js';
import { ROOT } from '../lab/programs.js';
import { EXAMPLES, installExample, scratchDirectory } from './ground.js';

const namesIn = (kind: string): readonly string[] => readdirSync(join(EXAMPLES, kind));
const EXAMPLE_FILES = ['hooks', 'fence'].flatMap((kind) => namesIn(kind).map((name) => `${kind}/${name}`));

describe.each(EXAMPLE_FILES)('examples/%s', (example) => {
  const file = join(EXAMPLES, example);

  test('has nothing that shellcheck minds', async () => {
    expect(await run(['shellcheck', '--shell=sh', file])).toBe('');
  });

  test('can be run, and is described in docs/hooks.md', () => {
    accessSync(file, constants.X_OK);
    expect(readFileSync(join(ROOT, 'docs', 'hooks.md'), 'utf8')).toContain(`\`${example.replace('hooks/', '')}\``);
  });
});

test('the hooks have names that vipd runs', async () => {
  const directory = scratchDirectory();
  execFileSync('mkdir', [join(directory, 'hold')]);
  for (const name of namesIn('hooks')) installExample(`hooks/${name}`, join(directory, 'hold', name), {});
  const { run: runnable, skipped, refused } = await readHooks(directory, 'hold');
  expect({ skipped, refused }).toEqual({ skipped: [], refused: [] });
  expect(runnable.length).toBe(namesIn('hooks').length);
});
