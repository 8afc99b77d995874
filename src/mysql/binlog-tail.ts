/** What lies in the binary log files of a server that need not run: its position, and from where on another has not got it. */

import { differencePosition, mergePositions } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Gtid } from './binlog-events.js';
import {
  type BinlogLocation,
  type Deadline,
  lastOf,
  type Remembered,
  readIndex,
  scan,
  UnbegunError,
  withDeadline,
} from './binlog-files.js';
import { findMissingOfMariadb } from './mariadb-missing.js';
import { findMissingOfMysql } from './mysql-missing.js';

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
      /** Set where between these bytes there are others that it has: a GTID for each domain, or a set. */
      readonly without?: string;
      /** Body of a position, for people. */
      readonly missing: string;
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

interface RememberedTail extends Remembered {
  readonly position: Position;
}

export const createBinlogTail = (location: BinlogLocation): BinlogTail => {
  let remembered: RememberedTail | undefined;

  const readTail = async (files: readonly string[], deadline: Deadline): Promise<Tail> => {
    const path = lastOf(files, location);
    const gathered = createGatherer();
    const result = await scan(path, deadline, gathered.add, remembered);
    const { heldAtStart, inode, end, checksum, torn } = result;
    const before = result.resumed && remembered !== undefined ? remembered.position : heldAtStart;
    const position = mergePositions(before, gathered.position(heldAtStart));
    remembered = { path, inode, offset: end, checksum, heldAtStart, position };
    return { position, file: path, end, torn };
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
        const find = tail.position.startsWith('mysql:') ? findMissingOfMysql : findMissingOfMariadb;
        return await find(files, tail, have, missing, deadline);
      }),
  };
};

/** The GTIDs of one walk as a position: they mostly come in order, so that there are few ranges. */
const createGatherer = () => {
  const sources = new Map<string, [from: number, to: number][]>();
  return {
    add: ({ source, sequence }: Gtid): void => {
      const ranges = sources.get(source) ?? [];
      const last = ranges.at(-1);
      if (last?.[1] === sequence - 1) last[1] = sequence;
      else ranges.push([sequence, sequence]);
      sources.set(source, ranges);
    },
    /** In the flavour of `like`. */
    position: (like: Position): Position => {
      const entries = [...sources];
      if (entries.length === 0) return '';
      if (like.startsWith('mysql:')) {
        return `mysql:${entries.map(([source, ranges]) => [source, ...ranges.map((r) => r.join('-'))].join(':')).join(',')}`;
      }
      return `mariadb:${entries.map(([source, ranges]) => `${source}-${ranges.at(-1)?.[1] ?? 0}`).join(',')}`;
    },
  };
};
