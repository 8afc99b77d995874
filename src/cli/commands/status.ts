/** `vipctl status`: as text, as JSON, or as a picture that is kept up to date. */

import { request } from '../../control/client.js';
import { reportOf } from '../../control/report.js';
import { STATUS_FORMAT, type Status } from '../../control/status.js';
import { renderStatus } from '../render/status.js';
import { ask, type Context, QUESTION_TIMEOUT_MS } from './ask.js';
import { EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { printLines, untilInterrupt, viewOf } from './terminal.js';
import { watch } from './watch.js';

export const showStatus = async (context: Context): Promise<ExitStatus> =>
  withStatus(context, (status) => {
    printLines(context.terminal, renderStatus(status, viewOf(context.terminal)));
    return EXIT_DONE;
  });

/** The status with `headline` and `problems` added, so that monitoring need not judge for itself. */
export const showStatusJson = async (context: Context): Promise<ExitStatus> =>
  withStatus(context, (status) => {
    context.terminal.out(`${JSON.stringify(reportOf(status), null, 2)}\n`);
    return EXIT_DONE;
  });

/** Until Ctrl-C. An agent that goes away is said so, and waited for. */
export const watchStatus = async (context: Context): Promise<ExitStatus> => {
  const { terminal, socket } = context;
  const frame = async (): Promise<readonly string[]> => {
    const answer = await request(socket, { request: 'status' }, { timeoutMs: QUESTION_TIMEOUT_MS });
    if (answer.kind !== 'done' || !answer.ok) return [answer.text];
    return isStatus(answer.data) ? renderStatus(answer.data, viewOf(terminal)) : [OTHER_FORMAT];
  };
  await untilInterrupt(terminal, (signal) => watch(frame, terminal, signal));
  return EXIT_DONE;
};

const OTHER_FORMAT = `the agent's status is not of format ${STATUS_FORMAT}: agent and vipctl are of different versions`;

/** Asks for the status, and hands on one that this vipctl understands. */
export const withStatus = async (
  context: Context,
  show: (status: Status) => ExitStatus | Promise<ExitStatus>,
): Promise<ExitStatus> => {
  const outcome = await ask(context, { request: 'status' }, QUESTION_TIMEOUT_MS);
  if (!outcome.answered) return outcome.status;
  if (!isStatus(outcome.data)) {
    context.terminal.err(`vipctl: ${OTHER_FORMAT}\n`);
    return EXIT_REFUSED;
  }
  return show(outcome.data);
};

/** The agent is ours: its word for the format is enough. */
const isStatus = (data: unknown): data is Status =>
  typeof data === 'object' && data !== null && 'format' in data && data.format === STATUS_FORMAT;
