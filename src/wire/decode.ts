/** Reads the body of each kind of message; encode.ts writes the same fields in the same order. */

import type { Beat, Message, Release, Verdict } from '../core/message.js';
import type { HoldName } from '../core/types.js';
import * as body from './body.js';
import { BufferReader } from './buffer-reader.js';
import { type FrameHeader, NAME_MAX_BYTES } from './layout.js';
import { HEALTHS, HOLDS, OPENINGS, REFUSALS, ROLES, WISH_OUTCOMES } from './tables.js';
import { WireError } from './wire-error.js';

/** The kinds that carry a message of the core's. */
export type MessageKind = Message['kind'];

/** The message in a frame of this kind. Throws a WireError, and nothing else, on bytes that encodeBody would not write. */
export const decodeBody = (datagram: Buffer, header: FrameHeader, kind: MessageKind): Message => {
  const reader = new BufferReader(datagram, header.bodyStart, header.bodyEnd);
  const message = decodeKind(reader, kind, header.term);
  reader.finish();
  return message;
};

/** The body of a HELLO. Throws a WireError. */
export const decodeHello = (datagram: Buffer, header: FrameHeader): body.Answered => {
  const reader = new BufferReader(datagram, header.bodyStart, header.bodyEnd);
  const answered = { life: reader.u64(), sequence: reader.count() };
  reader.finish();
  return answered;
};

const decodeKind = (reader: BufferReader, kind: MessageKind, term: number): Message => {
  switch (kind) {
    case 'beat':
      return decodeBeat(reader, term);
    case 'ack':
    case 'grant':
      return { kind, beat: reader.count(), term, leaseMs: reader.millis() };
    case 'poll?':
    case 'vote?':
      return { kind, term, dataTerm: reader.count(), leaseMs: reader.millis() };
    case 'poll':
    case 'vote':
      return { kind, term, verdict: decodeVerdict(reader) };
    case 'served?':
    case 'served':
      return { kind, term, sync: reader.flags(body.SYNC) === body.SYNC };
    case 'release':
      return decodeRelease(reader, term);
    case 'released':
      return { kind, term };
    default:
      return kind satisfies never;
  }
};

const decodeBeat = (reader: BufferReader, term: number): Beat => {
  const beat = reader.count();
  const role = reader.oneOf(ROLES);
  const flags = reader.flags(body.BEAT_FLAGS);
  const leaseMs = reader.millis();
  const dataTerm = reader.count();
  const servedTerm = reader.count();
  const priority = reader.i32();
  const health = reader.oneOf(HEALTHS);
  const lagMs = reader.millisOrNone();
  const sinceMs = reader.millis();
  const because = reader.oneOf(OPENINGS);
  const pause = { version: reader.count(), on: (flags & body.PAUSED) !== 0, leftMs: reader.millisOrNone() };
  const wish = {
    id: reader.count(),
    dryRun: (flags & body.WISH_DRY_RUN) !== 0,
    force: (flags & body.WISH_FORCE) !== 0,
    timeoutMs: reader.millis(),
  };
  const wishAnswerId = reader.count();
  const outcome = reader.oneOf(WISH_OUTCOMES);
  const holds = decodeHolds(reader);
  const cause = reader.text(body.CAUSE_MAX_BYTES);
  const unfit = reader.text(body.UNFIT_MAX_BYTES);
  const progress = reader.text(body.PROGRESS_MAX_BYTES);
  const wishAnswer = { id: wishAnswerId, outcome, text: reader.text(body.WISH_TEXT_MAX_BYTES) };
  const finalPosition = reader.longText(body.POSITION_MAX_BYTES);
  const applied = reader.longText(body.POSITION_MAX_BYTES);
  const position = reader.longText(body.POSITION_MAX_BYTES);
  return {
    kind: 'beat',
    beat,
    role,
    term,
    owner: (flags & body.OWNER) !== 0,
    leaseMs,
    dataTerm,
    servedTerm,
    sync: (flags & body.SYNC) !== 0,
    priority,
    health,
    cause,
    unfit,
    holds,
    position,
    readOnly: (flags & body.READ_ONLY) !== 0,
    replicating: (flags & body.REPLICATING) !== 0,
    lagMs,
    progress,
    pause,
    finalPosition,
    applied,
    sinceMs,
    because,
    wish,
    wishAnswer,
    standbyVip: (flags & body.STANDBY_VIP) !== 0,
  };
};

const decodeHolds = (reader: BufferReader): readonly HoldName[] => {
  const count = reader.u8();
  if (count > body.HOLDS_MAX) throw new WireError('bad-value', 'holds');
  const holds: HoldName[] = [];
  for (let i = 0; i < count; i++) holds.push(reader.oneOf(HOLDS));
  return holds;
};

const decodeVerdict = (reader: BufferReader): Verdict => {
  const flags = reader.flags(body.GRANTED | body.SYNC);
  const servedTerm = reader.count();
  if ((flags & body.GRANTED) !== 0) {
    const lastPosition = reader.longText(body.POSITION_MAX_BYTES);
    return { granted: true, lastPosition, servedTerm, sync: (flags & body.SYNC) !== 0 };
  }
  if (flags !== 0) throw new WireError('bad-value', 'flags');
  const why = reader.oneOf(REFUSALS);
  const holder = reader.text(NAME_MAX_BYTES);
  const maxTerm = reader.count();
  return { granted: false, why, holder, maxTerm, servedTerm, leftMs: reader.millis() };
};

const decodeRelease = (reader: BufferReader, term: number): Release => {
  const flags = reader.flags(body.UNSERVED | body.SYNC);
  const servedTerm = reader.count();
  const successor = reader.text(NAME_MAX_BYTES);
  const reason = reader.text(body.REASON_MAX_BYTES);
  const finalPosition = reader.longText(body.POSITION_MAX_BYTES);
  const unserved = (flags & body.UNSERVED) !== 0;
  return {
    kind: 'release',
    term,
    finalPosition,
    successor,
    reason,
    unserved,
    servedTerm,
    sync: (flags & body.SYNC) !== 0,
  };
};
