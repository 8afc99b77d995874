/** A cursor over received bytes that never reads beyond its end and takes no value its field does not allow. */

import { isUtf8 } from 'node:buffer';
import type { NumberTable } from './tables.js';
import { WireError } from './wire-error.js';

export class BufferReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #offset: number;

  /** Reads `bytes` from `start` up to, and not including, `end`. */
  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8));
  }

  /** A whole number of 8 bytes that a JavaScript number holds exactly: 0 to 2^53 - 1. */
  count(): number {
    const at = this.#advance(8);
    const value = this.#bytes.readUInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
    if (value > Number.MAX_SAFE_INTEGER) throw new WireError('bad-value', 'count');
    return value;
  }

  /** Milliseconds with fractions (IEEE 754, 8 bytes): finite and not negative. */
  millis(): number {
    const value = this.#bytes.readDoubleBE(this.#advance(8));
    // -0 would come back unequal to what any sender of ours writes.
    if (!Number.isFinite(value) || value < 0 || Object.is(value, -0)) throw new WireError('bad-value', 'milliseconds');
    return value;
  }

  /** Milliseconds as above, or -1 where there is no such time. */
  millisOrNone(): number {
    const at = this.#advance(8);
    const value = this.#bytes.readDoubleBE(at);
    if (value === -1) return value;
    this.#offset = at;
    return this.millis();
  }

  /** A byte of flags of which only those in `allowed` may be set. */
  flags(allowed: number): number {
    const value = this.u8();
    if ((value & ~allowed) !== 0) throw new WireError('bad-value', 'flags');
    return value;
  }

  oneOf<Name extends string>(table: NumberTable<Name>): Name {
    const name = table.nameOf[this.u8()];
    if (name === undefined) throw new WireError('bad-value', 'enumeration');
    return name;
  }

  /** UTF-8 after one byte of length. */
  text(maxBytes: number): string {
    return this.#utf8(this.u8(), maxBytes);
  }

  /** UTF-8 after two bytes of length. */
  longText(maxBytes: number): string {
    return this.#utf8(this.u16(), maxBytes);
  }

  /** Everything must have been read. */
  finish(): void {
    if (this.#offset !== this.#end) throw new WireError('trailing-bytes', 'body');
  }

  #utf8(length: number, maxBytes: number): string {
    if (length === 0) return '';
    if (length > maxBytes) throw new WireError('bad-text', 'text');
    const at = this.#advance(length);
    if (!isUtf8(this.#bytes.subarray(at, at + length))) throw new WireError('bad-text', 'text');
    return this.#bytes.toString('utf8', at, at + length);
  }

  #advance(bytes: number): number {
    const at = this.#offset;
    if (at + bytes > this.#end) throw new WireError('truncated', 'field');
    this.#offset = at + bytes;
    return at;
  }
}
