/** Says on standard error why a daemon's command was refused or failed. */

import { isJournalStream } from '../../host/journald.js';

const STDERR = 2;
/** sd-daemon(3): the priority of one line on a stream to the journal, "error" here. Without it the line would count as information. */
const ERROR = '<3>';

/** `text` may have several lines. */
export const complain = (text: string): void => {
  const prefix = isJournalStream(process.env, STDERR) ? ERROR : '';
  process.stderr.write(`${text.replaceAll(/^/gm, prefix)}\n`);
};
