/** `vipctl rejoin`: brings a node with commits of its own back, by the operator's word for what becomes of them. */

import { join } from 'node:path';
import { acquireLock } from '../../host/lock.js';
import { adoptDivergence } from '../../mysql/adopt.js';
import { renderDivergence } from '../render/divergence.js';
import { confirm } from './confirm.js';
import { discard } from './discard.js';
import { assertKept, judge, withNode } from './divergence.js';
import { EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { CommandError, type LocalNode, type NodeContext } from './local-node.js';
import { printLines } from './terminal.js';
import { untilFit } from './until-fit.js';

export type RejoinWay = 'tell' | 'discard' | 'keep';

export interface RejoinOptions {
  readonly way: RejoinWay;
  /** The operator's word was given on the command line. */
  readonly yes: boolean;
}

export const rejoin = (context: NodeContext, { way, yes }: RejoinOptions): Promise<ExitStatus> =>
  withNode(context, 'rejoin', async (node, signal) => {
    const lock = acquireLock(join(node.config.stateDirectory, 'rejoin.lock'));
    if (lock.kind === 'held')
      throw new CommandError(`another vipctl rejoin runs on this host (process ${lock.heldBy ?? 'unknown'})`);
    try {
      switch (way) {
        case 'tell':
          return await tell(context, node, signal);
        case 'discard':
          return await discard(context, node, yes, signal);
        case 'keep':
          return await keep(context, node, yes, signal);
        default:
          return way satisfies never;
      }
    } finally {
      lock.release();
    }
  });

const tell = async ({ terminal }: NodeContext, node: LocalNode, signal: AbortSignal): Promise<ExitStatus> => {
  const judged = await judge(node, 'rejoin', signal);
  printLines(terminal, renderDivergence(judged));
  const { self, active, divergence } = judged;
  if (divergence.missing === '') {
    printLines(terminal, [`it comes back by itself: see "vipctl status"`]);
    return EXIT_DONE;
  }
  const inPlace = (await node.link()).flavour.clone !== undefined;
  const fate = inPlace
    ? 'its old data is deleted, but for what is kept above'
    : 'its old data stays in a directory aside';
  const choices = [
    '',
    `vipctl rejoin --discard   rebuilds ${self.name} from ${active.name}; ${fate}`,
    `vipctl rejoin --keep      keeps the data of ${self.name}: only once ${active.name} has the same rows`,
  ];
  printLines(terminal, choices);
  return EXIT_REFUSED;
};

const keep = async (
  { terminal }: NodeContext,
  node: LocalNode,
  yes: boolean,
  signal: AbortSignal,
): Promise<ExitStatus> => {
  const judged = await judge(node, 'rejoin', signal);
  const { self, active, divergence } = judged;
  if (divergence.missing === '')
    throw new CommandError(`${self.name} has nothing that ${active.name} has not: there is nothing to keep`);
  printLines(terminal, renderDivergence(judged));
  assertKept(judged.kept, '--keep resets them');
  const question = `Does ${active.name} have these rows, so that ${self.name} may keep its data and replicate on top of it?`;
  await confirm(terminal, question, self.name, yes);
  await adoptDivergence(await node.link(), node.peerLink, active.position);
  printLines(terminal, [await untilFit(node, signal)]);
  return EXIT_DONE;
};
