/** What a run came to: a line for each fault, a table by kind, and the same as JSON. */

import { aligned } from '../bench/table.js';
import type { ViolationKind } from './judge.js';
import { KINDS_OF_FAULT } from './kinds.js';
import type { Fault, KindName } from './plan.js';
import type { Round } from './round.js';

/** A fault after which the pair was of no use any more. */
export interface Abandoned {
  readonly fault: Fault;
  readonly problem: string;
  /** Ends of journals and logs. */
  readonly evidence: string;
}

export type Played = Round | Abandoned;

const isAbandoned = (played: Played): played is Abandoned => 'problem' in played;

export const problemsOf = (played: Played): readonly string[] =>
  isAbandoned(played)
    ? [played.problem]
    : [...played.problems, ...played.verdict.violations.map(({ kind, text }) => `${kind}: ${text}`)];

const violations = ({ verdict }: Round, ...kinds: readonly ViolationKind[]): number =>
  verdict.violations.filter(({ kind }) => kinds.includes(kind)).length;

export interface KindSummary {
  readonly kind: KindName;
  readonly title: string;
  readonly faults: number;
  readonly moves: number;
  readonly acknowledged: number;
  readonly indeterminate: number;
  readonly failed: number;
  readonly reads: number;
  readonly lost: number;
  /** Host death with asynchronous replication: acknowledged, lost, and within what vipd announced. */
  readonly lostAsAnnounced: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly misread: number;
  readonly otherViolations: number;
  /** How often a node had to be brought back by `vipctl rejoin`. */
  readonly rebuilt: number;
  readonly notSettled: number;
}

export const summarise = (played: readonly Played[], kinds: readonly KindName[]): readonly KindSummary[] =>
  kinds.map((kind) => {
    const mine = played.filter(({ fault }) => fault.kind === kind);
    const rounds = mine.filter((one): one is Round => !isAbandoned(one));
    const sum = (count: (round: Round) => number): number => rounds.reduce((total, round) => total + count(round), 0);
    return {
      kind,
      title: KINDS_OF_FAULT[kind].title,
      faults: mine.length,
      moves: sum(({ moved }) => (moved ? 1 : 0)),
      acknowledged: sum(({ verdict }) => verdict.acknowledged),
      indeterminate: sum(({ verdict }) => verdict.indeterminate),
      failed: sum(({ verdict }) => verdict.failed),
      reads: sum(({ verdict }) => verdict.reads),
      lost: sum((round) => violations(round, 'lost')),
      lostAsAnnounced: sum(({ verdict }) => verdict.lostAsAnnounced),
      duplicated: sum((round) => violations(round, 'duplicated')),
      reordered: sum((round) => violations(round, 'reordered')),
      misread: sum((round) => violations(round, 'stale read', 'dirty read')),
      otherViolations: sum((round) => violations(round, 'from nowhere', 'nodes differ', 'changed later')),
      rebuilt: sum(({ discarded }) => discarded.length),
      notSettled: mine.length - rounds.length,
    };
  });

const COLUMNS = {
  fault: 'title',
  faults: 'faults',
  moves: 'moves',
  acknowledged: 'acknowledged',
  indeterminate: 'indeterminate',
  refused: 'failed',
  reads: 'reads',
  lost: 'lost',
  'lost as announced': 'lostAsAnnounced',
  duplicated: 'duplicated',
  reordered: 'reordered',
  misread: 'misread',
  other: 'otherViolations',
  rebuilt: 'rebuilt',
  'not settled': 'notSettled',
} as const satisfies Record<string, keyof KindSummary>;

export const table = (summaries: readonly KindSummary[]): string =>
  aligned([
    Object.keys(COLUMNS),
    ...summaries.map((summary) => Object.values(COLUMNS).map((key) => String(summary[key]))),
  ]);

/** One line on a fault, without its problems. */
export const lineOf = (played: Played): string => {
  const { number, kind } = played.fault;
  const head = `${String(number).padStart(4)} ${kind.padEnd(11)}`;
  if (isAbandoned(played)) return `${head} abandoned`;
  const { active, lastedMs, tookMs, moved, verdict, announcedMs, lostMs, discarded } = played;
  const lost = violations(played, 'lost');
  const announced = `, of the last ${lostMs.toFixed(0)} ms; announced ${announcedMs ?? 'an unknown number of'} ms`;
  const parts = [
    `${verdict.acknowledged} acknowledged`,
    `${verdict.indeterminate} indeterminate`,
    `${lost} lost`,
    ...(announcedMs === 0 ? [] : [`${verdict.lostAsAnnounced} lost as announced${announced}`]),
    ...discarded.map(({ node }) => `${node} rebuilt`),
  ];
  return `${head} ${active}, ${lastedMs.toFixed(0)} ms, ${moved ? 'moved' : 'stayed'}: ${parts.join(', ')} (${(tookMs / 1_000).toFixed(1)} s)`;
};
