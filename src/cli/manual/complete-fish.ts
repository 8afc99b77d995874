/** Completion for fish(1). */

import { type CommandFacts, isFile, type OptionFacts } from './describe.js';

export const completeFish = (program: CommandFacts): string =>
  [
    `# Completion of ${program.name} for fish. Made by src/cli/manual/write-manual.ts: do not edit.`,
    '',
    `complete -c ${program.name} -f`,
    ...linesOf(program, program.name, []),
    '',
  ].join('\n');

const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;

/** `path` are the commands that must have been typed. */
const linesOf = (command: CommandFacts, program: string, path: readonly string[]): readonly string[] => {
  const complete = `complete -c ${program}`;
  const here = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const inner = command.commands.map(({ name }) => name);
  const first = [...here, ...(inner.length === 0 ? [] : [`not __fish_seen_subcommand_from ${inner.join(' ')}`])];
  return [
    ...command.commands.map(({ name, meaning }) => `${complete}${condition(first)} -a ${name} -d ${quoted(meaning)}`),
    ...command.arguments.flatMap(({ name, choices }) => {
      if (choices.length > 0) return [`${complete}${condition(first)} -a ${quoted(choices.join(' '))}`];
      return isFile(name) ? [`${complete}${condition(first)} -F`] : [];
    }),
    ...command.options.map(
      (option) =>
        `${complete}${condition(path.length === 0 ? [] : first)}${flags(option)} -d ${quoted(option.meaning)}`,
    ),
    ...command.commands.flatMap((next) => linesOf(next, program, [...path, next.name])),
  ];
};

const condition = (all: readonly string[]): string => (all.length === 0 ? '' : ` -n ${quoted(all.join('; and '))}`);

const flags = ({ names, value, choices }: OptionFacts): string => {
  const own = names.map((name) => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`)).join('');
  if (value === null) return own;
  if (choices.length > 0) return `${own} -x -a ${quoted(choices.join(' '))}`;
  return isFile(value) ? `${own} -r -F` : `${own} -x`;
};
