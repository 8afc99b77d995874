/** `vipctl history`: the newest lines of the journal. */

import { z } from 'zod';
import type { HistoryEntry } from '../../control/status.js';
import { renderHistory } from '../render/history.js';
import { ask, type Context, QUESTION_TIMEOUT_MS } from './ask.js';
import { EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { printLines, viewOf } from './terminal.js';

export const showHistory = async (context: Context, limit: number, json: boolean): Promise<ExitStatus> => {
  const { terminal } = context;
  const outcome = await ask(context, { request: 'history', limit }, QUESTION_TIMEOUT_MS);
  if (!outcome.answered) return outcome.status;
  if (!isHistory(outcome.data)) {
    terminal.err('vipctl: the answer is no history: agent and vipctl are of different versions\n');
    return EXIT_REFUSED;
  }
  if (json) terminal.out(`${JSON.stringify(outcome.data, null, 2)}\n`);
  else printLines(terminal, renderHistory(outcome.data, viewOf(terminal)));
  return EXIT_DONE;
};

const entries = z.array(
  z.looseObject({ at: z.string(), kind: z.string(), term: z.number(), cause: z.string(), text: z.string() }),
);

const isHistory = (data: unknown): data is readonly HistoryEntry[] => entries.safeParse(data).success;
