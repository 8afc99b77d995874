/** Writes the body of each kind of message; decode.ts reads the same fields in the same order. */

import type { Beat, Message, Release, Verdict } from '../core/message.js';
import * as body from './body.js';
import type { BufferWriter } from './buffer-writer.js';
import { NAME_MAX_BYTES } from './layout.js';
import { HEALTHS, HOLDS, OPENINGS, REFUSALS, ROLES, WISH_OUTCOMES } from './tables.js';
import { WireError } from './wire-error.js';

/**
 * Appends the body of `message`; its kind and term are in the header. Free texts are cut, positions that do not fit
 * become '' (see body.ts). Throws a WireError for a number out of range or a name that is too long.
 */
export const encodeBody = (writer: BufferWriter, message: Message): void => {
  switch (message.kind) {
    case 'beat':
      encodeBeat(writer, message);
      return;
    case 'ack':
    case 'grant':
      writer.count(message.beat);
      writer.millis(message.leaseMs);
      return;
    case 'poll?':
    case 'vote?':
      writer.count(message.dataTerm);
      writer.millis(message.leaseMs);
      return;
    case 'poll':
    case 'vote':
      encodeVerdict(writer, message.verdict);
      return;
    case 'served?':
    case 'served':
      writer.u8(message.sync ? body.SYNC : 0);
      return;
    case 'release':
      encodeRelease(writer, message);
      return;
    case 'released':
      return;
    default:
      message satisfies never;
  }
};

/** The body of a HELLO. */
export const encodeHello = (writer: BufferWriter, answered: body.Answered): void => {
  writer.u64(answered.life);
  writer.count(answered.sequence);
};

const encodeBeat = (writer: BufferWriter, beat: Beat): void => {
  if (beat.holds.length > body.HOLDS_MAX) throw new WireError('bad-value', 'holds');
  writer.count(beat.beat);
  writer.oneOf(ROLES, beat.role);
  writer.u8(beatFlags(beat));
  writer.millis(beat.leaseMs);
  writer.count(beat.dataTerm);
  writer.count(beat.servedTerm);
  writer.i32(beat.priority);
  writer.oneOf(HEALTHS, beat.health);
  writer.millisOrNone(beat.lagMs);
  writer.millis(beat.sinceMs);
  writer.oneOf(OPENINGS, beat.because);
  writer.count(beat.pause.version);
  writer.millisOrNone(beat.pause.leftMs);
  writer.count(beat.wish.id);
  writer.millis(beat.wish.timeoutMs);
  writer.count(beat.wishAnswer.id);
  writer.oneOf(WISH_OUTCOMES, beat.wishAnswer.outcome);
  writer.u8(beat.holds.length);
  for (const hold of beat.holds) writer.oneOf(HOLDS, hold);
  writer.textCut(beat.cause, body.CAUSE_MAX_BYTES);
  writer.textCut(beat.unfit, body.UNFIT_MAX_BYTES);
  writer.textCut(beat.progress, body.PROGRESS_MAX_BYTES);
  writer.textCut(beat.wishAnswer.text, body.WISH_TEXT_MAX_BYTES);
  // Positions last: they take the room that is left, in the order of who needs it most.
  writePosition(writer, beat.finalPosition, 2 * EMPTY_POSITION_BYTES);
  writePosition(writer, beat.applied, EMPTY_POSITION_BYTES);
  writePosition(writer, beat.position, 0);
};

const beatFlags = (beat: Beat): number =>
  (beat.owner ? body.OWNER : 0) |
  (beat.sync ? body.SYNC : 0) |
  (beat.readOnly ? body.READ_ONLY : 0) |
  (beat.replicating ? body.REPLICATING : 0) |
  (beat.pause.on ? body.PAUSED : 0) |
  (beat.wish.dryRun ? body.WISH_DRY_RUN : 0) |
  (beat.wish.force ? body.WISH_FORCE : 0) |
  (beat.standbyVip ? body.STANDBY_VIP : 0);

const encodeVerdict = (writer: BufferWriter, verdict: Verdict): void => {
  if (verdict.granted) {
    writer.u8(body.GRANTED | (verdict.sync ? body.SYNC : 0));
    writer.count(verdict.servedTerm);
    writePosition(writer, verdict.lastPosition, 0);
    return;
  }
  writer.u8(0);
  writer.count(verdict.servedTerm);
  writer.oneOf(REFUSALS, verdict.why);
  writer.text(verdict.holder, NAME_MAX_BYTES);
  writer.count(verdict.maxTerm);
  writer.millis(verdict.leftMs);
};

const encodeRelease = (writer: BufferWriter, release: Release): void => {
  writer.u8((release.unserved ? body.UNSERVED : 0) | (release.sync ? body.SYNC : 0));
  writer.count(release.servedTerm);
  writer.text(release.successor, NAME_MAX_BYTES);
  writer.textCut(release.reason, body.REASON_MAX_BYTES);
  writePosition(writer, release.finalPosition, 0);
};

const EMPTY_POSITION_BYTES = 2;

/** Writes a position, or '' where it is longer than what fits: see POSITION_MAX_BYTES. */
const writePosition = (writer: BufferWriter, position: string, reservedBytes: number): void => {
  const roomBytes = writer.room - EMPTY_POSITION_BYTES - reservedBytes;
  const fits = Buffer.byteLength(position) <= Math.min(roomBytes, body.POSITION_MAX_BYTES);
  writer.longText(fits ? position : '', body.POSITION_MAX_BYTES);
};
