/** Completion for zsh(1), by its _arguments function (zshcompsys(1)). */

import { type ArgumentFacts, type CommandFacts, isFile, type OptionFacts } from './describe.js';

export const completeZsh = (program: CommandFacts): string =>
  [
    `#compdef ${program.name}`,
    `# Completion of ${program.name} for zsh. Made by src/cli/manual/write-manual.ts: do not edit.`,
    '',
    ...functionsOf(program, `_${program.name}`),
    `_${program.name} "$@"`,
    '',
  ].join('\n');

/** One function for each command, those below it first. */
const functionsOf = (command: CommandFacts, name: string): readonly string[] => {
  const below = command.commands.flatMap((inner) => functionsOf(inner, `${name}_${inner.name.replaceAll('-', '_')}`));
  const specs = [...command.options.flatMap(optionSpecs), ...command.arguments.map(argumentSpec)];
  const local = ['  local curcontext="$curcontext" state line', '  typeset -A opt_args'];
  const body =
    command.commands.length === 0
      ? [...local, `  _arguments -S${continued(specs)}`]
      : [
          ...local,
          '  local -a commands',
          '  commands=(',
          ...command.commands.map(({ name: word, meaning }) => `    ${quoted(`${word}:${meaning}`)}`),
          '  )',
          `  _arguments -C -S${continued([...specs, "'1: :->command'", "'*:: :->argument'"])}`,
          '  case $state in',
          '    command) _describe -t commands command commands ;;',
          '    argument)',
          '      case $line[1] in',
          ...command.commands.map((inner) => `        ${inner.name}) ${name}_${inner.name.replaceAll('-', '_')} ;;`),
          '      esac',
          '      ;;',
          '  esac',
        ];
  return [...below, `${name}() {`, ...body, '}', ''];
};

const continued = (specs: readonly string[]): string => specs.map((spec) => ` \\\n    ${spec}`).join('');

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Brackets and colons end the parts of a spec. */
const plain = (text: string): string => text.replaceAll(/[[\]:\\]/g, '\\$&');

const optionSpecs = ({ names, meaning, value, choices }: OptionFacts): readonly string[] => {
  const others = names.length > 1 ? `(${names.join(' ')})` : '';
  const action = value === null ? '' : `:${plain(value)}:${actionOf(value, choices)}`;
  return names.map((name) => quoted(`${others}${name}[${plain(meaning)}]${action}`));
};

const argumentSpec = ({ name, required, choices }: ArgumentFacts): string =>
  quoted(`:${required ? '' : ':'}${plain(name)}:${actionOf(name, choices)}`);

const actionOf = (name: string, choices: readonly string[]): string => {
  if (choices.length > 0) return `(${choices.join(' ')})`;
  return isFile(name) ? '_files' : ' ';
};
