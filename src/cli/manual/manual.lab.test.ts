/** The pages are shown without a warning, and zsh and fish complete as they should, each by the real program. */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  const line = words.map((word) => (word === '' ? '' : word)).join(' ');
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

/** A zsh with a terminal, in which Tab prints what completion adds, and ends. */
const ZSH = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= RPROMPT= fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w shell 'compadd() {
  [[ " $* " == *" -"[OAD]" "* ]] && { builtin compadd "$@"; return }
  local -a offers
  builtin compadd -A offers "$@"
  print -rl -- "offer:"$^offers
  builtin compadd "$@"
}
ended() { print -r -- the-end; exit }
comppostfuncs=(ended)
bindkey "^I" complete-word
cd '$2
zpty -w -n shell "$3"$'\\t'
zpty -r -m shell text '*the-end*'
print -r -- $text
zpty -d shell
`;

test.each(TYPED)('zsh: $words', async ({ words, offers }) => {
  const output = await outputOf(directory, 'zsh', ['-f', '-c', ZSH, 'zsh', COMPLETIONS, directory, words.join(' ')]);
  const offered = [...output.matchAll(/offer:([^\r\n]+)/g)].map((match) => match[1] ?? '');
  expect(sameOffers(offered)).toEqual(offers);
});
