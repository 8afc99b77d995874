/** `vipctl import`: makes vipd.yaml of a keepalived.conf. */

import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { parseAddress } from '../../config/address.js';
import { type ImportHost, type ImportOptions, importKeepalived } from '../../keepalived/import.js';
import { renderImportErrors } from '../../keepalived/source.js';
import type { NodeOption } from '../../keepalived/translate.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import type { Terminal } from './terminal.js';

interface Flags {
  readonly output?: string;
  readonly node?: NodeOption;
  readonly peer?: NodeOption;
  readonly witness?: NodeOption & { readonly address: string };
  readonly gateway?: string;
  readonly instance?: readonly string[];
}

/** Where a program is looked for that keepalived found by PATH. */
const PROGRAM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const;

/** The commands it names run as root. */
const OUTPUT_MODE = 0o600;

export const addImport = (program: Command, terminal: Terminal, end: (status: ExitStatus) => void): void => {
  program
    .command('import')
    .description('make vipd.yaml of a keepalived.conf; each line of it becomes a key or a comment')
    .argument('<file>', 'keepalived.conf of this host; what it includes is read as well')
    .option('-o, --output <file>', 'write to this new file instead of standard output')
    .option(
      '--node <name[=address]>',
      'this node: its host name, and address where keepalived.conf has none',
      namedHost,
    )
    .option('--peer <name[=address]>', 'the other node', namedHost)
    .option('--witness <name=address>', 'host that will run `vipd witness`', witnessHost)
    .option('--gateway <address>', 'router that is asked when the peer is silent', hostAddress)
    .option(
      '--instance <name>',
      'only this vrrp_instance; may be given again',
      (name, before: readonly string[] = []) => [...before, name],
    )
    .action((file: string, flags: Flags) => end(runImport(file, flags, terminal)));
};

const runImport = (file: string, flags: Flags, terminal: Terminal): ExitStatus => {
  const options: ImportOptions = {
    node: flags.node ?? { name: hostname(), address: null },
    peer: flags.peer ?? null,
    witness: flags.witness ?? null,
    gateway: flags.gateway ?? null,
    instances: flags.instance ?? [],
  };
  const result = importKeepalived(file, options, realHost());
  if (!result.ok) {
    terminal.err(`${renderImportErrors(result.errors)}\n`);
    return EXIT_BAD_CONFIG;
  }
  if (flags.output === undefined) {
    terminal.out(result.yaml);
    return EXIT_DONE;
  }
  return writeNew(flags.output, result.yaml, terminal);
};

/** Never over a file that is there: it may be the one that an agent runs with. */
const writeNew = (path: string, text: string, terminal: Terminal): ExitStatus => {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: OUTPUT_MODE });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const why =
      code === 'EEXIST' ? 'is there already; name another file, or move it away' : `cannot be written (${code})`;
    terminal.err(`vipctl: ${path} ${why}\n`);
    return EXIT_REFUSED;
  }
  terminal.out(`${path} written; what is still to do stands at its top\n`);
  return EXIT_DONE;
};

const realHost = (): ImportHost => ({
  files: { read: (path) => readFileSync(path, 'utf8'), list: (directory) => readdirSync(directory) },
  addressesOf: (link) =>
    (networkInterfaces()[link] ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address),
  findProgram: (name) =>
    PROGRAM_DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) => isExecutable(path)) ?? null,
});

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const hostAddress = (text: string): string => {
  const address = parseAddress(text);
  if (address.ok) return address.value.address;
  throw new InvalidArgumentError(`${address.message}: ${address.hint}.`);
};

const namedHost = (text: string): NodeOption => {
  const [name = '', address] = text.split('=', 2);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
    throw new InvalidArgumentError('Write a host name, such as db1.');
  return { name, address: address === undefined ? null : hostAddress(address) };
};

const witnessHost = (text: string): NodeOption & { readonly address: string } => {
  const { name, address } = namedHost(text);
  if (address === null) throw new InvalidArgumentError('Write name and address, such as w1=10.99.0.3.');
  return { name, address };
};
