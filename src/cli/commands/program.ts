/** vipctl's command line: its commands, their options and help, and the way to an exit status. */

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { formatDuration } from '../../config/duration.js';
import {
  DEFAULT_HISTORY_ENTRIES,
  DEFAULT_SWITCHOVER_MS,
  MAX_HISTORY_ENTRIES,
  MAX_OPERATION_MS,
  MAX_PAUSE_MS,
} from '../../control/protocol.js';
import { ANSWER_WITHIN_MS, wishWithin } from '../../core/timing.js';
import { OPERATION_GRACE_MS, order, QUESTION_TIMEOUT_MS } from './ask.js';
import { runDoctor } from './doctor.js';
import { durationUpTo } from './duration.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_USAGE, type ExitStatus } from './exit-status.js';
import { showExplanation } from './explain.js';
import { renderExamples, renderExits, VIPCTL_EXAMPLES, VIPCTL_EXITS } from './help.js';
import { showHistory } from './history.js';
import { addImport } from './import.js';
import { isActive } from './is-active.js';
import type { NodeContext } from './local-node.js';
import { addReplication, type WithAgent } from './replication.js';
import { DEFAULT_CONFIG, findSocket } from './socket-path.js';
import { showStatus, showStatusJson, watchStatus } from './status.js';
import type { Terminal } from './terminal.js';
import { packageVersion } from './version.js';

export interface Surroundings {
  readonly terminal: Terminal;
  /** `src/config`'s check of a file: a report, and 0 or 4. */
  readonly checkConfig: (path: string) => CheckResult | Promise<CheckResult>;
}

interface CheckResult {
  readonly text: string;
  readonly status: number;
}

interface GlobalOptions {
  readonly config?: string;
  readonly socket?: string;
}

/** For what is written down before it is answered. */
const RECORD_TIMEOUT_MS = ANSWER_WITHIN_MS + QUESTION_TIMEOUT_MS;

/**
 * A promotion has no end of its own while it progresses, and its silences are as long as `promotion.catch_up_timeout`, the
 * fence command and the hooks may take. An agent that dies breaks the connection off, and one that hangs is killed.
 */
const PROMOTION_TIMEOUT_MS = 2 * MAX_OPERATION_MS;

/** A reload waits for the end of a move that is under way. */
const RELOAD_TIMEOUT_MS = 45_000;

const HELP = `
Examples:
${renderExamples(VIPCTL_EXAMPLES)}

Exit status:
${renderExits(VIPCTL_EXITS)}`;

/** Runs one command line, without `node` and the script's name. Never rejects for what an operator may do. */
export const runVipctl = async (argv: readonly string[], surroundings: Surroundings): Promise<ExitStatus> => {
  let status: ExitStatus = EXIT_DONE;
  const program = buildProgram(surroundings, (ended) => {
    status = ended;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    // Help and the version that were asked for come this way too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_DONE : EXIT_USAGE;
    throw error;
  }
};

/** The command line itself, also for what is made from it: manual pages and completions. */
export const buildProgram = (surroundings: Surroundings, end: (status: ExitStatus) => void): Command => {
  const { terminal } = surroundings;
  const program = new Command('vipctl')
    .description('Shows and steers the vipd agent on this host.')
    .version(packageVersion())
    .option('--config <file>', `configuration that names the control socket (default: ${DEFAULT_CONFIG})`)
    .option('--socket <path>', 'control socket of the agent')
    .addHelpText('after', HELP)
    .showHelpAfterError('(vipctl --help tells more)')
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .exitOverride();

  const withAgent = async (run: (context: NodeContext) => Promise<ExitStatus>): Promise<void> => {
    const options = program.opts<GlobalOptions>();
    const socket = findSocket(options.socket, options.config);
    if (socket.ok) {
      if (socket.note !== undefined) terminal.err(`vipctl: ${socket.note}\n`);
      end(await run({ terminal, socket: socket.path, configPath: options.config ?? DEFAULT_CONFIG }));
      return;
    }
    terminal.err(`vipctl: ${socket.text}\n`);
    end(EXIT_BAD_CONFIG);
  };
  addQuestions(program, withAgent);
  addMoves(program, withAgent);
  addHolds(program, withAgent);
  addReload(program, withAgent);
  addComingBack(program, withAgent);
  addDoctor(program, surroundings, end);
  addReplication(program, terminal, withAgent, end);
  addCheckConfig(program, surroundings, end);
  addImport(program, terminal, end);
  return program;
};

const addQuestions = (program: Command, withAgent: WithAgent): void => {
  program
    .command('status')
    .description('both nodes, witnesses, health, VIPs, replication, holds, last change')
    .option('--json', 'for programs; the names are documented and stay')
    .option('--watch', 'draw it anew each second, until Ctrl-C')
    .action(async (options: { json?: true; watch?: true }, command: Command) => {
      if (options.json && options.watch) command.error('error: --json and --watch do not go together');
      await withAgent(options.json ? showStatusJson : options.watch ? watchStatus : showStatus);
    });
  program
    .command('history')
    .description('role changes and refusals, with the reason and duration of each step')
    .option('--json', 'for programs')
    .option('-n, --lines <count>', 'how many of the newest', countUpTo(MAX_HISTORY_ENTRIES), DEFAULT_HISTORY_ENTRIES)
    .action((options: { json?: true; lines: number }) =>
      withAgent((context) => showHistory(context, options.lines, options.json ?? false)),
    );
  program
    .command('explain')
    .description('why this node is active, or is not, in sentences')
    .action(() => withAgent(showExplanation));
  program
    .command('is-active')
    .description('exit status 0 where this node is active, 1 where it is not')
    .action(() => withAgent(isActive));
};

const addMoves = (program: Command, withAgent: WithAgent): void => {
  program
    .command('switchover')
    .description('planned move to the standby; prints each step and the write outage')
    .option('--dry-run', 'say what would happen and what would stop it; change nothing')
    .option(
      '--force',
      'kill the statements and sessions that block it, and move although the group is paused or "flapping"',
    )
    .addOption(
      new Option('--timeout <duration>', 'undo it if it takes longer')
        .argParser(durationUpTo(MAX_OPERATION_MS))
        .default(DEFAULT_SWITCHOVER_MS, formatDuration(DEFAULT_SWITCHOVER_MS)),
    )
    .action((options: { dryRun?: true; force?: true; timeout: number }) => {
      const { dryRun = false, force = false, timeout: timeoutMs } = options;
      const input = { request: 'switchover', dryRun, force, timeoutMs } as const;
      return withAgent((context) => order(context, input, wishWithin(timeoutMs) + OPERATION_GRACE_MS));
    });
  program
    .command('promote')
    .description("make this node active where vipd holds back: the operator's decision")
    .option('--accept-loss', 'even if commits are lost; without it, says which')
    .action((options: { acceptLoss?: true }) =>
      withAgent((context) =>
        order(context, { request: 'promote', acceptLoss: options.acceptLoss ?? false }, PROMOTION_TIMEOUT_MS),
      ),
    );
};

const addHolds = (program: Command, withAgent: WithAgent): void => {
  program
    .command('pause')
    .description('whole group: nothing moves by itself')
    .option('--for <duration>', 'end it by itself after this long', durationUpTo(MAX_PAUSE_MS))
    .action((options: { for?: number }) =>
      withAgent((context) => order(context, { request: 'pause', forMs: options.for ?? -1 }, RECORD_TIMEOUT_MS)),
    );
  program
    .command('resume')
    .description('ends a pause and the hold "flapping"; acknowledges failed hooks and events')
    .action(() => withAgent((context) => order(context, { request: 'resume' }, RECORD_TIMEOUT_MS)));
  program
    .command('maintenance')
    .description('this node: not a candidate')
    .addArgument(new Argument('<state>').choices(['on', 'off']))
    .action((state: string) =>
      withAgent((context) => order(context, { request: 'maintenance', on: state === 'on' }, RECORD_TIMEOUT_MS)),
    );
};

const addReload = (program: Command, withAgent: WithAgent): void => {
  program
    .command('reload')
    .description('take over a changed configuration; refused as a whole where a part of it needs a restart')
    .action(() => withAgent((context) => order(context, { request: 'reload' }, RELOAD_TIMEOUT_MS)));
};

const addDoctor = (program: Command, { terminal }: Surroundings, end: (status: ExitStatus) => void): void => {
  program
    .command('doctor')
    .description('tries what the agent needs, on this host and towards the others; names each fault, and what to do')
    .option('--json', 'for programs')
    .action(async (options: { json?: true }) => {
      const { config = DEFAULT_CONFIG, socket } = program.opts<GlobalOptions>();
      end(await runDoctor(terminal, config, socket, options.json ?? false));
    });
};

/** What they need is loaded when they are called: no other command but doctor has use for the database client. */
const addComingBack = (program: Command, withAgent: WithAgent): void => {
  program
    .command('divergence')
    .description('what this node has committed that the active has not, with its rows; keeps the binary logs')
    .option('--json', 'for programs; the names are documented and stay')
    .action((options: { json?: true }) =>
      withAgent(async (context) => {
        const { showDivergence } = await import('./divergence.js');
        return showDivergence(context, options.json ?? false);
      }),
    );
  program
    .command('rejoin')
    .description('brings a quarantined node back; without an option it tells how')
    .addOption(new Option('--discard', 'rebuild it from the active').conflicts('keep'))
    .option('--keep', 'it keeps its data, once the active has the same rows')
    .option('--yes', 'do not ask')
    .action((options: { discard?: true; keep?: true; yes?: true }) =>
      withAgent(async (context) => {
        const { rejoin } = await import('./rejoin.js');
        const way = options.discard ? 'discard' : options.keep ? 'keep' : 'tell';
        return rejoin(context, { way, yes: options.yes ?? false });
      }),
    );
};

const addCheckConfig = (program: Command, surroundings: Surroundings, end: (status: ExitStatus) => void): void => {
  program
    .command('check-config')
    .description("the same checks of a configuration as at the agent's start")
    .argument('[file]', `configuration (default: --config, else ${DEFAULT_CONFIG})`)
    .action(async (file: string | undefined) => {
      const path = file ?? program.opts<GlobalOptions>().config ?? DEFAULT_CONFIG;
      const { text, status } = await surroundings.checkConfig(path);
      const print = status === 0 ? surroundings.terminal.out : surroundings.terminal.err;
      print(text.endsWith('\n') ? text : `${text}\n`);
      end(status === 0 ? EXIT_DONE : EXIT_BAD_CONFIG);
    });
};

const countUpTo =
  (max: number) =>
  (text: string): number => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
    if (count < 1 || count > max) throw new InvalidArgumentError(`Write a whole number from 1 to ${max}.`);
    return count;
  };
