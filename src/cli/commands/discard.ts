/** `vipctl rejoin --discard`: this node's data becomes the active's, each family of servers in its own way. */

import { join } from 'node:path';
import { rebuildByClone } from '../../agent/clone.js';
import { rebuild } from '../../agent/rebuild.js';
import { forgetRebuild, isCopying, loadRebuild } from '../../agent/rebuild-record.js';
import type { VipdConfig } from '../../config/types.js';
import { boottimeMs } from '../../host/clock.js';
import { assertCloneable } from '../../mysql/clone.js';
import { createAgentChannel } from '../../net/agent-channel.js';
import { renderDivergence } from '../render/divergence.js';
import { printable } from '../render/text.js';
import { confirm } from './confirm.js';
import { assertKept, type Judged, judge } from './divergence.js';
import { EXIT_DONE, type ExitStatus } from './exit-status.js';
import { CommandError, type LocalNode, type NodeContext, standingOf } from './local-node.js';
import { printLines, type Terminal } from './terminal.js';
import { untilFit } from './until-fit.js';

/** Where the package's service is not what runs the server, `rejoin` in the configuration says so. */
const SYSTEMCTL = '/usr/bin/systemctl';
const SERVICES = { copy: 'mariadb', clone: 'mysql' } as const satisfies Record<Way, string>;

/** MariaDB's data is copied beside the old; MySQL's clone plugin replaces it in place. */
type Way = 'copy' | 'clone';

export const discard = async (
  { terminal }: NodeContext,
  node: LocalNode,
  yes: boolean,
  signal: AbortSignal,
): Promise<ExitStatus> => {
  const { config } = node;
  const recordPath = join(config.stateDirectory, 'rejoin.json');
  const underWay = await loadRebuild(recordPath);
  // Its word was given when it began; its server may be down, and its data half on the way.
  const begun = underWay !== null && !isCopying(underWay.stage);
  const way = begun ? underWay.way : await assertMayDiscard(terminal, node, yes, signal);
  const active = begun ? underWay.active : standingOf(await node.status(), 'rejoin').active.name;
  const options = {
    recordPath,
    active,
    stop: config.rejoin.stop ?? [SYSTEMCTL, 'stop', SERVICES[way]],
    start: config.rejoin.start ?? [SYSTEMCTL, 'start', SERVICES[way]],
    say: (text: string) => printLines(terminal, [printable(text)]),
    signal,
    nowMs: boottimeMs,
  };
  const { user, password } = node.credentials;
  const donor = { host: config.peer.address, port: config.mysql.port, user, password };
  const oldData =
    way === 'copy'
      ? (await rebuild({ ...options, link: () => node.link(), channel: channelTo(config) })).oldData
      : await rebuildByClone({ ...options, link: node.link, donor });
  printLines(terminal, [await untilFit(node, signal)]);
  if (oldData !== undefined) printLines(terminal, [`the old data lies in ${oldData}; remove it once you are sure`]);
  await forgetRebuild(recordPath);
  return EXIT_DONE;
};

/** Answers how. @throws CommandError, or Error that says what stands in the way */
const assertMayDiscard = async (
  terminal: Terminal,
  node: LocalNode,
  yes: boolean,
  signal: AbortSignal,
): Promise<Way> => {
  standingOf(await node.status(), 'rejoin');
  const link = await node.link();
  const way = link.flavour.clone === undefined ? 'copy' : 'clone';
  const judged = await judge(node, 'rejoin', signal);
  const { self, active, divergence } = judged;
  if (divergence.missing === '' && self.replication.running === true)
    throw new CommandError(
      `${self.name} has nothing that ${active.name} has not, and replicates: there is nothing to do`,
    );
  printLines(terminal, renderDivergence(judged));
  if (way === 'clone') await assertCloneable(link, await node.peerLink());
  await confirm(terminal, questionOf(judged, way), self.name, yes);
  return way;
};

const questionOf = ({ self, active, divergence, kept }: Judged, way: Way): string => {
  const rebuilt = `rebuild ${self.name} from ${active.name}? ${self.name} is without its database meanwhile.`;
  if (way === 'copy') return `Discard them, and ${rebuilt}`;
  // What no binary log has cannot be kept by anybody; what could be kept and is not yet, stops it.
  if (divergence.parts.length > 0) assertKept(kept, 'the clone deletes them');
  return `Delete the data of ${self.name}, and ${rebuilt}`;
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
