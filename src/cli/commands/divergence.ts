/** `vipctl divergence`: what this node has committed that the active has not; its binary logs are kept. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { differencePosition } from '../../core/position.js';
import { type Divergence, findDivergence } from '../../mysql/divergence.js';
import { KEPT_DIRECTORY, type Kept, keepDivergence } from '../../mysql/kept-binlog.js';
import { PROMPT_MS } from '../../mysql/step.js';
import { divergenceJson, renderDivergence } from '../render/divergence.js';
import { EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import {
  CommandError,
  type LocalNode,
  type NodeContext,
  openLocalNode,
  type Standing,
  standingOf,
} from './local-node.js';
import { printLines, untilInterrupt } from './terminal.js';

export interface Judged extends Standing {
  readonly divergence: Divergence;
  readonly kept: Kept | null;
}

/** The active's position travels in its heartbeats: what was replicated a moment ago may be on its way. */
const SETTLE_TRIES = 10;
const SETTLE_MS = 500;

export const showDivergence = (context: NodeContext, json: boolean): Promise<ExitStatus> =>
  withNode(context, 'divergence', async (node, signal) => {
    const judged = await judge(node, 'divergence', signal);
    if (json) context.terminal.out(`${JSON.stringify(divergenceJson(judged), null, 2)}\n`);
    else printLines(context.terminal, renderDivergence(judged));
    return EXIT_DONE;
  });

/** Runs `work`; whatever an operator may have to hear goes to stderr. */
export const withNode = async (
  { terminal, configPath, socket }: NodeContext,
  what: string,
  work: (node: LocalNode, signal: AbortSignal) => Promise<ExitStatus>,
): Promise<ExitStatus> => {
  let node: LocalNode | undefined;
  try {
    const opened = await openLocalNode(what, configPath, socket);
    node = opened;
    return await untilInterrupt(terminal, (signal) => work(opened, signal));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    terminal.err(`vipctl: ${error.message}\n`);
    return error instanceof CommandError ? error.status : EXIT_REFUSED;
  } finally {
    node?.close();
  }
};

/** Compares this node with the active, and keeps what only this one has. */
export const judge = async (node: LocalNode, what: string, signal: AbortSignal): Promise<Judged> => {
  standingOf(await node.status(), what);
  const link = await node.link();
  const position = await link.flavour.readPosition((sql) => link.session.query(sql, PROMPT_MS));
  const standing = await settled(node, position, what);
  const divergence = await findDivergence(link, { active: standing.active.position, signal });
  const kept =
    divergence.parts.length === 0
      ? null
      : await keepDivergence(join(node.config.stateDirectory, KEPT_DIRECTORY), divergence);
  return { ...standing, divergence, kept };
};

/** @throws CommandError where the active's position is not known. */
const settled = async (node: LocalNode, position: string, what: string): Promise<Standing> => {
  for (let attempt = 1; ; attempt += 1) {
    const standing = standingOf(await node.status(), what);
    const { self, active } = standing;
    if (active.position === '')
      throw new CommandError(`the position of ${active.name} is not known here; ask again, or look at its database`);
    const moves = self.replication.running === true && attempt < SETTLE_TRIES;
    if (!moves || differencePosition(position, active.position) === '') return standing;
    await sleep(SETTLE_MS);
  }
};

/** The binary logs are all that is left of who wrote what. `why`: what becomes of the server's own. */
export const assertKept = (kept: Kept | null, why: string): void => {
  if (kept?.kind === 'kept') return;
  throw new CommandError(`its binary logs are not kept yet, and ${why}: ${kept?.why ?? 'none has them'}`);
};
