/** Plays a plan: pair by pair, since replication is asynchronous on one and semi-synchronous on the other. */

import { join } from 'node:path';
import type { HistoryEntry } from '../../src/control/status.js';
import type { Lab } from '../lab/lab.js';
import type { ServerKind } from '../lab/server-kind.js';
import { NODES } from '../lab/topology.js';
import { KINDS_OF_FAULT } from './kinds.js';
import { createPair, endPair, type Pair } from './pair.js';
import type { Fault } from './plan.js';
import { type Abandoned, type Played, problemsOf } from './report.js';
import { playRound } from './round.js';

const JOURNAL_TAIL = 40;

export interface CampaignOptions {
  readonly flavour: ServerKind['name'];
  readonly faults: readonly Fault[];
  /** Called as soon as a fault is judged. */
  readonly tell: (played: Played) => void;
  /** Where the files of a pair in which something went wrong are copied. */
  readonly keep: string | undefined;
}

/** Faults that leave the pair of no use end it; the rest of the plan goes on with a fresh one. */
export const playCampaign = async (options: CampaignOptions): Promise<readonly Played[]> => {
  const played: Played[] = [];
  for (const semiSync of ['manage', 'off'] as const) {
    let left = options.faults.filter(({ kind }) => KINDS_OF_FAULT[kind].semiSync === semiSync);
    for (let first = left[0]; first !== undefined; first = left[0]) {
      const done = await playOnFreshPair(first, left, options);
      played.push(...done);
      left = left.slice(done.length);
    }
  }
  return played;
};

/** At least the first of them. */
const playOnFreshPair = async (
  first: Fault,
  faults: readonly Fault[],
  options: CampaignOptions,
): Promise<readonly Played[]> => {
  const pair = await createPair(options.flavour, KINDS_OF_FAULT[first.kind].semiSync).catch(messageOf);
  if (typeof pair !== 'string') return playPair(pair, faults, options);
  const none: Abandoned = { fault: first, problem: pair, evidence: '' };
  options.tell(none);
  return [none];
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const playPair = async (pair: Pair, faults: readonly Fault[], options: CampaignOptions): Promise<readonly Played[]> => {
  const { lab } = pair;
  const played: Played[] = [];
  const earlier = new Map<number, readonly string[]>();
  try {
    for (const fault of faults) {
      const one = await playRound(pair, fault, earlier).catch((error: unknown) => abandoned(lab, fault, error));
      played.push(one);
      options.tell(one);
      if ('problem' in one) break;
      for (const [register, values] of one.lists) earlier.set(register, values);
    }
    return played;
  } finally {
    const wrong = played.some((one) => problemsOf(one).length > 0);
    if (wrong && options.keep !== undefined) lab.keep(join(options.keep, `faults-${faults[0]?.number}`));
    await endPair(pair);
  }
};

const abandoned = async (lab: Lab, fault: Fault, error: unknown): Promise<Abandoned> => {
  return { fault, problem: messageOf(error), evidence: await evidenceOf(lab) };
};

/** What the nodes have said of late. */
const evidenceOf = async (lab: Lab): Promise<string> => {
  const parts: string[] = [];
  for (const node of NODES) {
    const journal = await lab.journal(node).catch((): readonly HistoryEntry[] => []);
    const lines = journal
      .slice(-JOURNAL_TAIL)
      .map(({ at, kind, term, cause, text }) => `  ${at} term ${term} ${kind} ${cause}: ${text}`);
    parts.push(`journal of ${node}:`, ...lines, `log of ${node}:`, lab.agent[node].tail());
  }
  return parts.join('\n');
};
