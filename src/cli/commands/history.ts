/** `vipctl history`: the newest lines of the journal. */

import { z } from 'zod';
import type { HistoryEntry } from '../../control/status.js';
import { renderHistory } from '../render/history.js';
import { ask, type Context, QUESTION_TIMEOUT_MS } from './ask.js';
import { EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { printLines, viewOf } from './terminal.js';

export const showHistory = (context: Context, limit: number, json: boolean): Promise<ExitStatus> =>
  withHistory(context, limit, (history) => {
    const { terminal } = context;
    if (json) terminal.out(`${JSON.stringify(history, null, 2)}\n`);
    else printLines(terminal, renderHistory(history, viewOf(terminal)));
  });

/** Asks for the newest entries, and hands them on, the oldest first. */
export const withHistory = async (
  context: Context,
  limit: number,
  show: (history: readonly HistoryEntry[]) => void,
): Promise<ExitStatus> => {
  const outcome = await ask(context, { request: 'history', limit }, QUESTION_TIMEOUT_MS);
  if (!outcome.answered) return outcome.status;
  if (!isHistory(outcome.data)) {
    context.terminal.err('vipctl: the answer is no history: agent and vipctl are of different versions\n');
    return EXIT_REFUSED;
  }
  show(outcome.data);
  return EXIT_DONE;
};

const entries = z.array(
  z.looseObject({ at: z.string(), kind: z.string(), term: z.number(), cause: z.string(), text: z.string() }),
);

const isHistory = (data: unknown): data is readonly HistoryEntry[] => entries.safeParse(data).success;
