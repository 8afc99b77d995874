/** Where everything stands in a frame: one UDP datagram, big-endian, of at most 1,200 bytes. */

import { BufferReader } from './buffer-reader.js';
import { BufferWriter } from './buffer-writer.js';
import { type FrameKind, KINDS } from './tables.js';
import { WireError } from './wire-error.js';

/**
 * | at | bytes | field |
 * | --- | --- | --- |
 * | 0  | 1 | format version |
 * | 1  | 1 | kind, see tables.ts |
 * | 2  | 2 | length of the body |
 * | 4  | 8 | sender's life: random, made at its start for this addressee; `sequence` counts in it |
 * | 12 | 8 | sender's session: what the addressee has to name in its frames to the sender |
 * | 20 | 8 | receiver's session, as the sender knows it; 0 unknown |
 * | 28 | 8 | sequence, from 1; 0 in a HELLO |
 * | 36 | 8 | term; 0 in a HELLO |
 * | 44 | 1 + n | group |
 * |    | 1 + n | sender |
 * |    | 1 + n | addressee |
 * |    | length of the body | body, see encode.ts |
 * |    | 32 | HMAC-SHA256 (RFC 2104) over all of the above |
 */
export const FORMAT_VERSION = 1;

/** Fits the 1,280 bytes that every IPv6 link carries whole (RFC 8200, section 5), with room for a tunnel's header. */
export const FRAME_MAX_BYTES = 1200;
export const MAC_BYTES = 32;
/** Group, node and witness names; as long as a host name's label (RFC 1035, section 2.3.4). */
export const NAME_MAX_BYTES = 63;

const BODY_LENGTH_AT = 2;
const ADDRESS_AT = 44;
const ADDRESS_MIN_BYTES = 3 * (1 + 1);
/** Fixed fields, three names of one byte, an empty body. */
export const FRAME_MIN_BYTES = ADDRESS_AT + ADDRESS_MIN_BYTES + MAC_BYTES;

/** 64 random bits. */
export type Session = bigint;
export const NO_SESSION: Session = 0n;

/** Who speaks to whom. */
export interface Address {
  readonly group: string;
  readonly sender: string;
  readonly addressee: string;
}

/** What of the header differs from frame to frame. */
export interface Stamp {
  readonly senderLife: Session;
  readonly senderSession: Session;
  readonly receiverSession: Session;
  readonly sequence: number;
}

export interface FrameHeader extends Stamp, Address {
  readonly kind: FrameKind;
  readonly term: number;
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

/** The three names as they stand in a frame; made once per peer. Throws a WireError where one is empty or too long. */
export const encodeAddress = (address: Address): Buffer => {
  const writer = new BufferWriter(3 * (1 + NAME_MAX_BYTES));
  for (const name of [address.group, address.sender, address.addressee]) {
    if (name === '') throw new WireError('bad-text', 'empty name');
    writer.text(name, NAME_MAX_BYTES);
  }
  return Buffer.from(writer.written());
};

/** Writes everything before the body; `endBody` puts the body's length in afterwards. */
export const writeHeader = (writer: BufferWriter, kind: FrameKind, stamp: Stamp, term: number, names: Buffer): void => {
  writer.u8(FORMAT_VERSION);
  writer.oneOf(KINDS, kind);
  writer.u16(0);
  writer.u64(stamp.senderLife);
  writer.u64(stamp.senderSession);
  writer.u64(stamp.receiverSession);
  writer.count(stamp.sequence);
  writer.count(term);
  writer.bytes(names);
};

/** Call after the body has been written. */
export const endBody = (writer: BufferWriter, names: Buffer): void => {
  writer.u16At(BODY_LENGTH_AT, writer.offset - ADDRESS_AT - names.length);
};

/** Reads and checks everything before the body, and that body and MAC fill the datagram. Throws a WireError. */
export const readHeader = (datagram: Buffer): FrameHeader => {
  if (datagram.length < FRAME_MIN_BYTES) throw new WireError('too-short', 'frame');
  if (datagram.length > FRAME_MAX_BYTES) throw new WireError('too-long', 'frame');
  const bodyEnd = datagram.length - MAC_BYTES;
  const reader = new BufferReader(datagram, 0, bodyEnd);
  if (reader.u8() !== FORMAT_VERSION) throw new WireError('other-version', 'frame');
  const kind = KINDS.nameOf[reader.u8()];
  if (kind === undefined) throw new WireError('unknown-kind', 'frame');
  const bodyLength = reader.u16();
  const senderLife = reader.u64();
  const senderSession = reader.u64();
  if (senderLife === NO_SESSION || senderSession === NO_SESSION) throw new WireError('bad-value', 'session');
  const receiverSession = reader.u64();
  const sequence = reader.count();
  const term = reader.count();
  const group = readName(reader);
  const sender = readName(reader);
  const addressee = readName(reader);
  const bodyStart = reader.offset;
  if (bodyStart + bodyLength > bodyEnd) throw new WireError('truncated', 'body');
  if (bodyStart + bodyLength < bodyEnd) throw new WireError('trailing-bytes', 'frame');
  return {
    kind,
    senderLife,
    senderSession,
    receiverSession,
    sequence,
    term,
    group,
    sender,
    addressee,
    bodyStart,
    bodyEnd,
  };
};

const readName = (reader: BufferReader): string => {
  const name = reader.text(NAME_MAX_BYTES);
  if (name === '') throw new WireError('bad-text', 'empty name');
  return name;
};

/**
 * The group a datagram says it is of, or null where it is no frame; nothing is proven by it. For a witness that serves
 * many groups on one socket and has to choose the key.
 */
export const peekGroup = (datagram: Buffer): string | null => {
  try {
    return readHeader(datagram).group;
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
};
