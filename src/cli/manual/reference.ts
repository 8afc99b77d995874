/** The parts of the manual that are made from the command lines and from the schema. */

import type { JsonSchema } from '../../config/explain.js';
import { type KeyReference, keyReferences } from '../../config/reference.js';
import type { Example, ExitMeaning } from '../commands/help.js';
import type { ArgumentFacts, CommandFacts, OptionFacts } from './describe.js';
import { filled, heading, item, literal } from './roff.js';

/** The program, and each command below it, with arguments. */
export const synopsis = (program: CommandFacts): readonly string[] => {
  const lines = linesOf(program, [program.name]).filter(({ name }) => !name.endsWith(' help'));
  return lines.flatMap(({ name, facts }, index) => [
    ...(index === 0 ? [] : ['.br']),
    `\\fB${literal(name)}\\fR${facts.options.length > 1 ? ' [\\fIoptions\\fR]' : ''}${facts.arguments.map(argument).join('')}${needsCommand(facts) ? ' \\fIcommand\\fR' : ''}`,
  ]);
};

/** commander has a command `help` exactly where the program does nothing by itself. */
const needsCommand = ({ commands: below }: CommandFacts): boolean => below.some(({ name }) => name === 'help');

interface SynopsisLine {
  readonly name: string;
  readonly facts: CommandFacts;
}

const linesOf = (facts: CommandFacts, path: readonly string[]): readonly SynopsisLine[] => [
  { name: path.join(' '), facts },
  ...facts.commands.flatMap((command) => linesOf(command, [...path, command.name])),
];

const argument = ({ name, required, choices }: ArgumentFacts): string => {
  const text = choices.length > 0 ? choices.map((choice) => `\\fB${literal(choice)}\\fR`).join('|') : `\\fI${name}\\fR`;
  return required ? ` ${text}` : ` [${text}]`;
};

export const options = ({ options: all }: CommandFacts): readonly string[] => all.flatMap(option);

const option = ({ flags, meaning, value, choices, default: usual }: OptionFacts): readonly string[] => {
  const names = flags
    .replace(/ [<[].*$/, '')
    .split(', ')
    .map((name) => `\\fB${literal(name)}\\fR`)
    .join(', ');
  const more = [
    ...(choices.length > 0 ? [`One of ${choices.map((choice) => `\`${choice}\``).join(', ')}.`] : []),
    ...(usual === null ? [] : [`Default: \`${usual}\`.`]),
  ];
  return item(
    `${names}${value === null ? '' : ` \\fI${literal(value)}\\fR`}`,
    filled([sentence(meaning), ...more].join(' ')),
  );
};

/** Descriptions in the help begin small and have no full stop. The name of a file stays as it is. */
const sentence = (text: string): string => {
  const begun = /^[a-z-]+(?![\w.])/.test(text) ? `${text.charAt(0).toUpperCase()}${text.slice(1)}` : text;
  return /[.?!]$/.test(begun) ? begun : `${begun}.`;
};

/** Every command with its arguments and options. `details` says more of some, by name. */
export const commands = (program: CommandFacts, details: ReadonlyMap<string, readonly string[]>): readonly string[] =>
  program.commands.filter(({ name }) => name !== 'help').flatMap((command) => commandsBelow(command, '', details));

const commandsBelow = (
  command: CommandFacts,
  before: string,
  details: ReadonlyMap<string, readonly string[]>,
): readonly string[] => {
  const name = `${before}${command.name}`;
  const own = command.options.filter(({ names }) => !names.includes('--help'));
  return [
    heading('SS', `${literal(name)}${command.arguments.map(argument).join('')}`),
    ...filled(sentence(command.meaning)),
    ...command.arguments
      .filter(({ meaning }) => meaning !== '')
      .flatMap(({ name: term, meaning }) => item(`\\fI${term}\\fR`, filled(sentence(meaning)))),
    ...own.flatMap(option),
    ...(details.has(name) ? ['.PP', ...(details.get(name) ?? [])] : []),
    ...command.commands
      .filter((inner) => inner.name !== 'help')
      .flatMap((inner) => commandsBelow(inner, `${name} `, details)),
  ];
};

export const exits = (all: readonly ExitMeaning[]): readonly string[] =>
  all.flatMap(([status, meaning]) => item(`\\fB${status}\\fR`, filled(sentence(meaning))));

export const examples = (all: readonly Example[]): readonly string[] =>
  all.flatMap(([command, meaning]) => item(`\\fB${literal(command)}\\fR`, filled(sentence(meaning))));

/** Every key in the schema's order, each section of the file under its own heading. */
export const keys = (schema: JsonSchema): readonly string[] => keyReferences(schema).flatMap(key);

const key = ({ key: name, form, default: usual, required, meaning }: KeyReference): readonly string[] => {
  const facts = [
    ...(form === 'section' ? [] : [form]),
    ...(required ? ['required'] : usual === null || usual === '' ? [] : [`default ${usual}`]),
  ];
  const written = facts.length === 0 ? '' : ` (${facts.join('; ')})`;
  return item(`\\fB${literal(name)}\\fR${literal(written)}`, filled(meaning));
};
