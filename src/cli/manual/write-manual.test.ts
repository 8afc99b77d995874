/** man/ and completions/ are what schema and command lines make them, and say something of everything. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { vipdJsonSchema, witnessJsonSchema } from '../../config/json-schema.js';
import { keyReferences } from '../../config/reference.js';
import type { CommandFacts } from './describe.js';
import { detailedCommands, PAGES, renderPage, vipctlFacts, vipdFacts } from './pages.js';
import { literal } from './roff.js';
import { generateManual } from './write-manual.js';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const namesIn = (facts: CommandFacts, path = ''): readonly string[] =>
  facts.commands.flatMap((command) => [`${path}${command.name}`, ...namesIn(command, `${path}${command.name} `)]);

describe('what is generated', () => {
  test.each(generateManual(read))('$path is current; else: npm run manual', ({ path, text }) => {
    expect(read(path)).toBe(text);
  });
});

describe('the pages', () => {
  const page = (name: string): string => read(`man/${name}`);

  test('vipd.yaml(5) has every key with its meaning', () => {
    const keys = [...keyReferences(vipdJsonSchema()), ...keyReferences(witnessJsonSchema())];
    const text = page('vipd.yaml.5').replaceAll(/\s+/g, ' ');
    expect(keys.filter(({ key }) => !text.includes(`\\fB${literal(key)}\\fR`))).toEqual([]);
    expect(keys.length).toBeGreaterThan(60);
  });

  test.each([
    ['vipd.8', vipdFacts()],
    ['vipctl.8', vipctlFacts()],
  ])('%s has every command and every option', (name, facts) => {
    const text = page(name);
    const every = (inner: CommandFacts): readonly string[] => [
      ...inner.options.flatMap(({ names }) => names),
      ...inner.commands.filter((below) => below.name !== 'help').flatMap(every),
    ];
    expect(every(facts).filter((option) => !text.includes(`\\fB${literal(option)}\\fR`))).toEqual([]);
    const commands = namesIn(facts).filter((command) => !/(^| )help$/.test(command));
    expect(
      commands.filter(
        (command) => !new RegExp(`^\\.SS "?${literal(command).replaceAll('\\', '\\\\')}\\b`, 'm').test(text),
      ),
    ).toEqual([]);
  });

  test.each([
    ['vipd', vipdFacts()],
    ['vipctl', vipctlFacts()],
  ])('docs/man/%s-commands.md says more of commands that there are', (program, facts) => {
    const known = namesIn(facts);
    expect(detailedCommands(program, read).filter((command) => !known.includes(command))).toEqual([]);
  });

  test.each(PAGES)('$name has the sections that are looked for', ({ name, section }) => {
    const headings = [...page(`${name}.${section}`).matchAll(/^\.SH "?([^"\n]+)"?$/gm)].map((match) => match[1]);
    const wanted = [
      'NAME',
      'DESCRIPTION',
      'FILES',
      'EXAMPLES',
      'SEE ALSO',
      ...(section === 8 ? ['SYNOPSIS', 'EXIT STATUS'] : []),
    ];
    expect(headings).toEqual(expect.arrayContaining(wanted));
  });

  test('a part that is not known, or a section that is gone, is an error', () => {
    const broken = (source: string) => () => renderPage({ name: 'vipd', section: 8 }, '1', () => source);
    expect(broken('{{nothing}}')).toThrow('docs/man has a part that is not known: {{nothing}}');
    expect(broken('{{section Gone}}')).toThrow('docs/configuration.md has no section "Gone"');
  });
});
