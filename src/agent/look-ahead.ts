/** What a takeover has to know is asked as soon as one is in sight, so that its steps find the answers there. */

import type { NodeState } from '../core/state.js';
import type { Millis, Term } from '../core/types.js';
import type { PeerChannel } from './peer-channel.js';
import type { PeerDatabase } from './peer-database.js';
import type { VipProbe } from './probe.js';

export interface LookAheadOptions {
  readonly leaseMs: Millis;
  readonly state: () => NodeState | null;
  readonly probe: Pick<VipProbe, 'askAhead' | 'forget'>;
  readonly peerDatabase: Pick<PeerDatabase, 'askAhead' | 'forget'>;
  readonly peerChannel: Pick<PeerChannel, 'askAhead' | 'forget'>;
  /** How far the logs of the peer's dead server go. */
  readonly askSalvage: () => void;
}

export interface LookAhead {
  /** A frame of the peer's came. */
  readonly heard: () => void;
  /** After every event. */
  readonly settled: (state: NodeState) => void;
  readonly stop: () => void;
}

/** Two of three heartbeats stayed away: more than what a network loses now and then, and early enough for an answer. */
const SILENT_AFTER = 2 / 3;

/** The owner's guard has shut, or does as we hear of it; its RELEASE follows. */
const leavesDeadServer = ({ peer }: NodeState): boolean =>
  peer.beat?.role === 'fencing' && peer.beat.health === 'failed';

export const createLookAhead = (options: LookAheadOptions): LookAhead => {
  const { leaseMs, probe, peerDatabase, peerChannel } = options;
  let silence: NodeJS.Timeout | undefined;
  let asked = false;
  let role: NodeState['role'] = 'starting';
  /** The peer's term for whose end nobody was found to answer for the VIPs, or is being looked for. */
  let foreseen: Term | null = null;

  const onSilence = (): void => {
    const state = options.state();
    if (state?.role !== 'standby' || state.peer.beat?.owner !== true) return;
    asked = true;
    probe.askAhead();
    peerDatabase.askAhead();
    peerChannel.askAhead();
  };

  return {
    heard: () => {
      // What nobody answered may have been asked of a link that was cut here.
      if (asked) {
        asked = false;
        probe.forget();
        peerDatabase.forget();
        peerChannel.forget();
      }
      if (silence) silence.refresh();
      else silence = setTimeout(onSilence, leaseMs * SILENT_AFTER).unref();
    },
    settled: (state) => {
      const stands = state.role === 'candidate' && role !== 'candidate';
      role = state.role;
      const term = state.lastOwner?.name === state.config.peer ? state.lastOwner.term : null;
      if (term === null || asked) return;
      if (role === 'standby' && leavesDeadServer(state) && foreseen !== term) {
        foreseen = term;
        probe.askAhead();
      }
      const { release } = state.peer;
      if (!stands || release?.term !== term) return;
      if (foreseen !== term) probe.askAhead();
      if (state.config.salvage && release.finalPosition === '') options.askSalvage();
    },
    stop: () => clearTimeout(silence),
  };
};
