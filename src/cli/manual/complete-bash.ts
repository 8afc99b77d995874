/** Completion for bash(1), without the bash-completion package: one function that walks the words typed so far. */

import { type CommandFacts, isFile, type OptionFacts } from './describe.js';

export const completeBash = (program: CommandFacts): string => {
  const name = `_${program.name}`;
  return `# Completion of ${program.name} for bash. Made by src/cli/manual/write-manual.ts: do not edit.

${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} path= word skip= index
  COMPREPLY=()
  # Which command is meant: words that are neither options nor their values.
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ -n $skip ]]; then
      skip=
      continue
    fi
    case $word in
      ${valueOptions(program).join(' | ')}) skip=1 ;;
      -*) ;;
      *)
        case "$path $word" in
${commandCases(program)}
        esac
        ;;
    esac
  done
  case "$path $previous" in
${valueCases(program, '')}
  esac
  local words=
  case $path in
${pathCases(program, '')}
  esac
  if [[ $current == -* ]]; then
    words=\${words#*|}
  else
    words=\${words%%|*}
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F ${name} ${program.name}
`;
};

/** `filenames`: a directory gets a slash, and blanks are quoted. */
const FILES = 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")';

const all = (command: CommandFacts): readonly CommandFacts[] => [command, ...command.commands.flatMap(all)];

const valueOptions = (program: CommandFacts): readonly string[] => [
  ...new Set(
    all(program).flatMap(({ options }) => options.filter(({ value }) => value !== null).flatMap(({ names }) => names)),
  ),
];

/** Each command by the way to it: ` witness init`. */
const withPaths = (command: CommandFacts, path: string): readonly (readonly [string, CommandFacts])[] => [
  [path, command],
  ...command.commands.flatMap((inner) => withPaths(inner, `${path} ${inner.name}`)),
];

const commandCases = (program: CommandFacts): string => {
  const paths = withPaths(program, '')
    .map(([path]) => path)
    .filter((path) => path !== '');
  return `          ${paths.map((path) => `'${path}'`).join(' | ')}) path="$path $word" ;;`;
};

const valueCases = (program: CommandFacts, root: string): string =>
  withPaths(program, root)
    .flatMap(([path, { options }]) =>
      options.filter(({ value }) => value !== null).flatMap((option) => valueCase(path, root, option)),
    )
    .join('\n');

/** Options of the program itself may stand behind a command as well. */
const valueCase = (path: string, root: string, { names, value, choices }: OptionFacts): readonly string[] => {
  const patterns = names.map((name) => (path === root ? `*' ${name}'` : `'${path} ${name}'`)).join(' | ');
  const reply =
    choices.length > 0
      ? `mapfile -t COMPREPLY < <(compgen -W '${choices.join(' ')}' -- "$current")`
      : isFile(value ?? '')
        ? FILES
        : ':';
  return [`    ${patterns})`, `      ${reply}`, '      return', '      ;;'];
};

/** For each command: what may come next, a bar, its options; or files at once. */
const pathCases = (program: CommandFacts, root: string): string =>
  withPaths(program, root)
    .flatMap(([path, command]) => {
      const options = command.options.flatMap(({ names }) => names);
      const next = [
        ...command.commands.map(({ name }) => name),
        ...command.arguments.flatMap(({ choices }) => choices),
      ];
      const files = command.arguments.some(({ name }) => isFile(name));
      return [
        `    '${path}')`,
        ...(files ? ['      if [[ $current != -* ]]; then', `        ${FILES}`, '        return', '      fi'] : []),
        `      words='${next.join(' ')}|${options.join(' ')}'`,
        '      ;;',
      ];
    })
    .join('\n');
