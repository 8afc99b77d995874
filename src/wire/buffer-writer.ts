/** A cursor over one buffer that is used again for every frame; it writes no value that a reader would refuse. */

import type { NumberTable } from './tables.js';
import { WireError } from './wire-error.js';

export class BufferWriter {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(capacityBytes: number) {
    this.#bytes = Buffer.alloc(capacityBytes);
  }

  get offset(): number {
    return this.#offset;
  }

  /** Bytes that can still be written. */
  get room(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Begins again at the start of the buffer. */
  reset(): void {
    this.#offset = 0;
  }

  /** What was written. Valid until the next `reset`. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#offset);
  }

  u8(value: number): void {
    this.#bytes.writeUInt8(value, this.#advance(1));
  }

  u16(value: number): void {
    this.#bytes.writeUInt16BE(value, this.#advance(2));
  }

  /** Overwrites two bytes written before: a length known only afterwards. */
  u16At(offset: number, value: number): void {
    this.#bytes.writeUInt16BE(value, offset);
  }

  i32(value: number): void {
    if ((value | 0) !== value) throw new WireError('bad-value', 'i32');
    this.#bytes.writeInt32BE(value, this.#advance(4));
  }

  u64(value: bigint): void {
    this.#bytes.writeBigUInt64BE(value, this.#advance(8));
  }

  /** See BufferReader.count. */
  count(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new WireError('bad-value', 'count');
    const at = this.#advance(8);
    this.#bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
    this.#bytes.writeUInt32BE(value % 0x1_0000_0000, at + 4);
  }

  /** See BufferReader.millis. */
  millis(value: number): void {
    if (!Number.isFinite(value) || value < 0) throw new WireError('bad-value', 'milliseconds');
    // Adding 0 turns -0 into 0.
    this.#bytes.writeDoubleBE(value + 0, this.#advance(8));
  }

  millisOrNone(value: number): void {
    if (value === -1) this.#bytes.writeDoubleBE(value, this.#advance(8));
    else this.millis(value);
  }

  oneOf<Name extends string>(table: NumberTable<Name>, name: Name): void {
    this.u8(table.numberOf[name]);
  }

  /** Free text, cut to `maxBytes` at a whole character. Text that is not empty stays so. */
  textCut(text: string, maxBytes: number): void {
    const at = this.#advance(1);
    this.#bytes.writeUInt8(this.#utf8(text, maxBytes), at);
  }

  /** A name or a value: too long is an error, for half of it would be another one. */
  text(text: string, maxBytes: number): void {
    if (Buffer.byteLength(text) > maxBytes) throw new WireError('bad-text', 'text');
    this.textCut(text, maxBytes);
  }

  /** As `text`, after two bytes of length. */
  longText(text: string, maxBytes: number): void {
    if (Buffer.byteLength(text) > maxBytes) throw new WireError('bad-text', 'text');
    const at = this.#advance(2);
    this.#bytes.writeUInt16BE(this.#utf8(text, maxBytes), at);
  }

  bytes(source: Buffer): void {
    source.copy(this.#bytes, this.#advance(source.length));
  }

  #utf8(text: string, maxBytes: number): number {
    if (text === '') return 0;
    // Buffer.write would quietly stop at the end of the buffer, and a text would become empty that was not.
    if (Math.min(Buffer.byteLength(text), maxBytes) > this.room) throw new WireError('too-long', 'frame');
    // It never writes part of a character (Node manual, buf.write).
    const length = this.#bytes.write(text, this.#offset, maxBytes, 'utf8');
    this.#offset += length;
    return length;
  }

  #advance(bytes: number): number {
    const at = this.#offset;
    if (at + bytes > this.#bytes.length) throw new WireError('too-long', 'frame');
    this.#offset = at + bytes;
    return at;
  }
}
