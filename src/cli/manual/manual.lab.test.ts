/** The pages are shown without a warning, and zsh and fish complete as they should, each by the real program. */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMPLETIONS, outputOf, sameOffers, TYPED } from './completions.fixture.js';
import { PAGES } from './pages.js';

const run = promisify(execFile);
const MAN = join(import.meta.dirname, '../../../man');

describe.each(PAGES)('$name($section)', ({ name, section }) => {
  const page = join(MAN, `${name}.${section}`);

  test.each([
    ['man', ['--warnings', '-l', page]],
    ['groff', ['-ww', '-man', '-Tutf8', '-z', page]],
    ['mandoc', ['-Tlint', page]],
  ])('%s has no warning', async (program, args) => {
    const { stdout, stderr } = await run(program, args, { env: { ...process.env, MANPAGER: 'cat' } });
    expect(stderr).toBe('');
    if (program !== 'man') expect(stdout).toBe('');
  });

  test('whatis finds its name', async () => {
    const { stdout } = await run('lexgrog', [page]);
    expect(stdout).toContain(`"${name} - `);
  });
});

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'completions-'));
  mkdirSync(join(directory, 'keys'));
  writeFileSync(join(directory, 'vipd.yaml'), '');
});

afterAll(() => rmSync(directory, { recursive: true }));

test.each(TYPED)('fish: $words', async ({ words, offers }) => {
  const line = words.join(' ');
  const script = `source ${COMPLETIONS}/${words[0]}.fish; complete -C '${line}'`;
  const output = await outputOf(directory, 'fish', ['--no-config', '-c', script]);
  expect(
    sameOffers(
      output
        .split('\n')
        .map((offer) => offer.split('\t')[0] ?? '')
        .filter((offer) => offer !== ''),
    ),
  ).toEqual(offers);
});

/** What an interactive zsh is told: to write down what completion would add, and to end then. */
const ZSHRC = `
fpath=(${COMPLETIONS} $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
  # Those that only fill arrays for a later call add nothing.
  [[ " $* " == *" -"[OAD]" "* ]] && { builtin compadd "$@"; return }
  local -a offers
  builtin compadd -A offers "$@"
  (( $#offers )) && print -rl -- $offers >> offers
  builtin compadd "$@"
}
comppostfuncs=(exit)
PROMPT='ready> '
`;

/** Gives it a terminal, waits for its prompt, types, and waits for its end. */
const ZSH = `
zmodload zsh/zpty
zpty shell zsh -i
zpty -r -m shell text '*ready> *'
zpty -w -n shell "$1"$'\\t'
while zpty -r shell text; do :; done
zpty -d shell
`;

test.each(TYPED)('zsh: $words', async ({ words, offers }) => {
  const file = join(directory, 'offers');
  writeFileSync(file, '');
  writeFileSync(join(directory, '.zshrc'), ZSHRC);
  await outputOf(directory, 'zsh', ['-f', '-c', ZSH, 'zsh', words.join(' ')]);
  expect(
    sameOffers(
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    ),
  ).toEqual(offers);
});
