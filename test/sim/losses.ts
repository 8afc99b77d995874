/** What clients were told is committed, and whether whoever takes over has it. */

import { couldBeSalvaged, hasFailedToSalvage } from './crashes.js';
import { type Acknowledged, type Served, violation } from './ledger.js';
import { isOpenedByHand, isPair } from './split.js';
import { type Agent, type Host, isTainted, otherNode, type World } from './world.js';

export const recordAcknowledged = (world: World, host: Host, sequence: number): void => {
  if ((host.index !== 0 && host.index !== 1) || isTainted(world, host)) return;
  // Exempt: a fence lets go of what semi-sync held back at once, also where the kernel has refused to shut the VIP.
  // So does a pair's node that shuts its peer's server; what a hand lets in there after that no standby has to have.
  if (host.kernel.stuck || isOpenedByHand(world, host)) return;
  const { ledger } = world;
  const inSync = ledger.inSync[host.index];
  ledger.counts.acknowledged += 1;
  if (inSync) ledger.counts.inSync += 1;
  ledger.acknowledged.push({ origin: host.index, sequence, at: world.now, inSync, frail: false });
};

/** The host of `host` loses its power, with relay logs that were not synced. */
export const noteRelayLogsLost = (world: World, host: Host): void => {
  const { server } = host;
  if (!server) return;
  for (const write of world.ledger.acknowledged) {
    const has = server.received[write.origin] >= write.sequence && server.committed[write.origin] < write.sequence;
    if (has) write.frail = true;
  }
};

/** How much of a loss the newest BEAT could not tell. */
const LOSS_SLACK_INTERVALS = 3;
const LOSS_SLACK_MS = 500;

/** The VIP has just gone on: is this data that may serve? */
export const observeServing = (world: World, host: Host, agent: Agent): void => {
  const { ledger } = world;
  const { state } = agent;
  const term = state?.owner?.term;
  if (!state || term === undefined || (host.index !== 0 && host.index !== 1)) return;
  const acceptLoss = state.promotion?.acceptLoss === true;
  const before = lastWithCommits(world, ledger.served);
  const dataTerm = ledger.dataTerms[host.index];
  ledger.counts.takeovers += 1;
  // In a pair the owner alone records that its term serves: the other node need not have heard.
  const unheard = isPair(world) && ledger.knownServed[host.index] < (before?.term ?? 0);
  // Nor can a node tell what its data is of that lost its record, and was promoted by an operator who answers for the data.
  // A witness that voted for the loser of that term does not know that it served.
  const byWord = ledger.recordLost.has(host.name) && (isPair(world) || state.owner?.reason === 'ordered');
  if (before && !acceptLoss && dataTerm < before.term && !unheard && !byWord)
    violation(
      world,
      'served-behind',
      `${host.name} serves term ${term} with data of term ${dataTerm}, after term ${before.term} served`,
    );
  weighLoss(world, host, term, acceptLoss);
  ledger.served = { index: host.index, term, from: host.server?.committed[host.index] ?? 0, before };
};

/** A term that ended as its VIP came on may have committed nothing, and is given back: nobody's data is behind it. */
const lastWithCommits = (world: World, served: Served | null): Served | null => {
  if (!served) return null;
  const now = world.nodes[served.index].server?.committed[served.index] ?? Number.POSITIVE_INFINITY;
  return now > served.from ? served : served.before;
};

const weighLoss = (world: World, host: Host, term: number, acceptLoss: boolean): void => {
  const { ledger } = world;
  const committed = host.server?.committed ?? [0, 0];
  const isLost = (write: Acknowledged): boolean => write.sequence > committed[write.origin];
  const lost = ledger.acknowledged.filter(isLost);
  ledger.counts.lost += lost.length;
  const last = ledger.acknowledged.at(-1);
  ledger.acknowledged = ledger.acknowledged.filter((write) => !isLost(write));
  const [first] = lost.filter((write) => !write.frail);
  if (!first || !last || acceptLoss || !ledger.served) return;
  // What a pair's node commits that won its term alone, nobody else need have heard of.
  if (ledger.split.happened || ledger.split.alone.has(ledger.served.term)) return;
  // Nor has anybody where the only record of it was lost.
  if (isPair(world) && ledger.recordLost.size > 0) return;
  const owner = otherNode(world, host);
  const which = `${lost.length} writes acknowledged by ${owner.name} (from 0-${first.origin + 1}-${first.sequence} at ${first.at.toFixed(0)}) are not on ${host.name}, which takes over`;
  if (lost.some((write) => write.inSync && !write.frail))
    return violation(world, 'sync-write-lost', `${which}; sync was recorded when they were acknowledged`);
  if (ledger.inSync[ledger.served.index === 0 ? 0 : 1])
    return violation(world, 'sync-write-lost', `${which}; sync was recorded at the end`);
  // Where the database is opened by hand in the middle of the move and RELEASE is lost, nobody knows the final position:
  // what is given up then is weighed and told, as after a death.
  if (ledger.handedOffTerm === ledger.served.term && ledger.openedTerm !== ledger.served.term)
    return violation(world, 'switchover-lost-writes', `${which} by a planned move`);
  const failed = hasFailedToSalvage(world, term);
  if (couldBeSalvaged(world, host) && !(failed && world.settings.maxLossMs === 'any'))
    return violation(
      world,
      'crash-lost-writes',
      `${which} after a crash of its server, ${failed ? 'and the salvage failed' : 'whose agent could have shipped them'}`,
    );
  if (stoodStillSince(world, host, first.at)) return;
  const { maxLossMs, intervalMs } = world.settings;
  const span = last.at - first.at;
  // An owner that is cut off serves until its lease ends, and nobody else hears of what it commits by then.
  const unknowable = world.leaseMs + LOSS_SLACK_INTERVALS * intervalMs + LOSS_SLACK_MS;
  if (maxLossMs !== 'any' && span > maxLossMs + unknowable)
    violation(
      world,
      'loss-above-limit',
      `${which}; that is ${span.toFixed(0)} ms of commits, and ${maxLossMs} ms are allowed`,
    );
};

/** Its clock stood with it: how long it has missed commits it cannot tell. */
const stoodStillSince = (world: World, host: Host, since: number): boolean =>
  world.plan.faults.some(
    (fault) => fault.kind === 'machine-freeze' && fault.host === host.name && fault.at + fault.forMs > since,
  );
