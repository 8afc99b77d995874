/** Compares what servers have committed: MariaDB's per-domain-and-server sequence numbers, MySQL's GTID sets. */

import type { Position } from './types.js';

/** Inclusive ranges, sorted and apart. */
type Ranges = readonly (readonly [number, number])[];

/** A position as ranges for each source: `domain-server` on MariaDB, `uuid` or `uuid:tag` on MySQL. */
type Sources = ReadonlyMap<string, Ranges>;

/**
 * Every transaction of `b` is in `a`. An unknown (empty) `b` is in nothing, and an unknown `a` has nothing: what is not
 * known is never taken for equal. Positions of different flavours contain nothing of each other.
 */
export const containsPosition = (a: Position, b: Position): boolean => {
  if (a === '' || b === '') return false;
  if (a === b) return true;
  if (flavourOf(a) !== flavourOf(b)) return false;
  return subtract(parse(b), parse(a)).size === 0;
};

/** What `a` has and `b` has not, in the flavour's own words without its prefix; empty: nothing. */
export const differencePosition = (a: Position, b: Position): string => {
  if (a === '') return '';
  if (b === '' || flavourOf(a) !== flavourOf(b)) return bodyOf(a);
  return format(flavourOf(a), subtract(parse(a), parse(b)));
};

/** Everything that either has. */
export const mergePositions = (a: Position, b: Position): Position => {
  if (a === '' || a === b) return b;
  if (b === '' || flavourOf(a) !== flavourOf(b)) return a;
  const merged = new Map(parse(a));
  for (const [source, ranges] of parse(b)) merged.set(source, unite([...(merged.get(source) ?? []), ...ranges]));
  return `${flavourOf(a)}:${format(flavourOf(a), merged)}`;
};

/** How many transactions `a` has and `b` has not. */
export const countMissing = (a: Position, b: Position): number => {
  if (a === '' || b === '' || flavourOf(a) !== flavourOf(b)) return 0;
  let count = 0;
  for (const ranges of subtract(parse(a), parse(b)).values()) for (const [from, to] of ranges) count += to - from + 1;
  return count;
};

const flavourOf = (position: Position): string => position.slice(0, position.indexOf(':'));
const bodyOf = (position: Position): string => position.slice(position.indexOf(':') + 1);

const parse = (position: Position): Sources =>
  flavourOf(position) === 'mysql' ? parseMysql(bodyOf(position)) : parseMariadb(bodyOf(position));

/** `0-1-100`: MariaDB names the last of each (domain, server); in strict mode all before it are there. */
const parseMariadb = (body: string): Sources => {
  const sources = new Map<string, Ranges>();
  for (const gtid of body.split(',')) {
    const match = /^\s*(\d+)-(\d+)-(\d+)\s*$/.exec(gtid);
    if (!match) continue;
    const source = `${match[1]}-${match[2]}`;
    const last = Number(match[3]);
    const known = sources.get(source)?.[0]?.[1] ?? 0;
    sources.set(source, [[1, Math.max(last, known)]]);
  }
  return sources;
};

/** `uuid:1-5:7,uuid:tag:1-3` (MySQL manual, GTID sets; tags since 8.3). */
const parseMysql = (body: string): Sources => {
  const sources = new Map<string, Ranges>();
  for (const set of body.replace(/\s+/g, '').split(',')) {
    const [uuid = '', ...parts] = set.toLowerCase().split(':');
    let source = uuid;
    for (const part of parts) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (!match) {
        source = `${uuid}:${part}`;
        continue;
      }
      const from = Number(match[1]);
      sources.set(source, unite([...(sources.get(source) ?? []), [from, Number(match[2] ?? from)]]));
    }
  }
  return sources;
};

const format = (flavour: string, sources: Sources): string => {
  const names = [...sources.keys()].sort(bySource);
  if (flavour !== 'mysql') return names.map((name) => `${name}-${sources.get(name)?.at(-1)?.[1] ?? 0}`).join(',');
  return names
    .map((name) => `${name}:${(sources.get(name) ?? []).map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(':')}`)
    .join(',');
};

/** One collator for all: `localeCompare` makes one for each pair. */
const { compare: bySource } = new Intl.Collator('en', { numeric: true });

const unite = (ranges: readonly (readonly [number, number])[]): Ranges => {
  const united: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((x, y) => x[0] - y[0])) {
    const last = united.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else united.push([from, to]);
  }
  return united;
};

/** What `a` has and `b` has not. */
const subtract = (a: Sources, b: Sources): Sources => {
  const rest = new Map<string, Ranges>();
  for (const [source, ranges] of a) {
    let left: (readonly [number, number])[] = [...ranges];
    for (const [from, to] of b.get(source) ?? []) {
      left = left.flatMap(([x, y]) => {
        if (to < x || from > y) return [[x, y] as const];
        return [[x, from - 1] as const, [to + 1, y] as const].filter(([p, q]) => p <= q);
      });
    }
    if (left.length > 0) rest.set(source, left);
  }
  return rest;
};
