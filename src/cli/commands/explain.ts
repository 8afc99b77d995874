/** `vipctl explain`: why this node is active, or is not. */

import { explain } from '../../control/explain.js';
import { renderExplanation } from '../render/explanation.js';
import type { Context } from './ask.js';
import type { ExitStatus } from './exit-status.js';
import { withHistory } from './history.js';
import { withStatus } from './status.js';
import { printLines, viewOf } from './terminal.js';

/** What was written down since the last change of role is among the newest of these. */
const LOOK_BACK_ENTRIES = 50;

export const showExplanation = (context: Context): Promise<ExitStatus> =>
  withStatus(context, (status) =>
    withHistory(context, LOOK_BACK_ENTRIES, (history) =>
      printLines(context.terminal, renderExplanation(explain(status, history), viewOf(context.terminal))),
    ),
  );
