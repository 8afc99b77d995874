/** bash completes as it should, with the file that is installed. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMPLETIONS, outputOf, sameOffers, TYPED } from './completions.fixture.js';

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'completions-'));
  mkdirSync(join(directory, 'keys'));
  writeFileSync(join(directory, 'vipd.yaml'), '');
});

afterAll(() => rmSync(directory, { recursive: true }));

/** What readline does: fills in the words, and calls the function that `complete` named. */
const SCRIPT = `
source "$1"
shift
compopt() { :; }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"_$1"
printf '%s\\n' "\${COMPREPLY[@]}"
`;

test.each(TYPED)('bash: $words', async ({ words, offers }) => {
  const output = await outputOf(directory, 'bash', [
    '--norc',
    '-c',
    SCRIPT,
    'bash',
    `${COMPLETIONS}/${words[0]}.bash`,
    ...words,
  ]);
  expect(sameOffers(output.split('\n').filter((line) => line !== ''))).toEqual(offers);
});
