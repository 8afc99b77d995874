/** What programs are told: the status with what is wrong in it, so that monitoring need not judge for itself. */

import { diagnose, headline, type Problem } from './diagnosis.js';
import type { Status } from './status.js';

/** `vipctl status --json`, and `/status` over HTTP. */
export interface Report extends Status {
  /** One sentence: who is active and what is wrong. */
  readonly headline: string;
  /** Worst first. */
  readonly problems: readonly Problem[];
}

export const reportOf = (status: Status): Report => {
  const problems = diagnose(status);
  return { ...status, headline: headline(status, problems), problems };
};
