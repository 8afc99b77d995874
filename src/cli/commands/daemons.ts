/** vipd's command line: the agent, the witness, and the cleaning up after an agent that is gone. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { LOG_LEVELS, type LogLevel } from '../../host/log.js';
import { complain } from './complain.js';
import { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, type ExitStatus } from './exit-status.js';
import { renderExits, VIPD_EXITS } from './help.js';
import { DEFAULT_CONFIG } from './socket-path.js';
import { packageVersion } from './version.js';

export const DEFAULT_WITNESS_CONFIG = '/etc/vipd/witness.yaml';

const HELP = `
Exit status:
${renderExits(VIPD_EXITS)}

The agent is shown and steered by vipctl; see \`vipctl --help\`.
`;

/** Runs one command line, without `node` and the script's name, to its end. Never rejects. */
export const runVipd = async (argv: readonly string[]): Promise<ExitStatus> => {
  let status: ExitStatus = EXIT_DONE;
  const program = buildVipd((ended) => {
    status = ended;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
    complain(`vipd: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT_REFUSED;
  }
};

type End = (status: ExitStatus) => void;

interface Options {
  readonly config?: string;
  readonly logLevel?: LogLevel;
}

/** The command line itself, also for what is made from it: manual pages and completions. */
export const buildVipd = (end: End): Command => {
  // What each command needs is loaded when it is called: the witness has no database client, and starts sooner without.
  const program = new Command('vipd')
    .description('Keeps one virtual IP, and the one writable server, on exactly one of two MySQL or MariaDB masters.')
    .version(packageVersion())
    .option('-c, --config <file>', 'configuration file', DEFAULT_CONFIG)
    .addOption(logLevelOption().default('info' satisfies LogLevel))
    .exitOverride()
    .addHelpText('after', HELP)
    .action(async (options: { config: string; logLevel: LogLevel }) => {
      const { runAgent } = await import('./agent.js');
      end(await runAgent(options.config, options.logLevel));
    });
  addCleanup(program, end);
  addWitness(program, end);
  return program;
};

const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'least severe lines to log').choices(LOG_LEVELS).argParser(logLevel);

const logLevel = (text: string): LogLevel => {
  const level = LOG_LEVELS.find((known) => known === text);
  if (!level) throw new InvalidArgumentError(`one of ${LOG_LEVELS.join(', ')}`);
  return level;
};

const addCleanup = (program: Command, end: End): void => {
  program
    .command('cleanup')
    .description('take the VIPs down and make the database read-only, unless an agent runs')
    .option('-c, --config <file>', 'configuration file')
    .action(async (options: Options) => {
      const { runCleanup } = await import('./cleanup.js');
      end(await runCleanup(options.config ?? program.opts<{ config: string }>().config));
    });
};

const addWitness = (program: Command, end: End): void => {
  /** `--config` before or after `witness`; each kind of daemon has a default of its own. */
  const witnessConfig = (given: string | undefined): string => {
    if (given !== undefined) return given;
    return program.getOptionValueSource('config') === 'default'
      ? DEFAULT_WITNESS_CONFIG
      : program.opts<{ config: string }>().config;
  };
  const witness = program
    .command('witness')
    .description('run the third voter, which holds no data')
    .option('-c, --config <file>', `configuration file of the witness (default: ${DEFAULT_WITNESS_CONFIG})`)
    .addOption(logLevelOption())
    .action(async (options: Options) => {
      const { runWitness } = await import('./witness.js');
      const level = options.logLevel ?? program.opts<{ logLevel: LogLevel }>().logLevel;
      end(await runWitness(witnessConfig(options.config), level));
    });
  witness
    .command('init <group>')
    .description('tell a witness that lost its record that the group may start afresh')
    .option('-c, --config <file>', 'configuration file of the witness')
    .action(async (group: string, options: Options) => {
      const { initialiseWitness } = await import('./witness.js');
      end(await initialiseWitness(witnessConfig(options.config ?? witness.opts<Options>().config), group));
    });
};
