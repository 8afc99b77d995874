/** A record that cannot be written: this node's vote counts for nothing, so it is not fit, until the disk takes it again. */

import type { NodeState } from './state.js';
import { STEP_RETRY_MS } from './timing.js';
import { journal, noticeOnce, record, set, type Turn } from './turn.js';

/** A write of the record has ended. */
export const noteWritten = (turn: Turn, ok: boolean, detail: string): void => {
  if (ok) {
    if (turn.s.recordFault) journal(turn, { kind: 'notice', cause: 'record', text: 'the record is written again' });
    return set(turn, { recordFault: null });
  }
  set(turn, { recordFault: { detail, retryAt: turn.now + STEP_RETRY_MS } });
  noticeOnce(turn, 'alarm', 'record', `votes are refused, the record could not be written: ${detail}`);
};

/** One write at a time: a disk that does not answer is not asked again. */
export const tickRecordFault = (turn: Turn): void => {
  const { recordFault } = turn.s;
  if (!recordFault || recordFault.retryAt === null || turn.now < recordFault.retryAt) return;
  record(turn, {});
  set(turn, { recordFault: { ...recordFault, retryAt: null } });
};

/** Empty: the last write went well. */
export const recordTrouble = ({ recordFault }: NodeState): string =>
  recordFault ? `its record cannot be written, so it has no vote: ${recordFault.detail}` : '';
