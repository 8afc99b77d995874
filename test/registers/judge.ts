/** The judge: what clients were told, against what the registers hold. Pure. */

import { NODES, type NodeName } from '../lab/topology.js';
import type { Append, Lists, Operation, Read } from './history.js';

export const VIOLATIONS = [
  'lost',
  'duplicated',
  'reordered',
  'from nowhere',
  'stale read',
  'dirty read',
  'nodes differ',
  'changed later',
] as const;
export type ViolationKind = (typeof VIOLATIONS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  readonly register: number;
  /** Of the append; of a read, the value that is missing or too much. */
  readonly value: string;
  readonly text: string;
}

/** Commits that vipd said may be lost: those acknowledged in this time, by the clients' clock. */
export interface AnnouncedLoss {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Verdict {
  readonly acknowledged: number;
  readonly failed: number;
  readonly indeterminate: number;
  readonly reads: number;
  /** Acknowledged, not there any more, and announced. */
  readonly lostAsAnnounced: number;
  /** When the oldest of these was acknowledged; null: there are none. */
  readonly oldestLostAt: number | null;
  readonly violations: readonly Violation[];
}

type NodeLists = Readonly<Record<NodeName, Lists>>;

/** `lists` is what both nodes hold once all is settled and no client runs any more. */
export const judge = (
  operations: readonly Operation[],
  lists: NodeLists,
  announced: AnnouncedLoss | null = null,
): Verdict => {
  const appends = operations.filter((one): one is Append => one.kind === 'append');
  const reads = operations.filter((one): one is Read => one.kind === 'read');
  const registers = [
    ...new Set([...operations.map(({ register }) => register), ...NODES.flatMap((n) => [...lists[n].keys()])]),
  ];
  const found = registers.flatMap((register) => {
    const of = <T extends Operation>(all: readonly T[]) => all.filter((one) => one.register === register);
    const [mine, seen] = [of(appends), of(reads)];
    const [one, other] = [lists.db1.get(register) ?? [], lists.db2.get(register) ?? []];
    return [
      ...differing(register, one, other),
      ...NODES.flatMap((node) =>
        judgeList({ node, register, appends: mine, reads: seen, list: lists[node].get(register) ?? [], announced }),
      ),
    ];
  });
  const count = (outcome: Append['outcome']) => appends.filter((one) => one.outcome === outcome).length;
  const missing = new Set(found.filter(({ kind }) => kind === 'lost').map(({ value }) => value));
  const excused = appends.filter((one) => missing.has(one.value) && isAnnounced(one, announced));
  const isExcused = ({ kind, value }: Violation) => kind === 'lost' && excused.some((one) => one.value === value);
  return {
    acknowledged: count('acknowledged'),
    failed: count('failed'),
    indeterminate: count('indeterminate'),
    reads: reads.length,
    lostAsAnnounced: excused.length,
    oldestLostAt: excused.length === 0 ? null : Math.min(...excused.map(({ end }) => end)),
    violations: once(found).filter((one) => !isExcused(one)),
  };
};

/** Both nodes have the same lists as a rule, and then the same faults in them. */
const once = (violations: readonly Violation[]): readonly Violation[] => [
  ...new Map(violations.map((one) => [`${one.kind} ${one.register} ${one.value}`, one])).values(),
];

const isAnnounced = ({ end }: { readonly end: number }, announced: AnnouncedLoss | null): boolean =>
  announced !== null && end >= announced.fromMs && end <= announced.untilMs;

const differing = (register: number, one: readonly string[], other: readonly string[]): readonly Violation[] => {
  const from = commonLength(one, other);
  if (from === one.length && from === other.length) return [];
  const text = `register ${register} holds ${one[from] ?? 'nothing'} at ${from} on db1, ${other[from] ?? 'nothing'} on db2`;
  return [{ kind: 'nodes differ', register, value: one[from] ?? other[from] ?? '', text }];
};

/** How many values both begin with. */
const commonLength = (one: readonly string[], other: readonly string[]): number => {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i += 1) if (one[i] !== other[i]) return i;
  return length;
};

/** Registers that nobody appends to any more hold on either node what they held once. */
export const changedLater = (earlier: Lists, lists: NodeLists): readonly Violation[] =>
  once(
    NODES.flatMap((node) =>
      [...earlier].flatMap(([register, before]): readonly Violation[] => {
        const after = lists[node].get(register) ?? [];
        const from = commonLength(before, after);
        if (from === before.length && from === after.length) return [];
        const text = `register ${register} held ${before[from] ?? 'nothing'} at ${from}, and now ${after[from] ?? 'nothing'} on ${node}`;
        return [{ kind: 'changed later', register, value: before[from] ?? after[from] ?? '', text }];
      }),
    ),
  );

interface Case {
  readonly node: NodeName;
  readonly register: number;
  readonly appends: readonly Append[];
  readonly reads: readonly Read[];
  readonly list: readonly string[];
  readonly announced: AnnouncedLoss | null;
}

const judgeList = (one: Case): readonly Violation[] => [
  ...strangers(one),
  ...losses(one),
  ...disorder(one),
  ...misreadings(one),
];

const violation = ({ node, register }: Case, kind: ViolationKind, value: string, text: string): Violation => ({
  kind,
  register,
  value,
  text: `${text}, in register ${register} on ${node}`,
});

/** Twice, or by nobody's word. */
const strangers = (of: Case): readonly Violation[] => {
  const asked = new Map(of.appends.map((append) => [append.value, append]));
  const places = new Map<string, number>();
  return of.list.flatMap((value, place) => {
    const before = places.get(value);
    places.set(value, place);
    if (before !== undefined)
      return [violation(of, 'duplicated', value, `${value} stands at ${before} and at ${place}`)];
    const append = asked.get(value);
    if (append === undefined) return [violation(of, 'from nowhere', value, `nobody appended ${value}`)];
    if (append.outcome !== 'failed') return [];
    return [violation(of, 'from nowhere', value, `${value} is there, although its client was told "${append.error}"`)];
  });
};

const losses = (of: Case): readonly Violation[] => {
  const held = new Set(of.list);
  return of.appends
    .filter(({ outcome, value }) => outcome === 'acknowledged' && !held.has(value))
    .map(({ value, end }) =>
      violation(of, 'lost', value, `${value}, acknowledged at ${end.toFixed(0)} ms, is missing`),
    );
};

/** One that was acknowledged before another was asked for stands before it. */
const disorder = (of: Case): readonly Violation[] => {
  const byValue = new Map(of.appends.map((append) => [append.value, append]));
  let newest: Append | undefined;
  return of.list.flatMap((value) => {
    const append = byValue.get(value);
    if (append === undefined) return [];
    const late = append.outcome === 'acknowledged' && newest !== undefined && append.end < newest.begin;
    const text = `${value}, acknowledged at ${append.end.toFixed(0)} ms, stands behind ${newest?.value}, asked for at ${newest?.begin.toFixed(0)} ms`;
    if (newest === undefined || append.begin > newest.begin) newest = append;
    return late ? [violation(of, 'reordered', value, text)] : [];
  });
};

/**
 * A read shows the beginning of what the register came to hold (dirty: something that is not there now), and all that
 * was acknowledged, or shown to others, before it was asked for (else stale).
 */
const misreadings = (of: Case): readonly Violation[] => {
  const places = new Map(of.list.map((value, place) => [value, place]));
  const known = of.appends.flatMap(({ outcome, value, end }) => {
    const place = places.get(value);
    return outcome === 'acknowledged' && place !== undefined ? [{ end, length: place + 1 }] : [];
  });
  const shown = of.reads.map((read) => ({ read, length: commonLength(read.seen, of.list) }));
  const all = [...known, ...shown.map(({ read, length }) => ({ end: read.end, length }))];
  return shown.flatMap(({ read, length }) => {
    const at = `a read at ${read.begin.toFixed(0)} ms`;
    const extra = read.seen[length];
    if (extra !== undefined && !isAnnounced(read, of.announced))
      return [
        violation(
          of,
          'dirty read',
          extra,
          `${at} showed ${extra} at ${length}, where ${of.list[length] ?? 'nothing'} is`,
        ),
      ];
    const due = Math.max(0, ...all.filter(({ end }) => end < read.begin).map((one) => one.length));
    if (length >= due) return [];
    const value = of.list[due - 1] ?? '';
    return [
      violation(of, 'stale read', value, `${at} showed ${length} values, but ${value} at ${due - 1} was known before`),
    ];
  });
};
