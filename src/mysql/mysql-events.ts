/** The three events of a MySQL binary log that tell which transactions are in it (MySQL source, libbinlogevents). */

import type { Position } from '../core/types.js';

/** Of a Gtid event's body: enough for everything up to the transaction's length, with the longest tag. */
export const GTID_READ_BYTES = 200;

/** A transaction and the bytes that it takes in the file, its Gtid event included. */
export interface MysqlGtid {
  readonly source: string;
  readonly sequence: number;
  readonly bytes: number;
}

/** Flags 1, UUID 16, number 8, kind of logical timestamp 1, two of them 8 each; then the times. */
const UUID_AT = 1;
const NUMBER_AT = 17;
const TIMES_AT = 42;
const TIME_BYTES = 7;
/** Highest bit of the first time: the time of the original commit follows. */
const HAS_ORIGINAL_TIME = 0x80;

/** Gtid_log_event, as MySQL 8.0.2 and later write it. */
export const readMysqlGtid = (body: Buffer): MysqlGtid => {
  const two = (body.readUInt8(TIMES_AT + TIME_BYTES - 1) & HAS_ORIGINAL_TIME) !== 0;
  return {
    source: uuidOf(body, UUID_AT),
    sequence: Number(body.readBigInt64LE(NUMBER_AT)),
    bytes: readPacked(body, TIMES_AT + TIME_BYTES * (two ? 2 : 1)),
  };
};

const uuidOf = (bytes: Buffer, at: number): string =>
  bytes.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Length-encoded integer (MySQL manual, Protocol::LengthEncodedInteger). */
const readPacked = (bytes: Buffer, at: number): number => {
  const first = bytes.readUInt8(at);
  switch (first) {
    case 252:
      return bytes.readUInt16LE(at + 1);
    case 253:
      return bytes.readUIntLE(at + 1, 3);
    case 254:
      return Number(bytes.readBigUInt64LE(at + 1));
    default:
      return first;
  }
};

/** Fields of a tagged Gtid event, by the numbers that stand before them. */
const FIELD = { flags: 0, uuid: 1, number: 2, tag: 3, originalTime: 7, bytes: 8 } as const;

/** Gtid_tagged_log_event, since 8.3: a list of numbered fields, each in MySQL's own encoding of variable length. */
export const readTaggedGtid = (body: Buffer): MysqlGtid => {
  const reader = createVarlenReader(body);
  // Version of the encoding, size of the whole, last field that must be understood.
  for (let i = 0; i < 3; i += 1) reader.next();
  let uuid = '';
  let tag = '';
  let sequence = 0;
  for (;;) {
    const field = Number(reader.next());
    switch (field) {
      case FIELD.uuid:
        uuid = uuidOf(Buffer.from(Array.from({ length: 16 }, () => Number(reader.next()))), 0);
        break;
      case FIELD.tag:
        tag = reader.text(Number(reader.next()));
        break;
      case FIELD.number:
        // Signed: the sign is the lowest bit.
        sequence = Number(reader.next() >> 1n);
        break;
      case FIELD.bytes:
        return { source: `${uuid}:${tag}`, sequence, bytes: Number(reader.next()) };
      default:
        reader.next();
    }
  }
};

/** The ones at the low end of the first byte count the bytes that follow it. */
const createVarlenReader = (bytes: Buffer) => {
  let at = 0;
  return {
    next: (): bigint => {
      const first = bytes.readUInt8(at);
      const more = first === 255 ? 8 : 31 - Math.clz32(~first & -~first);
      let value = 0n;
      for (let i = more; i > 0; i -= 1) value = (value << 8n) | BigInt(bytes.readUInt8(at + i));
      at += 1 + more;
      // What is left of the first byte are the lowest bits.
      return more === 8 ? value : (value << BigInt(7 - more)) | BigInt(first >> (more + 1));
    },
    text: (length: number): string => {
      at += length;
      return bytes.toString('latin1', at - length, at);
    },
  };
};

/** In the highest byte of the count: the sources have tags, and the count itself is in the bytes between. */
const TAGGED = 1n;

/** Previous_gtids_log_event: everything before this file, as a set. */
export const readPreviousGtids = (body: Buffer): Position => {
  const head = body.readBigUInt64LE(0);
  const tagged = head >> 56n === TAGGED;
  const count = Number(tagged ? (head >> 8n) & 0xffff_ffff_ffffn : head);
  let at = 8;
  const sets: string[] = [];
  for (let i = 0; i < count; i += 1) {
    let source = uuidOf(body, at);
    at += 16;
    if (tagged) {
      const length = body.readUInt8(at) >> 1;
      const tag = body.toString('latin1', at + 1, at + 1 + length);
      if (tag !== '') source += `:${tag}`;
      at += 1 + length;
    }
    const intervals = Number(body.readBigUInt64LE(at));
    at += 8;
    const ranges: string[] = [];
    for (let j = 0; j < intervals; j += 1, at += 16) {
      // The end is the first that is not there.
      ranges.push(`${body.readBigUInt64LE(at)}-${body.readBigUInt64LE(at + 8) - 1n}`);
    }
    sets.push([source, ...ranges].join(':'));
  }
  return `mysql:${sets.join(',')}`;
};
