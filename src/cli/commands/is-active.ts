/** `vipctl is-active`: for scripts and load balancers, whether this node serves clients. */

import { request } from '../../control/client.js';
import { ROLES } from '../../core/message.js';
import { printableLines } from '../render/text.js';
import { type Context, QUESTION_TIMEOUT_MS } from './ask.js';
import { EXIT_DONE, EXIT_NO_AGENT, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { printLines } from './terminal.js';

/**
 * Prints the role. "No" is an answer, not a failure, so it goes to stdout. Whatever else an agent says (it is starting, too
 * many ask it) is no answer to this question: a balancer must not take it for "no".
 */
export const isActive = async ({ terminal, socket }: Context): Promise<ExitStatus> => {
  const answer = await request(socket, { request: 'is-active' }, { timeoutMs: QUESTION_TIMEOUT_MS });
  if (answer.kind !== 'done' || !ROLES.some((role) => role === answer.text)) {
    terminal.err(`vipctl: ${answer.text}\n`);
    return EXIT_NO_AGENT;
  }
  printLines(terminal, printableLines(answer.text));
  return answer.ok ? EXIT_DONE : EXIT_REFUSED;
};
