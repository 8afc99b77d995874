/** The second half of a set-up: the two servers compared, and the channel from the other one. */

import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../control/client.js';
import { containsPosition, differencePosition } from '../../core/position.js';
import type { Position } from '../../core/types.js';
import { comparePair, readTraits } from '../../doctor/pair.js';
import { boottimeMs } from '../../host/clock.js';
import { asDatabaseError } from '../../mysql/errors.js';
import { type Link, openLink } from '../../mysql/links.js';
import { type PeerFacts, readPeerFacts, readSetupFacts, type SetupFacts } from '../../mysql/setup-facts.js';
import { judgePair, planChannel } from '../../mysql/setup-plan.js';
import { accountName, statement } from '../../mysql/setup-words.js';
import { startByHand } from '../../mysql/start-by-hand.js';
import { PROMPT_MS, REPLICA_CONTROL_MS } from '../../mysql/step.js';
import { peerTarget } from '../../mysql/target.js';
import { QUESTION_TIMEOUT_MS } from './ask.js';
import { agentLogin, CommandError } from './local-node.js';
import { carryOut, type Site } from './replication-site.js';

const LOGIN_MS = 3_000;
const LOOK_EVERY_MS = 500;
/** What was committed here a moment ago may be on its way to the other node. */
const SETTLE_MS = 15_000;

/** The other server, once its own set-up lets the agent's login in; null in a dry run that may not come in yet. */
export const untilPeer = async (site: Site): Promise<Link | null> => {
  const { node, options, say, signal } = site;
  const { peer } = node.config;
  const endsAtMs = boottimeMs() + options.waitMs;
  for (let told = false; ; told = true) {
    const why = await tryPeer(site);
    if (typeof why !== 'string') return why;
    if (options.dryRun) {
      say(`${peer.name} cannot be asked yet: ${why}`);
      return null;
    }
    if (signal.aborted || boottimeMs() >= endsAtMs) {
      const next = `type "vipctl replication setup" there, then here once more; what was done here stays`;
      throw new CommandError(`${peer.name} cannot be asked: ${why}; ${next}`);
    }
    if (!told) say(`waiting for ${peer.name}: type "vipctl replication setup" there as well (${why})`);
    await sleep(LOOK_EVERY_MS);
  }
};

const tryPeer = async ({ node: { config, credentials } }: Site): Promise<Link | string> => {
  let link: Link | undefined;
  try {
    link = await openLink(peerTarget(config), credentials, LOGIN_MS);
    // Its account may be there, and its privileges not yet.
    await readPeerFacts(link);
    return link;
  } catch (cause) {
    link?.session.destroy();
    return asDatabaseError(cause, 'login').message;
  }
};

/** What came of the first half of a set-up, or would. */
export interface FirstHalf {
  /** What this server has committed. */
  readonly position: Position;
  /** A receiver that runs has to connect again, since it reads then what was set. */
  readonly reconnect: boolean;
}

/** @throws CommandError */
export const setUpChannel = async (site: Site, peer: Link, { position, reconnect }: FirstHalf): Promise<void> => {
  const { admin, node, options, say } = site;
  const { config } = node;
  const facts = await readSetupFacts(admin);
  const own = { ...facts, position, accounts: strangersAmong(site, facts) };
  await assertAlike(site, peer);
  const there = await settled(site, peer, position);
  const refused = judgePair({ here: config.self.name, there: config.peer.name, own, peer: there });
  if (refused.length > 0) throw new CommandError(refused.join('\nvipctl: '));
  await setOffset(site, peer);
  const wish = { host: config.peer.address, port: config.mysql.port, user: options.user };
  const ask = (sql: string) => admin.session.query(sql, PROMPT_MS);
  const status = await admin.flavour.readStatus(ask);
  const applied = status.channel === undefined || containsPosition(status.position, status.channel.received);
  const plan = planChannel(facts.channel, wish, admin.flavour.name, applied);
  if (plan.kind === 'refused') throw new CommandError(`the channel of ${config.self.name} stays as it is: ${plan.why}`);
  if (plan.kind === 'change') {
    const password = await site.password();
    const stop = facts.channel === null ? [] : [statement(admin.flavour.stopReplica, REPLICA_CONTROL_MS)];
    const text = `replicate from ${config.peer.name} (${plan.why})`;
    await carryOut(site, [{ text, statements: [...stop, site.words.changeSource(wish, password)] }], [password]);
  }
  const runs = plan.kind === 'fine' && status.channel?.io === 'running' && status.channel.sql === 'running';
  if (runs && reconnect) await connectAgain(site);
  if (options.dryRun) return;
  if (runs) say(`${config.self.name} replicates from ${config.peer.name} already`);
  else await start(site);
};

/** Of the receiver alone: while the applier runs, MariaDB keeps what is not applied. */
const connectAgain = (site: Site): Promise<void> => {
  const { stopReceiver, startReplica } = site.admin.flavour;
  const statements = [stopReceiver, startReplica].map((sql) => statement(sql, REPLICA_CONTROL_MS));
  const text = `let the receiver connect to ${site.node.config.peer.name} again, so that what was set counts`;
  return carryOut(site, [{ text, statements }], []);
};

/** Accounts that neither a server comes with nor this command makes. */
const strangersAmong = ({ node, options }: Site, { accounts }: SetupFacts): SetupFacts['accounts'] => {
  const { credentials, config } = node;
  const replica = accountName({ user: options.user, host: config.peer.address });
  return accounts.filter((account) => account.user !== credentials.user && accountName(account) !== replica);
};

const assertAlike = async ({ admin, node }: Site, peer: Link): Promise<void> => {
  const findings = comparePair(await readTraits(admin), await readTraits(peer), node.config.peer.name);
  const faults = findings.filter(({ verdict }) => verdict === 'fault');
  if (faults.length > 0)
    throw new CommandError(faults.map(({ found, remedy }) => `${found}; ${remedy}`).join('\nvipctl: '));
};

const settled = async ({ options, signal }: Site, peer: Link, position: Position): Promise<PeerFacts> => {
  const endsAtMs = boottimeMs() + Math.min(SETTLE_MS, options.dryRun ? 0 : options.waitMs);
  for (;;) {
    const facts = await readPeerFacts(peer);
    const behind = differencePosition(position, facts.position) !== '';
    if (!behind || signal.aborted || boottimeMs() >= endsAtMs) return facts;
    await sleep(LOOK_EVERY_MS);
  }
};

/** Of two that begin at the same number the second in the order of names moves. */
const setOffset = async (site: Site, peer: Link): Promise<void> => {
  const { self, peer: other } = site.node.config;
  const [own, theirs] = [await readTraits(site.admin), await readTraits(peer)];
  if (own.offset !== theirs.offset || self.name < other.name) return;
  const sql = `SET GLOBAL auto_increment_offset = ${own.offset === '2' ? 1 : 2}`;
  await carryOut(site, [{ text: sql, statements: [statement(sql)] }], []);
};

/** The agent judges for itself before it replicates; where none runs, this does. */
const start = async (site: Site): Promise<void> => {
  const { admin, login, node, context, say, signal } = site;
  const { self, peer } = node.config;
  const answer = await request(context.socket, { request: 'status' }, { timeoutMs: QUESTION_TIMEOUT_MS });
  if (answer.kind !== 'no-agent') {
    say(`${self.name}: the agent starts replication; see "vipctl status"`);
    return;
  }
  const aside = await login();
  try {
    const outcome = await startByHand(admin, aside, agentLogin(node), signal, boottimeMs);
    if (!outcome.ok) throw new CommandError(`the channel is set up, and does not run: ${outcome.detail}`);
    say(`${self.name} replicates from ${peer.name}`);
  } finally {
    aside.session.destroy();
  }
};
