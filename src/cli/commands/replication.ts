/** `vipctl replication`: makes a fresh pair replicate, says what is not as vipd needs it, and repairs a channel. */

import { type Command, Option } from 'commander';
import { formatDuration } from '../../config/duration.js';
import { loadConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import { MAX_OPERATION_MS } from '../../control/protocol.js';
import { daemonAccounts } from './daemon-accounts.js';
import { tellFindings } from './doctor.js';
import { durationUpTo } from './duration.js';
import { EXIT_BAD_CONFIG, type ExitStatus } from './exit-status.js';
import type { NodeContext } from './local-node.js';
import { DEFAULT_CONFIG } from './socket-path.js';
import type { Terminal } from './terminal.js';

/** How the agent's socket is found; it need not answer. */
export type WithAgent = (run: (context: NodeContext) => Promise<ExitStatus>) => Promise<void>;

interface SetupFlags {
  readonly dryRun?: boolean;
  readonly user: string;
  readonly passwordFile?: string;
  readonly adminFile?: string;
  readonly wait: number;
}

/** For an operator to go over to the other host. */
const DEFAULT_WAIT_MS = 600_000;

interface GlobalOptions {
  readonly config?: string;
  readonly socket?: string;
}

/** What they need is loaded when they are called: no other command but doctor has use for the database client. */
export const addReplication = (
  program: Command,
  terminal: Terminal,
  withAgent: WithAgent,
  end: (status: ExitStatus) => void,
): void => {
  const replication = program
    .command('replication')
    .description('sets up, checks and repairs the replication between the two servers');
  const configPath = (): string => program.opts<GlobalOptions>().config ?? DEFAULT_CONFIG;
  replication
    .command('setup')
    .description(
      'makes this server one of a pair that replicates both ways; to be typed on both nodes, again as you like',
    )
    .option('--dry-run', 'say what would be done, and what stands in the way; change nothing')
    .option('--user <name>', 'account by which each node replicates from the other', 'replication')
    .option('--password-file <file>', 'its password, the same on both nodes; else it is asked for')
    .option('--admin-file <file>', "an administrator's login in my.cnf form (default: root over the socket)")
    .addOption(
      new Option('--wait <duration>', 'for the other node to be set up')
        .argParser(durationUpTo(MAX_OPERATION_MS))
        .default(DEFAULT_WAIT_MS, formatDuration(DEFAULT_WAIT_MS)),
    )
    .action(({ dryRun = false, wait: waitMs, ...files }: SetupFlags) =>
      withAgent(async (context) => {
        const { setUpReplication } = await import('./replication-setup.js');
        return setUpReplication(context, { dryRun, waitMs, ...files });
      }),
    );
  replication
    .command('repair')
    .description(
      'starts the channel of this node again where nothing can be lost by it; else says why not and what to do',
    )
    .action(() =>
      withAgent(async (context) => {
        const { repairReplication } = await import('./replication-repair.js');
        return repairReplication(context);
      }),
    );
  replication
    .command('check')
    .description('goes through what vipd counts on in both servers; names what to change, by the line or the statement')
    .option('--json', 'for programs, in the form of "doctor --json"')
    .action(async (options: { json?: true }) => end(await check(terminal, configPath(), options.json ?? false)));
};

const check = async (terminal: Terminal, path: string, json: boolean): Promise<ExitStatus> => {
  const loaded = loadConfig(path, { daemonAccounts: daemonAccounts() });
  if (!loaded.ok) {
    terminal.err(`${renderErrors(loaded.errors)}\n`);
    return EXIT_BAD_CONFIG;
  }
  const { checkDatabase } = await import('../../doctor/database.js');
  return tellFindings(terminal, loaded.config, await checkDatabase(loaded.config, 'both'), json);
};
