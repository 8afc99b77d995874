/** What lies in the binary log files of a server that need not run: its position, and from where on another has not got it. */

import { type FileHandle, open, readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import { type BinlogReader, createBinlogReader, type Gtid, MAGIC, type OnTransaction } from './binlog-events.js';

export interface BinlogLocation {
  /** `log_bin_index`. */
  readonly indexFile: string;
  /** `datadir`: relative names in the index are below it. */
  readonly dataDirectory: string;
}

/** The files cannot be read to the end; the message says which, why, and what can be done. */
export class BinlogError extends Error {
  override readonly name = 'BinlogError';
}

/** A rotation cut short: the index names the file, and its head was not written yet. */
class UnbegunError extends BinlogError {}

export interface Tail {
  /** Everything in the files, whole transactions only. */
  readonly position: Position;
  readonly file: string;
  /** End of the last whole transaction in `file`. */
  readonly end: number;
  /** Something unfinished stands behind it, as a crash leaves it. */
  readonly torn: boolean;
}

/** What another node lacks, as files and bytes. */
export type Shipment =
  | { readonly kind: 'nothing'; readonly tail: Tail }
  /** `why` for people; `missing` is the body of a position. */
  | { readonly kind: 'cannot'; readonly tail: Tail; readonly why: string; readonly missing: string }
  | {
      readonly kind: 'ship';
      readonly tail: Tail;
      /** In order; reading begins at byte `start` of the first and ends before byte `end` of the last. */
      readonly files: readonly string[];
      readonly start: number;
      readonly end: number;
      /** Set where the missing parts of several domains begin at different places: start after these GTIDs instead. */
      readonly startAfter?: string;
      /** Contained in a position once all of it was applied. */
      readonly upTo: Position;
      readonly transactions: number;
    };

export interface BinlogTail {
  /** Reads on from where the last call ended. @throws BinlogError */
  read(signal: AbortSignal): Promise<Tail>;
  /** What the files hold beyond `have`. Reads back through as many files as needed. @throws BinlogError */
  compare(have: Position, signal: AbortSignal): Promise<Shipment>;
}

/** One read; at 50 bytes an event some 5,000 headers, about a millisecond' work between two turns of the loop. */
const CHUNK_BYTES = 262_144;
/** For one whole look at the files: a gigabyte takes about a second. */
const READ_DEADLINE_MS = 60_000;
/** Lines of the index; a server with the smallest files and a month of them has fewer. */
const INDEX_FILES_MAX = 100_000;
/** Bytes of the index file that are read. */
const INDEX_BYTES_MAX = 32_000_000;

interface Remembered {
  readonly path: string;
  readonly inode: number;
  readonly offset: number;
  readonly checksum: boolean;
  readonly listAtStart: readonly Gtid[];
  readonly sources: ReadonlyMap<string, Gtid>;
}

export const createBinlogTail = (location: BinlogLocation): BinlogTail => {
  let remembered: Remembered | undefined;

  const readTail = async (files: readonly string[], deadline: Deadline): Promise<Tail> => {
    const path = lastOf(files, location);
    const sources = new Map<string, Gtid>();
    const result = await scan(path, deadline, (gtid) => void sources.set(sourceOf(gtid), gtid), remembered);
    const base = result.resumed === undefined ? result.list : result.resumed.sources.values();
    const all = new Map([...base].map((gtid) => [sourceOf(gtid), gtid]));
    for (const [source, gtid] of sources) all.set(source, gtid);
    remembered = {
      path,
      inode: result.inode,
      offset: result.end,
      checksum: result.checksum,
      listAtStart: result.list,
      sources: all,
    };
    return { position: positionOf(all.values()), file: path, end: result.end, torn: result.torn };
  };

  const readFiles = async (deadline: Deadline) => {
    const files = await readIndex(location, deadline);
    try {
      return { files, tail: await readTail(files, deadline) };
    } catch (error) {
      if (!(error instanceof UnbegunError) || files.length < 2) throw error;
      const begun = files.slice(0, -1);
      return { files: begun, tail: await readTail(begun, deadline) };
    }
  };

  return {
    read: (signal) => withDeadline(signal, async (deadline) => (await readFiles(deadline)).tail),
    compare: (have, signal) =>
      withDeadline(signal, async (deadline) => {
        const { files, tail } = await readFiles(deadline);
        const missing = differencePosition(tail.position, have);
        if (missing === '') return { kind: 'nothing', tail };
        return await findStart(files, tail, have, missing, deadline);
      }),
  };
};

/** First transaction of a domain that `have` lacks. */
interface FirstMissing {
  readonly gtid: Gtid;
  readonly fileIndex: number;
  readonly start: number;
  readonly count: number;
}

/**
 * Back through the files until `have` is found. A replica takes a domain in the source's order, so what stands before the
 * last GTID that it has of a domain, it has too, also where its own binlog does not name it (a clone).
 */
const findStart = async (
  files: readonly string[],
  tail: Tail,
  have: Position,
  missing: string,
  deadline: Deadline,
): Promise<Shipment> => {
  const had = parseGtids(have);
  const lastHad = lastOfDomains(had);
  const sequences = new Map(had.map((gtid) => [sourceOf(gtid), gtid.sequence]));
  const isHad = (gtid: Gtid): boolean => gtid.sequence <= (sequences.get(sourceOf(gtid)) ?? 0);
  const first = new Map<number, FirstMissing>();
  const found = new Set<number>();
  let unknown: readonly Gtid[] = [];
  const cannot = (why: string): Shipment => ({ kind: 'cannot', tail, why, missing });
  for (let fileIndex = files.length - 1; fileIndex >= 0; fileIndex -= 1) {
    const path = files[fileIndex] ?? '';
    const here = new Map<number, FirstMissing>();
    const foundHere = new Set<number>();
    const note: OnTransaction = (gtid, start) => {
      const last = lastHad.get(gtid.domain);
      if (last !== undefined && last.server === gtid.server && last.sequence === gtid.sequence) {
        here.delete(gtid.domain);
        foundHere.add(gtid.domain);
      } else if (!isHad(gtid)) {
        const known = here.get(gtid.domain);
        if (known === undefined) here.set(gtid.domain, { gtid, fileIndex, start, count: 1 });
        else here.set(gtid.domain, { ...known, count: known.count + 1 });
      }
    };
    const { list, torn } = await scan(path, deadline, note);
    if (torn && fileIndex < files.length - 1) return cannot(`${path} is damaged in the middle`);
    for (const [domain, earlier] of here) {
      if (found.has(domain)) continue;
      first.set(domain, { ...earlier, count: earlier.count + (first.get(domain)?.count ?? 0) });
    }
    for (const domain of foundHere) found.add(domain);
    unknown = list.filter((gtid) => !found.has(gtid.domain) && !isHad(gtid));
    if (unknown.length === 0) break;
  }
  if (unknown.length > 0) {
    const oldest = basename(files[0] ?? '');
    return cannot(
      `its oldest binary log ${oldest} begins after ${unknown.map(format).join(',')}, which is not here either: the files before it ` +
        `were purged (raise binlog_expire_logs_seconds)`,
    );
  }
  return shipmentOf(files, tail, missing, lastHad, [...first.values()]);
};

const shipmentOf = (
  files: readonly string[],
  tail: Tail,
  missing: string,
  lastHad: ReadonlyMap<number, Gtid>,
  parts: readonly FirstMissing[],
): Shipment => {
  // All that is missing by the count of each server stands before what is had: a clone's binlog does not name it.
  const [one] = [...parts].sort((a, b) => a.fileIndex - b.fileIndex || a.start - b.start);
  if (one === undefined) return { kind: 'nothing', tail };
  for (const { gtid } of parts) {
    const had = lastHad.get(gtid.domain);
    if (had !== undefined && had.sequence >= gtid.sequence) {
      const why = `this node has ${format(had)}, and the dead server has ${format(gtid)} of its own: both have written`;
      return { kind: 'cannot', tail, why, missing };
    }
  }
  // Sources of which nothing is shipped are left out: a clone has them without naming them.
  const upTo = parseGtids(tail.position).filter(({ domain, sequence }) =>
    parts.some(({ gtid }) => gtid.domain === domain && sequence >= gtid.sequence),
  );
  return {
    kind: 'ship',
    tail,
    files: files.slice(one.fileIndex),
    start: one.start,
    end: tail.end,
    ...(parts.length > 1 ? { startAfter: [...lastHad.values()].map(format).join(',') } : {}),
    upTo: positionOf(upTo),
    transactions: parts.reduce((sum, part) => sum + part.count, 0),
  };
};

interface Scan {
  readonly inode: number;
  readonly list: readonly Gtid[];
  readonly end: number;
  readonly torn: boolean;
  readonly checksum: boolean;
  /** Set where it went on from there. */
  readonly resumed?: Remembered;
}

/** Walks one file from header to header. @throws BinlogError */
const scan = async (
  path: string,
  deadline: Deadline,
  onTransaction: OnTransaction,
  remembered?: Remembered,
): Promise<Scan> => {
  const file = await deadline.guard(open(path, 'r'), path);
  try {
    const { size, ino } = await deadline.guard(file.stat(), path);
    const known = remembered?.path === path && remembered.inode === ino && remembered.offset <= size;
    const resumed = known ? remembered : undefined;
    if (resumed === undefined) await checkMagic(file, path, deadline);
    const reader = createBinlogReader(onTransaction, resumed);
    await walk(file, path, size, reader, deadline);
    const { listAtStart: list } = reader;
    // What a crash left behind the last whole transaction is no fault; what cannot be read at all is.
    if (reader.unreadable !== undefined)
      throw new BinlogError(`cannot read the binary log ${path}: ${reader.unreadable}`);
    if (list === undefined) throw new UnbegunError(`the binary log ${path} has no list of GTIDs at its start`);
    const torn = reader.offset < size || reader.inGroup;
    const { wholeUpTo: end, checksum } = reader;
    return { inode: ino, list, end, torn, checksum, ...(resumed === undefined ? {} : { resumed }) };
  } finally {
    file.close().catch(() => undefined);
  }
};

const walk = async (file: FileHandle, path: string, size: number, reader: BinlogReader, deadline: Deadline) => {
  let wanted = CHUNK_BYTES;
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  while (wanted > 0 && reader.offset < size) {
    const before = reader.offset;
    const { bytesRead } = await deadline.guard(file.read(buffer, 0, buffer.length, before), path);
    wanted = reader.read(buffer.subarray(0, bytesRead), size);
    // A file that was cut meanwhile: what was asked for does not come.
    if (reader.offset === before && bytesRead < wanted) return;
  }
};

const checkMagic = async (file: FileHandle, path: string, deadline: Deadline): Promise<void> => {
  const start = Buffer.alloc(MAGIC.length);
  const { bytesRead } = await deadline.guard(file.read(start, 0, start.length, 0), path);
  if (bytesRead < start.length) throw new UnbegunError(`the binary log ${path} has no head`);
  if (start.equals(MAGIC)) return;
  throw new BinlogError(`cannot read ${path}: it does not begin as a binary log does; it may be encrypted or cut off`);
};

const readIndex = async ({ indexFile, dataDirectory }: BinlogLocation, deadline: Deadline) => {
  const text = await deadline.guard(readFile(indexFile, 'utf8'), indexFile);
  const files = text
    .slice(0, INDEX_BYTES_MAX)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => resolve(dataDirectory, line));
  if (files.length > INDEX_FILES_MAX) throw new BinlogError(`${indexFile} names more than ${INDEX_FILES_MAX} files`);
  return files;
};

const lastOf = (files: readonly string[], { indexFile }: BinlogLocation): string => {
  const path = files.at(-1);
  if (path === undefined) throw new BinlogError(`${indexFile} names no binary log in ${dirname(indexFile)}`);
  return path;
};

interface Deadline {
  /** @throws BinlogError at the deadline, when given up, or with what the system said. */
  guard<T>(work: Promise<T>, path: string): Promise<T>;
}

/** A disk that is frozen answers no read, so that a read is left to itself rather than waited for. */
const withDeadline = async <T>(signal: AbortSignal, work: (deadline: Deadline) => Promise<T>): Promise<T> => {
  let over: (error: BinlogError) => void = () => undefined;
  const late = new Promise<never>((_, reject) => {
    over = reject;
  });
  late.catch(() => undefined);
  const timer = setTimeout(
    () => over(new BinlogError(`the binary logs were not read within ${READ_DEADLINE_MS} ms; the disk may hang`)),
    READ_DEADLINE_MS,
  );
  const onAbort = () => over(new BinlogError('reading the binary logs was given up'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await work({ guard: (step, path) => Promise.race([explain(step, path), late]) });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
};

const explain = <T>(work: Promise<T>, path: string): Promise<T> =>
  work.catch((error: NodeJS.ErrnoException) => {
    const advice = error.code === 'EACCES' ? '; let the account of vipd read it' : '';
    throw new BinlogError(`cannot read ${path}: ${error.code ?? error.message}${advice}`);
  });

const format = ({ domain, server, sequence }: Gtid): string => `${domain}-${server}-${sequence}`;
const sourceOf = ({ domain, server }: Gtid): string => `${domain}-${server}`;
const positionOf = (gtids: Iterable<Gtid>): Position =>
  `mariadb:${[...gtids]
    .sort((a, b) => a.domain - b.domain || a.server - b.server)
    .map(format)
    .join(',')}`;

/** Body of a position, or a whole one; its sources are named once each. */
const parseGtids = (position: string): readonly Gtid[] =>
  [...position.matchAll(/(\d+)-(\d+)-(\d+)/g)].map(([, domain, server, sequence]) => ({
    domain: Number(domain),
    server: Number(server),
    sequence: Number(sequence),
  }));

/** In strict mode a domain's highest sequence number is its last. */
const lastOfDomains = (gtids: readonly Gtid[]): ReadonlyMap<number, Gtid> => {
  const last = new Map<number, Gtid>();
  for (const gtid of gtids) if (gtid.sequence > (last.get(gtid.domain)?.sequence ?? 0)) last.set(gtid.domain, gtid);
  return last;
};
