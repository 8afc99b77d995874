/** One round: clients on fresh registers, one fault, a settled pair, and the judge's word. */

import { setTimeout as sleep } from 'node:timers/promises';
import { activeNode } from '../lab/checks.js';
import { type Lab, peerOf } from '../lab/lab.js';
import { monotonicMs } from '../lab/load.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { announcedLossMs } from './announced.js';
import type { Appending } from './clients.js';
import type { Lists } from './history.js';
import { type AnnouncedLoss, changedLater, judge, type Verdict } from './judge.js';
import { KINDS_OF_FAULT, type Kind } from './kinds.js';
import { PATIENCE_MS, type Settled, settle } from './operator.js';
import { addRegisters, listsOfBoth, type Pair } from './pair.js';
import type { Fault } from './plan.js';

export const REGISTERS_PER_ROUND = 5;
/** Clients go on for this long once all is settled, so that what comes late is seen. */
const AFTERMATH_MS = 300;
const FLOWING_APPENDS = 10;

export interface Round {
  readonly fault: Fault;
  readonly tookMs: number;
  readonly active: NodeName;
  readonly lastedMs: number;
  readonly moved: boolean;
  /** What vipd said before it took over; 0: that nothing acknowledged is missing. Null: unknown to it. */
  readonly announcedMs: number | null;
  /** How long before the fault the oldest was acknowledged that was lost as announced; 0: nothing was. */
  readonly lostMs: number;
  readonly discarded: Settled['discarded'];
  readonly verdict: Verdict;
  /** Beyond what the judge found. */
  readonly problems: readonly string[];
  /** What these registers hold at its end, on both nodes. */
  readonly lists: Lists;
}

const registersOf = ({ number }: Fault): readonly number[] =>
  Array.from({ length: REGISTERS_PER_ROUND }, (_, index) => number * REGISTERS_PER_ROUND + index);

/**
 * `earlier`: what the registers of earlier rounds have to hold still.
 * @throws Error where the pair does not settle, or does not serve: it is of no use any more
 */
export const playRound = async ({ lab, clients }: Pair, fault: Fault, earlier: Lists): Promise<Round> => {
  const startedAt = monotonicMs();
  const registers = registersOf(fault);
  await addRegisters(lab, registers);
  const appending = clients.begin({ registers, round: fault.number, seed: fault.seed });
  try {
    const done = await inflict(lab, fault, appending);
    const { discarded } = await settle(lab);
    await sleep(AFTERMATH_MS);
    await appending.stop();
    const round = await judged(lab, fault, appending, { ...done, discarded }, earlier);
    return { ...round, tookMs: monotonicMs() - startedAt };
  } finally {
    await appending.stop().catch(() => undefined);
  }
};

interface Done {
  readonly active: NodeName;
  readonly term: number;
  readonly beganAt: number;
  /** The fault was there for certain: a host that died of it acknowledged nothing later. */
  readonly thereAt: number;
  readonly lastedMs: number;
  readonly refused: readonly string[];
}

const inflict = async (lab: Lab, fault: Fault, appending: Appending): Promise<Done> => {
  await untilFlowing(appending, 0);
  await sleep(fault.beforeMs);
  const active = await activeNode(lab);
  const { term } = await lab.status(active);
  const kind = KINDS_OF_FAULT[fault.kind];
  const lastedMs = kind.lastsMs.from + fault.length * (kind.lastsMs.to - kind.lastsMs.from);
  await kind.prepare(lab, active, fault);
  const beganAt = monotonicMs();
  const refused: string[] = [];
  await kind.inflict(lab, active, fault).catch((error: unknown) => {
    refused.push(error instanceof Error ? error.message : String(error));
  });
  const thereAt = monotonicMs();
  await sleep(lastedMs);
  await kind.relieve(lab, active);
  await untilFlowing(appending, monotonicMs());
  return { active, term, beganAt, thereAt, lastedMs, refused };
};

/** Appends pass that were asked for after `since`. */
const untilFlowing = ({ operations }: Appending, since: number): Promise<void> =>
  waitFor(
    () => {
      const passed = operations.filter(
        (one) => one.kind === 'append' && one.outcome === 'acknowledged' && one.begin >= since,
      );
      return passed.length >= FLOWING_APPENDS || `${passed.length} appends`;
    },
    'appends pass',
    PATIENCE_MS,
  );

const judged = async (
  lab: Lab,
  fault: Fault,
  appending: Appending,
  done: Done & Settled,
  earlier: Lists,
): Promise<Omit<Round, 'tookMs'>> => {
  const lists = await listsOfBoth(lab);
  const kind = KINDS_OF_FAULT[fault.kind];
  const journal = (await lab.journal(peerOf(done.active))).filter(({ term }) => term > done.term);
  const lossMs = announcedLossMs(journal);
  const announced: AnnouncedLoss | null =
    kind.mayLose && lossMs > 0 ? { fromMs: done.beganAt - lossMs, untilMs: done.thereAt } : null;
  const registers = new Set(registersOf(fault));
  const mine = (of: Lists): Lists => new Map([...of].filter(([register]) => registers.has(register)));
  const verdict = judge(appending.operations, { db1: mine(lists.db1), db2: mine(lists.db2) }, announced);
  return {
    fault,
    active: done.active,
    lastedMs: done.lastedMs,
    moved: (await activeNode(lab)) !== done.active,
    announcedMs: Number.isFinite(lossMs) ? lossMs : null,
    lostMs: Math.max(0, done.beganAt - (verdict.oldestLostAt ?? done.beganAt)),
    discarded: done.discarded,
    verdict: { ...verdict, violations: [...verdict.violations, ...changedLater(earlier, lists)] },
    problems: [...done.refused, ...unexpected(kind, done, lossMs)],
    lists: mine(lists.db1),
  };
};

/** What this kind of fault is not to end with, whatever the registers hold. */
const unexpected = ({ orphans, mayLose }: Kind, { discarded }: Settled, lossMs: number): readonly string[] => [
  ...(orphans === 'none'
    ? discarded.map(({ node, why }) => `${node} was quarantined, though what it had could have been had: ${why}`)
    : []),
  ...(!mayLose && lossMs > 0 ? [`vipd announced a loss of ${lossMs} ms, where nothing may be lost`] : []),
];
