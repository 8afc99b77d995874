/** What the last owner may have committed that did not arrive here (mysql.md, Promotion 4). */

import type { Release, Verdict } from './message.js';
import {
  containsPosition,
  countMissing,
  describeDifference,
  describePosition,
  isAhead,
  mergePositions,
} from './position.js';
import type { NodeState, Promotion } from './state.js';
import { isPairAlone, servedLast } from './turn.js';
import type { Instant, Millis, Position, Term } from './types.js';

/** `lossMs` 0: nothing acknowledged can be missing. Infinity: nobody can say. */
export interface Loss {
  readonly lossMs: Millis;
  readonly text: string;
}

/** The RELEASE of whoever served last: that of an earlier term says nothing of its end. */
export const lastRelease = ({ peer }: NodeState, servedBefore: Term): Release | null =>
  peer.release && peer.release.term >= servedBefore ? peer.release : null;

/** Where the last owner's data ends for certain: by its RELEASE, or by our own hand on its database; empty: not known. */
export const finalPositionOf = (s: NodeState, servedBefore: Term): Position =>
  lastRelease(s, servedBefore)?.finalPosition || shutPosition(s);

const shutPosition = ({ evidence }: NodeState): Position => (evidence.verdict === 'peer-dead' ? evidence.position : '');

/** What any voter, the peer's BEATs or its RELEASE know of the last owner's commits. */
export const lastKnownPosition = (s: NodeState, verdicts: readonly Verdict[]): Position => {
  const told = verdicts.map((v) => (v.granted ? v.lastPosition : ''));
  const own = [s.peer.beat?.position ?? '', s.peer.release?.finalPosition ?? '', shutPosition(s)];
  return [...told, ...own].reduce(mergePositions, '');
};

/** The newest term that served, as these voters know it. */
export const newestServed = (verdicts: readonly Verdict[]): Term => Math.max(...verdicts.map((v) => v.servedTerm));

/** In sync only if every vote of our majority that knows the newest term says so: one that says `off` may be the newer. */
export const wasInSync = (verdicts: readonly Verdict[]): boolean => {
  const newest = newestServed(verdicts);
  return verdicts.filter((v) => v.servedTerm === newest).every((v) => v.granted && v.sync);
};

/**
 * In a pair without a witness, an owner alone records that its term serves: one that this node voted for may have opened
 * with nobody told of it. Since its newest BEAT, in which it did not serve yet; null: there is no such term.
 */
export const mayHaveServedSince = (s: NodeState): Instant | null => {
  const { voter, config, peer } = s;
  const { record, released } = voter;
  if (!isPairAlone(s) || record?.holder !== config.peer || record.maxTerm <= record.servedTerm) return s.unheardSince;
  if (released?.term === record.maxTerm) return s.unheardSince;
  return peer.beat ? peer.asOf : Number.NEGATIVE_INFINITY;
};

/** Weighs `position`, after all that was received is applied, against what is known of the last owner. */
export const weigh = (s: NodeState, promotion: Promotion, position: Position, now: Instant): Loss => {
  const { config, peer } = s;
  const { unheardSince } = s;
  const unmissed = whyUnmissed(s, promotion, position);
  if (unmissed !== '' && unheardSince === null) return nothing(unmissed);
  // A RELEASE that came before the last vote tells nothing of the term that was voted for.
  const told = unheardSince === null ? finalPositionOf(s, promotion.servedBefore) : shutPosition(s);
  const final = promotion.shutAt === '' ? told : promotion.shutAt;
  if (final !== '' && containsPosition(position, final))
    return nothing('the final position of the last active is applied');
  if (promotion.salvage === 'done') return nothing("everything in the dead server's binary logs is here");
  if (unmissed !== '' && unheardSince !== null) {
    const lossMs = now - unheardSince + config.intervalMs;
    return { lossMs, text: describe(s, promotion, position, `if it has served by the last vote, ${lastMs(lossMs)}`) };
  }
  // A failed salvage counts as more than any limit: how much was left there is not known.
  const unknown = promotion.salvage === 'failed' || isGivenUp(s, promotion, position) || promotion.lastPosition === '';
  const followed = (s.voter.record?.dataTerm ?? 0) >= promotion.servedBefore;
  if (unknown || peer.caughtUpAt === null || !followed) {
    return { lossMs: Number.POSITIVE_INFINITY, text: describe(s, promotion, position, 'an unknown part') };
  }
  // Each BEAT that renewed its lease reached a voter of our majority: it served for a lease after the last that we know.
  const contained = promotion.lastPositionTold && containsPosition(position, promotion.lastPosition);
  const isReleased = lastRelease(s, promotion.servedBefore) !== null;
  const until = isReleased ? peer.releasedAt : now;
  const servedOnMs = contained ? (isReleased ? 0 : config.leaseMs) : Math.max(0, until - peer.caughtUpAt);
  // A position in a BEAT is a poll old.
  const lossMs = servedOnMs + config.intervalMs;
  return { lossMs, text: describe(s, promotion, position, lastMs(lossMs)) };
};

/** Empty: what served before this node's last vote may have left something that is not here. */
const whyUnmissed = (s: NodeState, promotion: Promotion, position: Position): string => {
  const { servedBefore } = promotion;
  if (servedBefore === 0 && !isAhead(s.peer.beat?.position ?? '', position)) return 'nobody has served before';
  if (servedLast(s, servedBefore)) return 'this node served last';
  const followed = (s.voter.record?.dataTerm ?? 0) >= servedBefore;
  const applied = !isGivenUp(s, promotion, position);
  return promotion.lastSync && followed && applied ? 'every acknowledged commit was received here (sync)' : '';
};

/** What was received and cannot be applied may be any time old. */
const isGivenUp = (s: NodeState, promotion: Promotion, position: Position): boolean =>
  promotion.channelGivenUp && !containsPosition(position, s.database.received);

const lastMs = (lossMs: Millis): string =>
  Number.isFinite(lossMs) ? `up to the last ${Math.ceil(lossMs)} ms` : 'an unknown part';

const nothing = (text: string): Loss => ({ lossMs: 0, text });

const describe = (s: NodeState, promotion: Promotion, position: Position, part: string): string =>
  `${part} of the commits of ${s.config.peer} may not be here${describeMissing(promotion, position)}`;

/** From where on, and up to where as far as that is known. */
const describeMissing = ({ lastPosition, salvage }: Promotion, position: Position): string => {
  const known = countMissing(lastPosition, position);
  if (known > 0)
    return `; at most ${known} transactions are known not to be: ${describeDifference(lastPosition, position)}`;
  // Its logs would have told.
  if (salvage !== 'failed' || position === '') return '';
  return `; nothing is known of what came after ${describePosition(position)}`;
};
