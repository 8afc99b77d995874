/** The manual pages: their sources in docs/man, with the parts that are made from schema and command lines put in. */

import { vipdJsonSchema, witnessJsonSchema } from '../../config/json-schema.js';
import { buildVipd } from '../commands/daemons.js';
import { VIPCTL_EXAMPLES, VIPCTL_EXITS, VIPD_EXITS } from '../commands/help.js';
import { buildProgram } from '../commands/program.js';
import { type CommandFacts, describeCommand } from './describe.js';
import { commands, examples, exits, keys, options, synopsis } from './reference.js';
import { example, fromMarkdown } from './roff.js';

/** Each page: its source is docs/man/NAME.SECTION.md, itself man/NAME.SECTION. */
export const PAGES = [
  { name: 'vipd', section: 8 },
  { name: 'vipctl', section: 8 },
  { name: 'vipd.yaml', section: 5 },
] as const;

type Page = (typeof PAGES)[number];

/** The date on the pages: of their last change that a reader would notice. */
const DATE = '2026-11-21';

const TITLES = { 5: 'File Formats Manual', 8: "System Manager's Manual" } as const satisfies Record<5 | 8, string>;

/** Command lines as facts; nothing is run by it. */
export const vipdFacts = (): CommandFacts => describeCommand(buildVipd(() => undefined));

export const vipctlFacts = (): CommandFacts =>
  describeCommand(
    buildProgram(
      {
        terminal: {
          out: () => undefined,
          err: () => undefined,
          size: () => null,
          environment: {},
          onInterrupt: () => () => undefined,
        },
        checkConfig: () => ({ text: '', status: 0 }),
      },
      () => undefined,
    ),
  );

/** The page as roff. `read` gives a file of the project by its path from the root. Throws an Error of a part not known. */
export const renderPage = ({ name, section }: Page, version: string, read: (path: string) => string): string => {
  const source = read(`docs/man/${name}.${section}.md`);
  const body = partsOf(source).flatMap((part, index) => afterList(renderPart(part, read), index));
  return [
    '.\\" Made by src/cli/manual/write-manual.ts from docs/man, the schema and the command lines: do not edit.',
    `.TH ${name.toUpperCase()} ${section} ${DATE} "vipd ${version}" "${TITLES[section]}"`,
    ...body.filter((line, index) => line !== '.PP' || !/^\.S[HS] /.test(body[index - 1] ?? '')),
    '',
  ].join('\n');
};

/** Text, and lines such as `{{keys vipd.yaml}}`, in turn. */
const partsOf = (source: string): readonly string[] => source.split(/^(\{\{[^}]+\}\})$/m);

const renderPart = (part: string, read: (path: string) => string): readonly string[] => {
  const match = /^\{\{(\S+) ?(.*)\}\}$/.exec(part);
  if (match === null) return fromMarkdown(part);
  const [, kind = '', what = ''] = match;
  switch (kind) {
    case 'synopsis':
      return synopsis(factsOf(what));
    case 'options':
      return options(factsOf(what));
    case 'commands':
      return commands(factsOf(what), detailsIn(read(`docs/man/${what}-commands.md`)));
    case 'exits':
      return exits(what === 'vipd' ? VIPD_EXITS : VIPCTL_EXITS);
    case 'examples':
      return examples(VIPCTL_EXAMPLES);
    case 'keys':
      return keys(what === 'vipd.yaml' ? vipdJsonSchema() : witnessJsonSchema());
    case 'file':
      return example(read(what).trimEnd().split('\n'));
    case 'section':
      return fromMarkdown(sectionOf(read('docs/configuration.md'), what));
    default:
      throw new Error(`docs/man has a part that is not known: ${part}`);
  }
};

/** Text behind a part that was put in would belong to its last item. */
const afterList = (lines: readonly string[], index: number): readonly string[] =>
  index > 0 && lines[0] !== undefined && !lines[0].startsWith('.') ? ['.PP', ...lines] : lines;

const factsOf = (program: string): CommandFacts => (program === 'vipd' ? vipdFacts() : vipctlFacts());

/** What stands under a heading of a Markdown page. Throws an Error where the heading is gone. */
const sectionOf = (page: string, title: string): string => {
  const begin = page.indexOf(`\n## ${title}\n`);
  if (begin < 0) throw new Error(`docs/configuration.md has no section "${title}"`);
  const text = page.slice(begin + title.length + 5);
  const end = text.indexOf('\n## ');
  return end < 0 ? text : text.slice(0, end);
};

/** Paragraphs by the command whose heading they stand under. */
const detailsIn = (page: string): ReadonlyMap<string, readonly string[]> =>
  new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((text) => {
        const end = text.indexOf('\n');
        return [text.slice(0, end), fromMarkdown(text.slice(end).trim())] as const;
      }),
  );

/** Commands that docs/man says more of, to compare with those there are. */
export const detailedCommands = (program: string, read: (path: string) => string): readonly string[] => [
  ...detailsIn(read(`docs/man/${program}-commands.md`)).keys(),
];
