/** keepalived's scripts as the programs and arguments that vipd starts, without a shell unless one is needed. */

import { FILL_IN } from './draft.js';
import type { Directive } from './source.js';
import { splitWords } from './words.js';

/** What sh(1) would do something about. keepalived hands a command to a shell where it cannot start it itself. */
const SHELL_CHARACTERS = /[|&;<>()$`*?[\]~]/;

/** The command behind `script`, `notify` and the like, as keepalived parts it: one string, or a program and arguments. */
export const commandOf = (words: readonly string[]): readonly string[] => {
  const [only = '', ...rest] = words;
  if (rest.length > 0) return words;
  if (SHELL_CHARACTERS.test(only)) return [only.includes('/dev/tcp/') ? '/bin/bash' : '/bin/sh', '-c', only];
  const split = splitWords(only);
  return split.ok && split.words.length > 0 ? split.words.map(({ text }) => text) : ['/bin/sh', '-c', only];
};

/** What a command made by `commandOf` has its shell read; null: no shell. */
const shellText = ([program = '', option, text]: readonly string[]): string | null =>
  /^\/bin\/(ba)?sh$/.test(program) && option === '-c' ? (text ?? null) : null;

export const runsInShell = (command: readonly string[]): boolean => shellText(command) !== null;

/** A notify line: the command, and after it the account and group. */
export const notifyOf = ({
  words,
}: Directive): { readonly command: readonly string[]; readonly account: string | null } => ({
  command: commandOf(words.slice(1, 2)),
  account: words[2] ?? null,
});

/** The command with its program's path; vipd does not search PATH. `find` names the program on this host. */
export const withPath = (command: readonly string[], find: (program: string) => string | null): readonly string[] => {
  const [program = '', ...args] = command;
  return program.startsWith('/') ? command : [find(program) ?? `/${FILL_IN}/${program}`, ...args];
};

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const SERVERS: readonly string[] = ['mysqld', 'mariadbd', 'mysqld_safe', 'mysql', 'mariadb'];

/** A command that only asks whether mysqld is there or answers: mysql.check does that, and sooner. */
export const asksOnlyForServer = (command: readonly string[]): boolean => {
  const shell = shellText(command);
  if (shell !== null && /\/dev\/tcp\/(127\.0\.0\.1|localhost)\/3306\b/.test(shell)) return true;
  const words = shell === null ? command : shell.split(/[\s;&|<>()`$]+/).filter((word) => word !== '');
  const [program = '', ...args] = words.map(baseName);
  switch (program) {
    case 'killall':
      return args.includes('-0') && args.some((arg) => SERVERS.includes(arg));
    case 'pidof':
    case 'pgrep':
      return args.some((arg) => SERVERS.includes(arg));
    case 'systemctl':
      return args.includes('is-active') && args.some((arg) => SERVERS.includes(arg.replace(/\.service$/, '')));
    case 'service':
      return args.includes('status') && args.some((arg) => SERVERS.includes(arg));
    case 'mysqladmin':
    case 'mariadb-admin':
      return args.includes('ping') || args.includes('status');
    case 'kill':
      return args.includes('-0') && words.some((word) => /(mysqld|mariadb)[^/]*\.pid$/.test(word));
    default:
      return false;
  }
};

/** Whether a server of MySQL or MariaDB is what the word names, as the process of a track_process. */
export const isServer = (process: string): boolean => SERVERS.includes(baseName(process));

/** `-psecret` and `--password=secret`: any account of the host reads them in the list of processes. */
export const carriesPassword = (command: readonly string[]): boolean =>
  command.some((word) => /(^|\s)(-p\S|--password=\S)/.test(word)) && /mysql|mariadb/.test(command.join(' '));

/** Letters, digits, `_`, `-` only, and none of it twice; `taken` has the names given so far. */
export const nameFor = (wanted: string, taken: readonly string[], maxLength: number): string => {
  const plain = wanted.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+/, '') || 'unnamed';
  for (let number = 1; ; number += 1) {
    const suffix = number === 1 ? '' : `-${number}`;
    const name = `${plain.slice(0, maxLength - suffix.length)}${suffix}`;
    if (!taken.includes(name)) return name;
  }
};

export const programName = (command: readonly string[]): string => {
  const script = shellText(command)?.split(/\s/)[0] ?? command[0];
  return baseName(script ?? '').replace(/\.[a-z]{1,4}$/, '') || 'script';
};
