/** `vipctl replication repair`: starts a channel again where nothing can be lost by it, else says why not and what comes next. */

import { request } from '../../control/client.js';
import type { Status } from '../../control/status.js';
import type { Position } from '../../core/types.js';
import { boottimeMs } from '../../host/clock.js';
import type { Ask, Channel } from '../../mysql/flavour.js';
import { type Link, openLink } from '../../mysql/links.js';
import { planRepair, type RepairFacts } from '../../mysql/repair-plan.js';
import { startByHand } from '../../mysql/start-by-hand.js';
import { PROMPT_MS, REPLICA_CONTROL_MS } from '../../mysql/step.js';
import { findStoppedTransaction } from '../../mysql/stopped-transaction.js';
import { localTarget, peerTarget } from '../../mysql/target.js';
import { printable } from '../render/text.js';
import { QUESTION_TIMEOUT_MS } from './ask.js';
import { withNode } from './divergence.js';
import { EXIT_DONE, type ExitStatus } from './exit-status.js';
import { agentLogin, CommandError, isStatus, type LocalNode, type NodeContext } from './local-node.js';
import { printLines } from './terminal.js';

const LOGIN_MS = 3_000;

export const repairReplication = (context: NodeContext): Promise<ExitStatus> =>
  withNode(context, 'replication repair', async (node, signal) => {
    const own = await openLink(localTarget(node.config), node.credentials, LOGIN_MS);
    try {
      return await repair(context, node, own, signal);
    } finally {
      own.session.destroy();
    }
  });

const repair = async (
  { terminal, socket }: NodeContext,
  node: LocalNode,
  own: Link,
  signal: AbortSignal,
): Promise<ExitStatus> => {
  const { config } = node;
  const facts = await readFacts(node, own, socket);
  const plan = planRepair(facts);
  if (plan.kind === 'refused') throw new CommandError(`${printable(plan.why)}\n  next: ${printable(plan.next)}`);
  if (plan.kind === 'nothing') {
    printLines(terminal, [`${plan.why}: there is nothing to repair`]);
    return EXIT_DONE;
  }
  printLines(terminal, [printable(`starting the channel of ${config.self.name} again: ${plan.why}`)]);
  await restart(node, own, plan.tls, signal);
  printLines(terminal, [`${config.self.name} replicates from ${config.peer.name}`]);
  return EXIT_DONE;
};

/** What a moving position is compared with is read after it. */
const readFacts = async (node: LocalNode, own: Link, socket: string): Promise<RepairFacts> => {
  const { self, peer } = node.config;
  const { flavour } = own;
  const ask: Ask = (sql) => own.session.query(sql, PROMPT_MS);
  const agent = await askAgent(socket);
  const status = await flavour.readStatus(ask);
  const { stored } = await flavour.readRelayLogs(ask, status.position);
  const applierError = applierErrorOf(status.channel);
  const peerPosition = (await readPeerPosition(node)) || (agent?.nodes.find((one) => !one.self)?.position ?? '');
  const active = agent?.nodes.find((one) => one.self)?.active ?? !status.readOnly;
  return {
    flavour: flavour.name,
    here: self.name,
    there: peer.name,
    active,
    channel: status.channel,
    position: active ? await flavour.readPosition(ask) : status.position,
    stored,
    peerPosition,
    applierError,
    stoppedAt: applierError === '' ? '' : await findStoppedTransaction(ask, flavour.name, applierError),
  };
};

/** With both threads stopped the channel's error may be what the receiver ran into last. */
const applierErrorOf = (channel: Channel | undefined): string =>
  channel?.sql === 'stopped' && channel.error !== channel.receiverError ? (channel.error ?? '') : '';

const askAgent = async (socket: string): Promise<Status | null> => {
  const answer = await request(socket, { request: 'status' }, { timeoutMs: QUESTION_TIMEOUT_MS });
  return answer.kind === 'done' && answer.ok && isStatus(answer.data) ? answer.data : null;
};

/** Empty: it does not let us in. */
const readPeerPosition = async ({ config, credentials }: LocalNode): Promise<Position> => {
  let link: Link | undefined;
  try {
    const { session, flavour } = await openLink(peerTarget(config), credentials, LOGIN_MS);
    link = { session, flavour };
    return await flavour.readPosition((sql) => session.query(sql, PROMPT_MS));
  } catch {
    return '';
  } finally {
    link?.session.destroy();
  }
};

const restart = async (node: LocalNode, own: Link, tls: boolean, signal: AbortSignal): Promise<void> => {
  const { flavour, session } = own;
  const { peer } = node.config;
  const aside = await openLink(localTarget(node.config), node.credentials, LOGIN_MS);
  try {
    await session.query(flavour.stopReplica, REPLICA_CONTROL_MS);
    if (tls) await session.query(`${flavour.configureChannel} ${USE_TLS[wordOf(own)]}`, PROMPT_MS);
    const outcome = await startByHand(own, aside, agentLogin(node), signal, boottimeMs);
    if (outcome.ok) return;
    throw new CommandError(`it does not run: ${outcome.detail}${nextAfter(outcome.detail, peer.name)}`);
  } finally {
    aside.session.destroy();
  }
};

const nextAfter = (detail: string, source: string): string => {
  if (/access denied/i.test(detail))
    return '\n  next: "vipctl replication setup" with the password of the account there';
  // ER_MASTER_FATAL_ERROR_READING_BINLOG
  if (/\b1236\b|binary log/i.test(detail))
    return `\n  next: ${source} may no longer have what is missing here: "vipctl rejoin --discard" rebuilds it`;
  return '\n  next: "vipctl replication check"';
};

const USE_TLS = { source: 'SOURCE_SSL = 1', master: 'MASTER_SSL = 1' } as const;
const wordOf = ({ flavour }: Link): keyof typeof USE_TLS =>
  flavour.configureChannel.includes('SOURCE') ? 'source' : 'master';
