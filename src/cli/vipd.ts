#!/usr/bin/env node
/** `vipd`: the agent of a database host, the witness, and the cleaning up after an agent that is gone. */

import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { LOG_LEVELS, type LogLevel } from '../host/log.js';
import { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, type ExitStatus } from './commands/exit-status.js';
import { packageVersion } from './commands/version.js';

const DEFAULT_CONFIG = '/etc/vipd/vipd.yaml';
const DEFAULT_WITNESS_CONFIG = '/etc/vipd/witness.yaml';

const logLevel = (text: string): LogLevel => {
  const level = LOG_LEVELS.find((known) => known === text);
  if (!level) throw new InvalidArgumentError(`one of ${LOG_LEVELS.join(', ')}`);
  return level;
};

let status: ExitStatus = EXIT_DONE;

// What each command needs is loaded when it is called: the witness has no database client, and starts sooner without.
const program = new Command('vipd')
  .description('Keeps one virtual IP, and the one writable server, on exactly one of two MySQL or MariaDB masters.')
  .version(packageVersion())
  .option('-c, --config <file>', 'configuration file', DEFAULT_CONFIG)
  .option('--log-level <level>', `least severe lines to log: ${LOG_LEVELS.join(', ')}`, logLevel, 'info')
  .exitOverride()
  .addHelpText(
    'after',
    '\nExit status: 0 stopped as asked; 1 failed; 2 usage; 4 configuration invalid.\nThe agent is shown and steered by vipctl; see `vipctl --help`.\n',
  )
  .action(async (options: { config: string; logLevel: LogLevel }) => {
    const { runAgent } = await import('./commands/agent.js');
    status = await runAgent(options.config, options.logLevel);
  });

program
  .command('cleanup')
  .description('take the VIPs down and make the database read-only, unless an agent runs')
  .option('-c, --config <file>', 'configuration file')
  .action(async (options: { config?: string }) => {
    const { runCleanup } = await import('./commands/cleanup.js');
    status = await runCleanup(options.config ?? program.opts<{ config: string }>().config);
  });

const witness = program
  .command('witness')
  .description('run the third voter, which holds no data')
  .option('-c, --config <file>', 'configuration file of the witness')
  .option('--log-level <level>', 'least severe lines to log', logLevel)
  .action(async (options: { config?: string; logLevel?: LogLevel }) => {
    const { runWitness } = await import('./commands/witness.js');
    status = await runWitness(
      witnessConfig(options.config),
      options.logLevel ?? program.opts<{ logLevel: LogLevel }>().logLevel,
    );
  });

witness
  .command('init <group>')
  .description('tell a witness that lost its record that the group may start afresh')
  .option('-c, --config <file>', 'configuration file of the witness')
  .action(async (group: string, options: { config?: string }) => {
    const { initialiseWitness } = await import('./commands/witness.js');
    status = await initialiseWitness(
      witnessConfig(options.config ?? witness.opts<{ config?: string }>().config),
      group,
    );
  });

/** `--config` before or after `witness`; each kind of daemon has a default of its own. */
const witnessConfig = (given: string | undefined): string => {
  if (given !== undefined) return given;
  return program.getOptionValueSource('config') === 'default'
    ? DEFAULT_WITNESS_CONFIG
    : program.opts<{ config: string }>().config;
};

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) status = error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
  else {
    process.stderr.write(`vipd: ${error instanceof Error ? error.message : String(error)}\n`);
    status = EXIT_REFUSED;
  }
}
process.exit(status);
