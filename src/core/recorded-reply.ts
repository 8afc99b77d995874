/** An operator's word that must survive a restart is answered once it is on disk, or when the disk will not have it. */

import { ANSWER_WITHIN_MS } from './timing.js';
import { record, reply, set, type Turn } from './turn.js';
import type { VoterRecord } from './types.js';

export const NO_RECORD_YET =
  'there is no record to write it to yet; the peer and the witness must be heard first, see `vipctl status`';

/** The record changes at once, for all else that is written meanwhile; `text` is the answer. */
export const recordThenReply = (turn: Turn, patch: Partial<VoterRecord>, commandId: number, text: string): void => {
  const persistId = turn.s.voter.nextPersistId;
  record(turn, patch);
  set(turn, { unanswered: [...turn.s.unanswered, { persistId, commandId, text, until: turn.now + ANSWER_WITHIN_MS }] });
};

/** A write has ended. */
export const answerRecorded = (turn: Turn, persistId: number, ok: boolean, detail: string): void => {
  const { unanswered } = turn.s;
  for (const { commandId, text } of unanswered.filter((waiting) => waiting.persistId === persistId)) {
    if (ok) reply(turn, commandId, true, true, text);
    else reply(turn, commandId, true, false, forgotten(text, detail));
  }
  set(turn, { unanswered: unanswered.filter((waiting) => waiting.persistId !== persistId) });
};

/** A disk that does not answer at all is no reason to leave an operator waiting. */
export const tickUnanswered = (turn: Turn): void => {
  const late = turn.s.unanswered.filter(({ until }) => turn.now >= until);
  for (const { persistId } of late)
    answerRecorded(turn, persistId, false, `the disk did not answer in ${ANSWER_WITHIN_MS} ms`);
};

const forgotten = (text: string, detail: string): string =>
  `in force (${text}), but a restart of this agent may forget it: ${detail}; repair the disk, then say it again`;
