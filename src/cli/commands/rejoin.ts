/** `vipctl rejoin`: brings a node with commits of its own back, by the operator's word for what becomes of them. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rebuild } from '../../agent/rebuild.js';
import { forgetRebuild, isCopying, loadRebuild } from '../../agent/rebuild-record.js';
import type { VipdConfig } from '../../config/types.js';
import type { Status } from '../../control/status.js';
import { boottimeMs } from '../../host/clock.js';
import { acquireLock } from '../../host/lock.js';
import { adoptDivergence } from '../../mysql/adopt.js';
import { createLinks } from '../../mysql/links.js';
import { createAgentChannel } from '../../net/agent-channel.js';
import { renderDivergence } from '../render/divergence.js';
import { printable } from '../render/text.js';
import { type Judged, judge, withNode } from './divergence.js';
import { EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { CommandError, type LocalNode, type NodeContext, standingOf } from './local-node.js';
import { printLines, type Terminal } from './terminal.js';

export type RejoinWay = 'tell' | 'discard' | 'keep';

export interface RejoinOptions {
  readonly way: RejoinWay;
  /** The operator's word was given on the command line. */
  readonly yes: boolean;
}

/** From the end of the work to the agent's judgement: a look at the database, a comparison, the start of the channel. */
const JUDGEMENT_MS = 120_000;
const JUDGEMENT_POLL_MS = 500;
/** Where the package's service is not what runs the server, `rejoin` in the configuration says so. */
const SYSTEMCTL = '/usr/bin/systemctl';
const SERVICE = 'mariadb';

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
  const choices = [
    '',
    `vipctl rejoin --discard   rebuilds ${self.name} from ${active.name}; its old data stays in a directory aside`,
    `vipctl rejoin --keep      keeps the data of ${self.name}: only once ${active.name} has the same rows`,
  ];
  printLines(terminal, choices);
  return EXIT_REFUSED;
};

const recordPathOf = ({ stateDirectory }: VipdConfig): string => join(stateDirectory, 'rejoin.json');

const discard = async (
  { terminal }: NodeContext,
  node: LocalNode,
  yes: boolean,
  signal: AbortSignal,
): Promise<ExitStatus> => {
  const { config } = node;
  const recordPath = recordPathOf(config);
  const underWay = await loadRebuild(recordPath);
  // Its word was given when it began; its server may be down, and its data half on the way.
  const begun = underWay !== null && !isCopying(underWay.stage);
  if (!begun) await assertMayDiscard(terminal, node, yes, signal);
  const active = begun ? underWay.active : standingOf(await node.status(), 'rejoin').active.name;
  const { oldData } = await rebuild({
    link: node.link,
    channel: channelTo(config),
    recordPath,
    active,
    stop: config.rejoin.stop ?? [SYSTEMCTL, 'stop', SERVICE],
    start: config.rejoin.start ?? [SYSTEMCTL, 'start', SERVICE],
    say: (text) => printLines(terminal, [printable(text)]),
    signal,
    nowMs: boottimeMs,
  });
  printLines(terminal, [await untilFit(node, signal), `the old data lies in ${oldData}; remove it once you are sure`]);
  await forgetRebuild(recordPath);
  return EXIT_DONE;
};

const assertMayDiscard = async (
  terminal: Terminal,
  node: LocalNode,
  yes: boolean,
  signal: AbortSignal,
): Promise<void> => {
  standingOf(await node.status(), 'rejoin');
  const link = await node.link();
  if (link.flavour.name !== 'mariadb')
    throw new CommandError('--discard rebuilds MariaDB only; for MySQL see "quarantined" in docs/operating.md');
  const judged = await judge(node, 'rejoin', signal);
  const { self, active } = judged;
  if (judged.divergence.missing === '' && self.replication.running === true)
    throw new CommandError(
      `${self.name} has nothing that ${active.name} has not, and replicates: there is nothing to do`,
    );
  printLines(terminal, renderDivergence(judged));
  const question = `Discard them, and rebuild ${self.name} from ${active.name}? ${self.name} is without its database meanwhile.`;
  await confirm(terminal, question, self.name, yes);
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
  assertKept(judged);
  const question = `Does ${active.name} have these rows, so that ${self.name} may keep its data and replicate on top of it?`;
  await confirm(terminal, question, self.name, yes);
  const links = createLinks({
    target: { host: node.config.peer.address, port: node.config.mysql.port },
    credentials: node.credentials,
    onOpened: () => undefined,
    onLost: () => undefined,
  });
  try {
    const link = await node.link();
    await adoptDivergence(link, () => links.get('command', ACTIVE_LOGIN_MS), active.position);
  } finally {
    links.close();
  }
  printLines(terminal, [await untilFit(node, signal)]);
  return EXIT_DONE;
};

const ACTIVE_LOGIN_MS = 5_000;

/** Its binary logs are all that is left of who wrote what, and they are reset. */
const assertKept = ({ kept }: Judged): void => {
  if (kept?.kind === 'kept') return;
  throw new CommandError(`its binary logs are not kept yet, and --keep resets them: ${kept?.why ?? 'none has them'}`);
};

/** @throws CommandError without the operator's word */
const confirm = async (terminal: Terminal, question: string, word: string, yes: boolean): Promise<void> => {
  if (yes) return;
  if (!terminal.prompt) throw new CommandError(`${question} Nobody is here to say so: add --yes`);
  const said = await terminal.prompt(`\n${question}\nType ${word} to go on: `);
  if (said.trim() !== word) throw new CommandError('nothing was done');
};

/** Only asked through, never listened on: the agent has the port. */
const channelTo = ({ group, self, peer, keys, agents }: VipdConfig) =>
  createAgentChannel({
    listen: { address: self.address, port: agents.port },
    group,
    self: self.name,
    peer: peer.name,
    peerAddress: { address: peer.address, port: agents.port },
    keys,
    handlers: {},
    nowMs: boottimeMs,
    log: () => undefined,
  });

/** The hold goes when the agent has compared, and not because of this command. */
const untilFit = async (node: LocalNode, signal: AbortSignal): Promise<string> => {
  const endsAtMs = boottimeMs() + JUDGEMENT_MS;
  let last = 'no answer yet';
  while (!signal.aborted && boottimeMs() < endsAtMs) {
    const status = await node.status().catch((error: unknown) => {
      last = error instanceof Error ? error.message : String(error);
      return null;
    });
    const unfit = status === null ? last : whyUnfit(status);
    if (unfit === '') return `${node.config.self.name} replicates, and is fit to take over`;
    last = unfit;
    await sleep(JUDGEMENT_POLL_MS);
  }
  throw new CommandError(`the work is done, but ${node.config.self.name} is not fit yet: ${last}; see "vipctl status"`);
};

const whyUnfit = ({ nodes }: Status): string => {
  const self = nodes.find((node) => node.self);
  if (self === undefined) return 'the status does not name it';
  if (self.unfit !== '') return self.unfit;
  return self.replication.running === true ? '' : 'it does not replicate yet';
};
