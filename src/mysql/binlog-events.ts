/** Reads the event headers of a MariaDB binary log, and of the bodies only what tells one transaction from the next. */

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

const MYSQL_TYPES: ReadonlySet<number> = new Set([
  TYPE.mysqlGtid,
  TYPE.mysqlAnonymous,
  TYPE.mysqlPreviousGtids,
  TYPE.mysqlTaggedGtid,
]);

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
/** Bodies that are read whole; a Gtid list of 10,000 servers is still shorter. */
const READ_WHOLE_MAX_BYTES = 200_000;

/** `sequence` is exact up to 2^53, as everywhere in core/position.ts. */
export interface Gtid {
  readonly domain: number;
  readonly server: number;
  readonly sequence: number;
}

/** The transaction ends before byte `end` of the file, and its Gtid event begins at `start`. */
export type OnTransaction = (gtid: Gtid, start: number, end: number) => void;

export interface BinlogReader {
  /** Where the next event begins; everything before it has been read. */
  readonly offset: number;
  /** End of the last whole transaction, or of what stands before the first. */
  readonly wholeUpTo: number;
  /** What all files before this one hold; absent before its Gtid list was read. */
  readonly listAtStart: readonly Gtid[] | undefined;
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
  readonly listAtStart: readonly Gtid[];
}

export const createBinlogReader = (onTransaction: OnTransaction, resume?: ResumePoint): BinlogReader => {
  let offset = resume?.offset ?? MAGIC.length;
  let wholeUpTo = offset;
  let checksum = resume?.checksum ?? false;
  let listAtStart = resume?.listAtStart;
  let unreadable: string | undefined;
  let damaged = false;
  let open: { readonly gtid: Gtid; readonly start: number; readonly standalone: boolean } | undefined;

  const close = (end: number): void => {
    if (open !== undefined) onTransaction(open.gtid, open.start, end);
    open = undefined;
    wholeUpTo = end;
  };

  const readEvent = (event: Buffer, type: number, length: number): void => {
    if (MYSQL_TYPES.has(type)) {
      unreadable = 'it is in the format of MySQL, which is not read here yet';
      return;
    }
    switch (type) {
      case TYPE.formatDescription:
        // The byte before the checksum names its kind; 0: none, 255: a server that knows none.
        checksum = event[length - CHECKSUM_BYTES - 1] === 1;
        return;
      case TYPE.startEncryption:
        unreadable = 'it is encrypted (encrypt_binlog), and only the server itself can read it';
        return;
      case TYPE.gtidList:
        listAtStart ??= readGtidList(event);
        if (open === undefined) wholeUpTo = offset + length;
        return;
      case TYPE.gtid:
        open = readGtid(event, offset);
        return;
      default:
        if (open !== undefined && endsGroup(event, type, length, open.standalone, checksum)) close(offset + length);
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
    get listAtStart() {
      return listAtStart;
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
      return length;
    case TYPE.gtid:
      return Math.min(length, HEADER_BYTES + GTID_BODY_BYTES);
    case TYPE.query:
      return length <= SHORT_QUERY_BYTES ? length : HEADER_BYTES;
    default:
      return HEADER_BYTES;
  }
};

const readGtid = (event: Buffer, start: number) => ({
  gtid: {
    domain: event.readUInt32LE(HEADER_BYTES + 8),
    server: event.readUInt32LE(5),
    sequence: Number(event.readBigUInt64LE(HEADER_BYTES)),
  },
  start,
  standalone: (event.readUInt8(HEADER_BYTES + 12) & FLAG_STANDALONE) !== 0,
});

const readGtidList = (event: Buffer): readonly Gtid[] => {
  const count = event.readUInt32LE(HEADER_BYTES) & GTID_LIST_COUNT_MASK;
  const entries = event.subarray(HEADER_BYTES + 4);
  return Array.from({ length: Math.min(count, Math.floor(entries.length / GTID_LIST_ENTRY_BYTES)) }, (_, i) => ({
    domain: entries.readUInt32LE(i * GTID_LIST_ENTRY_BYTES),
    server: entries.readUInt32LE(i * GTID_LIST_ENTRY_BYTES + 4),
    sequence: Number(entries.readBigUInt64LE(i * GTID_LIST_ENTRY_BYTES + 8)),
  }));
};

/** A group ends as the server's own replication threads see it: Log_event::is_part_of_group, peek_is_commit_rollback. */
const endsGroup = (event: Buffer, type: number, length: number, standalone: boolean, checksum: boolean): boolean => {
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
