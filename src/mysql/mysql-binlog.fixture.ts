/** Writes binary log files as MySQL does, event by event, for tests without a server. */

import type { Written } from './binlog.fixture.js';

export interface MysqlFileOptions {
  /** What all files before hold: uuid, first, last. */
  readonly previous: readonly (readonly [uuid: string, from: number, to: number])[];
  readonly gtids: readonly (readonly [uuid: string, sequence: number])[];
  /** Bytes of rows in each transaction. */
  readonly rowBytes?: number;
}

const MAGIC = Buffer.from('fe62696e', 'hex');
const HEADER_BYTES = 19;
const CHECKSUM_BYTES = 4;
/** Everything of a Gtid event up to the times. */
const GTID_HEAD_BYTES = 42;

const uuidBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex');

const event = (type: number, body: Buffer, at: number): Buffer => {
  const bytes = Buffer.alloc(HEADER_BYTES + body.length + CHECKSUM_BYTES);
  bytes.writeUInt8(type, 4);
  bytes.writeUInt32LE(1, 5);
  bytes.writeUInt32LE(bytes.length, 9);
  bytes.writeUInt32LE(at + bytes.length, 13);
  body.copy(bytes, HEADER_BYTES);
  return bytes;
};

const previousBody = (previous: MysqlFileOptions['previous']): Buffer => {
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(previous.length));
  const sets = previous.map(([uuid, from, to]) => {
    const intervals = Buffer.alloc(24);
    intervals.writeBigUInt64LE(1n, 0);
    intervals.writeBigUInt64LE(BigInt(from), 8);
    intervals.writeBigUInt64LE(BigInt(to + 1), 16);
    return Buffer.concat([uuidBytes(uuid), intervals]);
  });
  return Buffer.concat([count, ...sets]);
};

/** The time of the original commit is there for every second one, as on a replica. */
const gtidBody = (uuid: string, sequence: number, transactionBytes: number): Buffer => {
  const head = Buffer.alloc(GTID_HEAD_BYTES);
  uuidBytes(uuid).copy(head, 1);
  head.writeBigInt64LE(BigInt(sequence), 17);
  head.writeUInt8(2, 25);
  const two = sequence % 2 === 0;
  const times = Buffer.alloc(two ? 14 : 7);
  if (two) times.writeUInt8(0x80, 6);
  const length = Buffer.from([253, 0, 0, 0]);
  length.writeUIntLE(transactionBytes, 1, 3);
  return Buffer.concat([head, times, length, Buffer.alloc(4)]);
};

export const writeMysqlBinlog = ({ previous, gtids, rowBytes = 40 }: MysqlFileOptions): Written => {
  const parts: Buffer[] = [MAGIC];
  let at = MAGIC.length;
  const add = (type: number, body: Buffer): void => {
    const bytes = event(type, body, at);
    parts.push(bytes);
    at += bytes.length;
  };
  add(15, Buffer.concat([Buffer.alloc(98), Buffer.from([1])]));
  add(35, previousBody(previous));
  const ends: number[] = [];
  for (const [uuid, sequence] of gtids) {
    const rest: readonly (readonly [number, Buffer])[] = [
      [2, Buffer.from('\0\0\0\0shop\0BEGIN')],
      [19, Buffer.alloc(30)],
      [30, Buffer.alloc(rowBytes, 7)],
      [16, Buffer.alloc(8)],
    ];
    const gtidLength = gtidBody(uuid, sequence, 0).length;
    const all = [gtidLength, ...rest.map(([, body]) => body.length)];
    const bytes = all.reduce((sum, length) => sum + HEADER_BYTES + length + CHECKSUM_BYTES, 0);
    add(33, gtidBody(uuid, sequence, bytes));
    for (const [type, body] of rest) add(type, body);
    ends.push(at);
  }
  return { bytes: Buffer.concat(parts), ends };
};
