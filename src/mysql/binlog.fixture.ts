/** Writes binary log files as MariaDB does, event by event, for tests without a server. */

import { crc32 } from 'node:zlib';

export interface Written {
  readonly bytes: Buffer;
  /** End of each whole transaction, in order. */
  readonly ends: readonly number[];
}

export type Group =
  | { readonly gtid: string; readonly kind: 'rows'; readonly bodyBytes?: number }
  | { readonly gtid: string; readonly kind: 'ddl' }
  /** Of a table without transactions: ended by a query that says COMMIT. */
  | { readonly gtid: string; readonly kind: 'commit-query' };

export interface FileOptions {
  readonly list: readonly string[];
  readonly groups: readonly Group[];
  readonly checksum?: boolean;
  readonly encrypted?: boolean;
}

const MAGIC = Buffer.from('fe62696e', 'hex');

/** Real event checksums are CRC32 as zlib has it; Node before 20.15 has none, and no test reads them. */
const checksumOf = (bytes: Buffer): number => (typeof crc32 === 'function' ? crc32(bytes) : 0);

export const writeBinlog = ({ list, groups, checksum = true, encrypted = false }: FileOptions): Written => {
  const parts: Buffer[] = [MAGIC];
  let at = MAGIC.length;
  const add = (type: number, server: number, body: Buffer, always = false): void => {
    const tail = checksum || always ? 4 : 0;
    const event = Buffer.alloc(19 + body.length + tail);
    event.writeUInt8(type, 4);
    event.writeUInt32LE(server, 5);
    event.writeUInt32LE(event.length, 9);
    event.writeUInt32LE(at + event.length, 13);
    body.copy(event, 19);
    if (tail > 0) event.writeUInt32LE(checksumOf(event.subarray(0, -4)), event.length - 4);
    parts.push(event);
    at += event.length;
  };
  add(15, 1, Buffer.concat([Buffer.alloc(2 + 50 + 4 + 1 + 100), Buffer.from([checksum ? 1 : 0])]), true);
  if (encrypted) add(164, 1, Buffer.alloc(17));
  add(163, 1, listBody(list));
  add(161, 1, Buffer.from('\x0e\0\0\0binlog.000001x'));
  const ends: number[] = [];
  for (const group of groups) {
    const [domain = 0, server = 0, sequence = 0] = group.gtid.split('-').map(Number);
    add(162, server, gtidBody(domain, sequence, group.kind === 'ddl'));
    switch (group.kind) {
      case 'ddl':
        add(2, server, Buffer.from('\0\0\0\0CREATE TABLE t (id INT)'));
        break;
      case 'rows':
        add(160, server, Buffer.from('INSERT INTO t VALUES (1)'));
        add(19, server, Buffer.alloc(30));
        add(23, server, group.bodyBytes === undefined ? Buffer.from('a row') : Buffer.alloc(group.bodyBytes, 7));
        add(16, server, Buffer.alloc(8));
        break;
      case 'commit-query':
        add(2, server, Buffer.from('\0\0\0\0INSERT INTO t VALUES (1)'));
        add(2, server, Buffer.from('\0\0\0\0test\0COMMIT'));
        break;
      default:
        group satisfies never;
    }
    ends.push(at);
  }
  return { bytes: Buffer.concat(parts), ends };
};

const listBody = (list: readonly string[]): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(list.length);
  return Buffer.concat([
    head,
    ...list.map((gtid) => {
      const [domain = 0, server = 0, sequence = 0] = gtid.split('-').map(Number);
      const entry = Buffer.alloc(16);
      entry.writeUInt32LE(domain, 0);
      entry.writeUInt32LE(server, 4);
      entry.writeBigUInt64LE(BigInt(sequence), 8);
      return entry;
    }),
  ]);
};

const gtidBody = (domain: number, sequence: number, standalone: boolean): Buffer => {
  const body = Buffer.alloc(19);
  body.writeBigUInt64LE(BigInt(sequence), 0);
  body.writeUInt32LE(domain, 8);
  body.writeUInt8(standalone ? 1 : 0, 12);
  return body;
};
