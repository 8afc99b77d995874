/** The operator's word for what cannot be taken back. */

import { CommandError } from './local-node.js';
import type { Terminal } from './terminal.js';

/** @throws CommandError without the operator's word */
export const confirm = async (terminal: Terminal, question: string, word: string, yes: boolean): Promise<void> => {
  if (yes) return;
  if (!terminal.prompt) throw new CommandError(`${question} Nobody is here to say so: add --yes`);
  const said = await terminal.prompt(`\n${question}\nType ${word} to go on: `);
  if (said.trim() !== word) throw new CommandError('nothing was done');
};
