/** One request to the agent, with its answer turned into output and an exit status. */

import { request } from '../../control/client.js';
import { isInvalidFile, type RequestInput } from '../../control/protocol.js';
import { printableLines } from '../render/text.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_NO_AGENT, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { printLines, type Terminal, untilInterrupt } from './terminal.js';

/** What every command that talks to an agent is given. */
export interface Context {
  readonly terminal: Terminal;
  readonly socket: string;
}

/** An agent in order answers a question within milliseconds. */
export const QUESTION_TIMEOUT_MS = 5_000;

/** On top of the time an operation was given: the agent ends it, and says so itself. */
export const OPERATION_GRACE_MS = 30_000;

export type Outcome =
  | { readonly answered: true; readonly text: string; readonly data: unknown }
  /** The reason is on stderr already. */
  | { readonly answered: false; readonly status: ExitStatus };

/** Asks, prints progress as it comes, and says on stderr what went wrong. */
export const ask = async (context: Context, input: RequestInput, timeoutMs: number): Promise<Outcome> => {
  const { terminal, socket } = context;
  const onProgress = (text: string): void => printLines(terminal, printableLines(text));
  const answer = await untilInterrupt(terminal, (signal) => request(socket, input, { onProgress, timeoutMs, signal }));
  if (answer.kind === 'done' && answer.ok) return { answered: true, text: answer.text, data: answer.data };
  terminal.err(`vipctl: ${printableLines(answer.text).join('\n')}\n`);
  if (answer.kind === 'no-agent') return { answered: false, status: EXIT_NO_AGENT };
  const invalid = answer.kind === 'done' && isInvalidFile(answer.data);
  return { answered: false, status: invalid ? EXIT_BAD_CONFIG : EXIT_REFUSED };
};

/** Asks for something to be done, and prints how it went. */
export const order = async (context: Context, input: RequestInput, timeoutMs: number): Promise<ExitStatus> => {
  const outcome = await ask(context, input, timeoutMs);
  if (!outcome.answered) return outcome.status;
  if (outcome.text !== '') printLines(context.terminal, printableLines(outcome.text));
  return EXIT_DONE;
};
