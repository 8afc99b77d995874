/** What a command line consists of, taken from commander: for manual pages and completions. */

import type { Argument, Command, Option } from 'commander';

export interface OptionFacts {
  /** `-n, --lines <count>`. */
  readonly flags: string;
  /** `-n` and `--lines`. */
  readonly names: readonly string[];
  readonly meaning: string;
  /** What its value is called; null: it takes none. */
  readonly value: string | null;
  readonly choices: readonly string[];
  /** As it would be typed; null: none. */
  readonly default: string | null;
}

export interface ArgumentFacts {
  readonly name: string;
  readonly required: boolean;
  readonly choices: readonly string[];
  readonly meaning: string;
}

export interface CommandFacts {
  readonly name: string;
  readonly meaning: string;
  readonly options: readonly OptionFacts[];
  readonly arguments: readonly ArgumentFacts[];
  readonly commands: readonly CommandFacts[];
}

/** Everything that `--help` shows, and what is in the commands below. */
export const describeCommand = (command: Command): CommandFacts => {
  const help = command.createHelp();
  return {
    name: command.name(),
    meaning: command.description(),
    options: help.visibleOptions(command).map(describeOption),
    arguments: command.registeredArguments.map(describeArgument),
    commands: help.visibleCommands(command).map(describeCommand),
  };
};

const describeOption = (option: Option): OptionFacts => ({
  flags: option.flags,
  names: [option.short, option.long].flatMap((name) => (name == null ? [] : [name])),
  meaning: option.description,
  value: option.required || option.optional ? valueName(option.flags) : null,
  choices: option.argChoices ?? [],
  default: option.defaultValue === undefined ? null : (option.defaultValueDescription ?? String(option.defaultValue)),
});

const valueName = (flags: string): string => /[<[](.+)[>\]]$/.exec(flags)?.[1] ?? 'value';

const describeArgument = (argument: Argument): ArgumentFacts => ({
  name: argument.name(),
  required: argument.required,
  choices: argument.argChoices ?? [],
  meaning: argument.description,
});

/** Names of values that are files, for completion. */
const FILE_VALUES: readonly string[] = ['file', 'path'];

export const isFile = (name: string): boolean => FILE_VALUES.includes(name);
