/** Reads the event headers of a binary log, and of the bodies only what tells one transaction from the next. */

import type { Position } from '../core/types.js';
import { GTID_READ_BYTES, readMysqlGtid, readPreviousGtids, readTaggedGtid } from './mysql-events.js';

/** Common header of every event (MariaDB documentation, "2-Binlog Event Header"). */
export const HEADER_BYTES = 19;
/** Magic number before the first event: fe 62 69 6e. */
export const MAGIC = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);

/** Event type numbers (MariaDB documentation, "Binlog Event Header"; MySQL source, binlog_event.h). */
const TYPE = {
  query: 2,
  formatDescription: 15,
  xid: 16,
  executeLoadQuery: 18,
  mysqlGtid: 33,
  mysqlAnonymous: 34,
  mysqlPreviousGtids: 35,
  xaPrepare: 38,
  mysqlTaggedGtid: 42,
  gtid: 162,
  gtidList: 163,
  startEncryption: 164,
  queryCompressed: 165,
} as const;

/** Table map, rows of both versions plain and compressed, annotations: they neither begin nor end a transaction. */
const UNREAD_TYPES: ReadonlySet<number> = new Set([19, 23, 24, 25, 30, 31, 32, 160, 166, 167, 168, 169, 170, 171]);

const CHECKSUM_BYTES = 4;
/** Gtid event: sequence number 8, domain 4, flags 1. */
const GTID_BODY_BYTES = 13;
/** Flag of a Gtid event: the one event that follows is the whole group, and no COMMIT comes (FL_STANDALONE). */
const FLAG_STANDALONE = 1;
/** Gtid list: a number of entries in the low 28 bits, then domain 4, server 4, sequence number 8 for each. */
const GTID_LIST_COUNT_MASK = 0x0fff_ffff;
const GTID_LIST_ENTRY_BYTES = 16;
/** A query that only says COMMIT is far shorter; a longer one need not be looked into. */
const SHORT_QUERY_BYTES = 4_096;
/** Bodies that are read whole; a Gtid list of 10,000 servers, or a set with 50,000 gaps, is still shorter. */
const READ_WHOLE_MAX_BYTES = 1_000_000;

/** `source` as core/position.ts has it; `sequence` is exact up to 2^53, as there. */
export interface Gtid {
  readonly source: string;
  readonly sequence: number;
}

/** The transaction ends before byte `end` of the file, and its Gtid event begins at `start`. */
export type OnTransaction = (gtid: Gtid, start: number, end: number) => void;

export interface BinlogReader {
  /** Where the next event begins; everything before it has been read. */
  readonly offset: number;
  /** End of the last whole transaction, or of what stands before the first. */
  readonly wholeUpTo: number;
  /** What all files before this one hold; absent before the event that says so was read. */
  readonly heldAtStart: Position | undefined;
  readonly checksum: boolean;
  /** A transaction has begun and not ended yet. */
  readonly inGroup: boolean;
  /** Why this file cannot be read at all. */
  readonly unreadable: string | undefined;
  /**
   * Reads the events that lie whole in `bytes`, which are the file's from `offset` on. `fileEnd` is the file's length: an
   * event beyond it is torn. Answers how many bytes must be given at once for the next step; 0: the end was reached.
   */
  read(bytes: Buffer, fileEnd: number): number;
}

/** Where reading may go on later: between two transactions. */
export interface ResumePoint {
  readonly offset: number;
  readonly checksum: boolean;
  readonly heldAtStart: Position;
}

/** A transaction that has begun. */
interface Group {
  readonly gtid: Gtid;
  readonly start: number;
  /** MariaDB: the one event that follows is all of it. */
  readonly standalone: boolean;
  /** MySQL tells how long it is: where it ends. */
  readonly end?: number;
}

export const createBinlogReader = (onTransaction: OnTransaction, resume?: ResumePoint): BinlogReader => {
  let offset = resume?.offset ?? MAGIC.length;
  let wholeUpTo = offset;
  let checksum = resume?.checksum ?? false;
  let heldAtStart = resume?.heldAtStart;
  let unreadable: string | undefined;
  let damaged = false;
  let open: Group | undefined;

  const close = (end: number): void => {
    if (open !== undefined) onTransaction(open.gtid, open.start, end);
    open = undefined;
    wholeUpTo = end;
  };

  const readEvent = (event: Buffer, type: number, length: number): void => {
    switch (type) {
      case TYPE.formatDescription:
        // The byte before the checksum names its kind; 0: none, 255: a server that knows none.
        checksum = event[length - CHECKSUM_BYTES - 1] === 1;
        return;
      case TYPE.startEncryption:
        unreadable = 'it is encrypted (encrypt_binlog), and only the server itself can read it';
        return;
      case TYPE.gtidList:
        heldAtStart ??= readGtidList(event);
        if (open === undefined) wholeUpTo = offset + length;
        return;
      case TYPE.mysqlPreviousGtids:
        heldAtStart ??= readPreviousGtids(event.subarray(HEADER_BYTES));
        if (open === undefined) wholeUpTo = offset + length;
        return;
      case TYPE.gtid:
        open = { ...readGtid(event), start: offset };
        return;
      case TYPE.mysqlGtid:
      case TYPE.mysqlTaggedGtid: {
        const body = event.subarray(HEADER_BYTES);
        const { bytes, ...gtid } = type === TYPE.mysqlGtid ? readMysqlGtid(body) : readTaggedGtid(body);
        open = { gtid, start: offset, standalone: false, end: offset + bytes };
        return;
      }
      case TYPE.mysqlAnonymous:
        unreadable = 'it has transactions without GTIDs (gtid_mode), which cannot be told apart';
        return;
      default:
        if (open !== undefined && endsGroup(event, type, offset, length, open, checksum)) close(offset + length);
        return;
    }
  };

  return {
    get offset() {
      return offset;
    },
    get wholeUpTo() {
      return wholeUpTo;
    },
    get heldAtStart() {
      return heldAtStart;
    },
    get checksum() {
      return checksum;
    },
    get inGroup() {
      return open !== undefined;
    },
    get unreadable() {
      return unreadable;
    },
    read: (bytes, fileEnd) => {
      const base = offset;
      while (unreadable === undefined && !damaged) {
        const at = offset - base;
        if (offset + HEADER_BYTES > fileEnd) return 0;
        if (at + HEADER_BYTES > bytes.length) return HEADER_BYTES;
        const type = bytes.readUInt8(at + 4);
        const length = bytes.readUInt32LE(at + 9);
        // A header of zeros, or one whose own end does not fit: what a crash left, or a damaged file.
        if (length < HEADER_BYTES || bytes.readUInt32LE(at + 13) !== (offset + length) % 2 ** 32) {
          damaged = true;
          return 0;
        }
        if (offset + length > fileEnd) return 0;
        // Most events are rows: nothing of them is looked at, nor made a buffer of.
        if (UNREAD_TYPES.has(type)) {
          offset += length;
          continue;
        }
        const needed = neededBytes(type, length);
        if (needed > READ_WHOLE_MAX_BYTES) damaged = true;
        else if (at + needed > bytes.length) return needed;
        else readEvent(bytes.subarray(at, at + needed), type, length);
        if (unreadable === undefined && !damaged) offset += length;
      }
      return 0;
    },
  };
};

/** How much of an event must be at hand to judge it. */
const neededBytes = (type: number, length: number): number => {
  switch (type) {
    case TYPE.formatDescription:
    case TYPE.gtidList:
    case TYPE.mysqlPreviousGtids:
      return length;
    case TYPE.mysqlGtid:
    case TYPE.mysqlTaggedGtid:
      return Math.min(length, HEADER_BYTES + GTID_READ_BYTES);
    case TYPE.gtid:
      return Math.min(length, HEADER_BYTES + GTID_BODY_BYTES);
    case TYPE.query:
      return length <= SHORT_QUERY_BYTES ? length : HEADER_BYTES;
    default:
      return HEADER_BYTES;
  }
};

const readGtid = (event: Buffer) => ({
  gtid: {
    source: `${event.readUInt32LE(HEADER_BYTES + 8)}-${event.readUInt32LE(5)}`,
    sequence: Number(event.readBigUInt64LE(HEADER_BYTES)),
  },
  standalone: (event.readUInt8(HEADER_BYTES + 12) & FLAG_STANDALONE) !== 0,
});

const readGtidList = (event: Buffer): Position => {
  const count = event.readUInt32LE(HEADER_BYTES) & GTID_LIST_COUNT_MASK;
  const entries = event.subarray(HEADER_BYTES + 4);
  const gtids = Array.from({ length: Math.min(count, Math.floor(entries.length / GTID_LIST_ENTRY_BYTES)) }, (_, i) => {
    const at = i * GTID_LIST_ENTRY_BYTES;
    return `${entries.readUInt32LE(at)}-${entries.readUInt32LE(at + 4)}-${entries.readBigUInt64LE(at + 8)}`;
  });
  return `mariadb:${gtids.join(',')}`;
};

/** On MySQL at its length; on MariaDB a group ends as the server's own replication threads see it: Log_event::is_part_of_group, peek_is_commit_rollback. */
const endsGroup = (
  event: Buffer,
  type: number,
  offset: number,
  length: number,
  { standalone, end }: Group,
  checksum: boolean,
): boolean => {
  if (end !== undefined) return offset + length >= end;
  switch (type) {
    case TYPE.xid:
    case TYPE.xaPrepare:
      return true;
    case TYPE.query: {
      if (standalone) return true;
      if (event.length < length) return false;
      const text = event.subarray(0, checksum ? length - CHECKSUM_BYTES : length);
      return endsWith(text, '\0COMMIT') || endsWith(text, '\0ROLLBACK');
    }
    case TYPE.queryCompressed:
    case TYPE.executeLoadQuery:
      return standalone;
    default:
      return false;
  }
};

const endsWith = (bytes: Buffer, word: string): boolean =>
  bytes.length >= word.length && bytes.toString('latin1', bytes.length - word.length) === word;
