/** Compares what servers have committed: MariaDB's per-domain-and-server sequence numbers, MySQL's GTID sets. */

import type { Position } from './types.js';

/** Inclusive ranges, sorted and apart. */
type Ranges = readonly Range[];
type Range = readonly [from: number, to: number];

/** A position as ranges for each source: `domain-server` on MariaDB, `uuid` or `uuid:tag` on MySQL. */
type Sources = ReadonlyMap<string, Ranges>;

/**
 * Longest text that is compared: some 30,000 ranges, which takes tens of milliseconds. A server's set is a few ranges; one
 * with more gaps than this is taken for unknown, as a position that did not fit into a heartbeat is.
 */
export const POSITION_MAX_CHARS = 500_000;

/** In a text for people. */
const RANGES_NAMED_MAX = 10;
const POSITION_NAMED_CHARS = 200;

/**
 * Every transaction of `b` is in `a`. An unknown (empty) `b` is in nothing, and an unknown `a` has nothing: what is not
 * known is never taken for equal. Positions of different flavours contain nothing of each other.
 */
export const containsPosition = (a: Position, b: Position): boolean => {
  if (a === '' || b === '') return false;
  if (a === b) return true;
  if (!comparable(a, b)) return false;
  return subtract(parse(b), parse(a)).size === 0;
};

/** `a` has all that `b` has, and more. */
export const isAhead = (a: Position, b: Position): boolean => containsPosition(a, b) && !containsPosition(b, a);

/** What `a` has and `b` has not, in the flavour's own words without its prefix; empty: nothing. */
export const differencePosition = (a: Position, b: Position): string => {
  if (a === '') return '';
  if (!comparable(a, b)) return bodyOf(a);
  return format(flavourOf(a), subtract(parse(a), parse(b)));
};

/**
 * The same for people, with from and to also on MariaDB, whose own words name only the last of each server. Empty: nothing, or
 * they cannot be compared.
 */
export const describeDifference = (a: Position, b: Position): string => {
  if (!comparable(a, b)) return '';
  const named = [...subtract(parse(a), parse(b))].flatMap(([source, ranges]) =>
    ranges.map((range) => describeRange(flavourOf(a), source, range)),
  );
  const more = named.length - RANGES_NAMED_MAX;
  return named.slice(0, RANGES_NAMED_MAX).join(', ') + (more > 0 ? ` and ${more} ranges more` : '');
};

/** Without its prefix, and cut where it is long. */
export const describePosition = (position: Position): string => {
  const body = bodyOf(position);
  return body.length <= POSITION_NAMED_CHARS ? body : `${body.slice(0, POSITION_NAMED_CHARS)}…`;
};

/** Everything that either has. */
export const mergePositions = (a: Position, b: Position): Position => {
  if (a === '' || a === b) return b;
  if (!comparable(a, b)) return a;
  const merged = new Map(parse(a));
  for (const [source, ranges] of parse(b)) merged.set(source, unite([...(merged.get(source) ?? []), ...ranges]));
  return `${flavourOf(a)}:${format(flavourOf(a), merged)}`;
};

/** How many transactions `a` has and `b` has not. */
export const countMissing = (a: Position, b: Position): number => {
  if (!comparable(a, b)) return 0;
  let count = 0;
  for (const ranges of subtract(parse(a), parse(b)).values()) for (const [from, to] of ranges) count += to - from + 1;
  return count;
};

/** Both are known, of one flavour and of a length that can be looked through. */
const comparable = (a: Position, b: Position): boolean =>
  a !== '' && b !== '' && flavourOf(a) === flavourOf(b) && Math.max(a.length, b.length) <= POSITION_MAX_CHARS;

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
  const listed = new Map<string, Range[]>();
  for (const set of body.replace(/\s+/g, '').toLowerCase().split(',')) {
    const [uuid = '', ...parts] = set.split(':');
    let source = uuid;
    for (const part of parts) {
      const range = parseRange(part);
      if (range === undefined) {
        source = `${uuid}:${part}`;
        continue;
      }
      const known = listed.get(source);
      if (known === undefined) listed.set(source, [range]);
      else known.push(range);
    }
  }
  return new Map([...listed].map(([source, ranges]) => [source, unite(ranges)]));
};

/** `7` or `1-5`; undefined for a tag. */
const parseRange = (part: string): Range | undefined => {
  const match = /^(\d+)(?:-(\d+))?$/.exec(part);
  if (!match) return undefined;
  const from = Number(match[1]);
  return [from, Number(match[2] ?? from)];
};

const format = (flavour: string, sources: Sources): string => {
  const names = [...sources.keys()].sort(bySource);
  if (flavour !== 'mysql') return names.map((name) => `${name}-${sources.get(name)?.at(-1)?.[1] ?? 0}`).join(',');
  return names
    .map((name) => `${name}:${(sources.get(name) ?? []).map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(':')}`)
    .join(',');
};

const describeRange = (flavour: string, source: string, [from, to]: Range): string => {
  if (flavour === 'mysql') return from === to ? `${source}:${from}` : `${source}:${from}-${to}`;
  return from === to ? `${source}-${from}` : `${source}-${from} to ${source}-${to}`;
};

/** One collator for all: `localeCompare` makes one for each pair. */
const { compare: bySource } = new Intl.Collator('en', { numeric: true });

const unite = (ranges: Ranges): Ranges => {
  const united: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((x, y) => x[0] - y[0])) {
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
    const left = subtractRanges(ranges, b.get(source) ?? []);
    if (left.length > 0) rest.set(source, left);
  }
  return rest;
};

/** One walk along both, since both are sorted: a set may have as many gaps as its server has had failures. */
const subtractRanges = (ranges: Ranges, others: Ranges): Ranges => {
  const left: Range[] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    let begin = from;
    for (let other = others[next]; other !== undefined && other[0] <= to; other = others[next]) {
      if (begin < other[0]) left.push([begin, other[0] - 1]);
      begin = Math.max(begin, other[1] + 1);
      // It may reach into the range after this one.
      if (other[1] > to) break;
      next += 1;
    }
    if (begin <= to) left.push([begin, to]);
  }
  return left;
};

/** Asks of one transaction after the other whether `position` has it. */
export const createMembership = (position: Position): ((source: string, sequence: number) => boolean) => {
  const sources = position.length > POSITION_MAX_CHARS ? new Map<string, Ranges>() : parse(position);
  return (source, sequence) => {
    const ranges = sources.get(source) ?? [];
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle]?.[1] ?? 0) < sequence) low = middle + 1;
      else high = middle;
    }
    const found = ranges[low];
    return found !== undefined && found[0] <= sequence;
  };
};
