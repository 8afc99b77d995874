/** When the core must be called again, if nothing else happens before. */

import { unackedVoters } from './lease.js';
import { peerFenceUntil } from './peer-fence.js';
import { standbyVipTimes } from './standby-vip.js';
import type { Fencing, NodeState } from './state.js';
import { fenceBudget, resendEvery } from './timing.js';
import type { Instant } from './types.js';

/** The earliest time after `now` at which `step` with a `tick` would do something. */
export const wakeAt = (s: NodeState, now: Instant): Instant => {
  const times: Instant[] = [s.beats.sentAt + s.config.intervalMs];
  const { config, owner } = s;
  if (owner) {
    times.push(owner.leaseUntil - fenceBudget(config.leaseMs));
    if (unackedVoters(s, now).length > 0) times.push(s.beats.resentAt + resendEvery(config));
    if (owner.recording) times.push(owner.recording.sentAt + config.intervalMs / 2);
  }
  if (s.role === 'standby') times.push(...standbyTimes(s));
  if (s.election) times.push(s.election.askedAt + config.intervalMs / 2, ...s.election.askAgain.values());
  const fenceUntil = peerFenceUntil(s);
  if (fenceUntil !== null) times.push(fenceUntil);
  times.push(...s.releasing.map(({ sentAt }) => sentAt + config.intervalMs / 2));
  if (s.fencing) times.push(...fencingTimes(s.fencing));
  times.push(...standbyVipTimes(s, now));
  // What was due has been done by the last step; only what lies ahead counts.
  return Math.min(...times.filter((at) => at > now));
};

const fencingTimes = ({ released, releaseBy, vipOffRetryAt, databaseRetryAt }: Fencing): readonly Instant[] =>
  [released ? null : releaseBy, vipOffRetryAt, databaseRetryAt].filter((at) => at !== null);

/** A standby looks again when promises, waits and muteness end. */
const standbyTimes = (s: NodeState): readonly Instant[] => {
  const { voter, retryAt, yieldUntil } = s;
  const ends = [
    voter.promiseUntil,
    voter.muteUntil,
    retryAt,
    yieldUntil ?? 0,
    voter.released?.until ?? 0,
    s.peer.heardAt + s.config.leaseMs,
  ];
  return ends.filter(Number.isFinite);
};
