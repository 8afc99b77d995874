/** Checks on the switch that whoever sends for the VIP has the lease, and that its loser is silent from the lease's end. */

import type { Lab } from '../lab/lab.js';
import type { LostLease } from '../lab/lease-watch.js';
import { startTap } from '../lab/tap.js';
import { NODES } from '../lab/topology.js';
import type { Scenario } from './stage.js';

export interface LeaseCheck {
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

const noteOf = (lost: readonly LostLease[]): readonly string[] => {
  const margins = lost.flatMap(({ endMs, lastPacketMs }) => (lastPacketMs === null ? [] : [endMs - lastPacketMs]));
  if (margins.length === 0) return [];
  const [least, most] = [Math.min(...margins), Math.max(...margins)].map((ms) => ms.toFixed(1));
  const when = least === most ? least : `${least} to ${most}`;
  return [`${lost.length} leases ran out; the last packet for the VIP came ${when} ms before the end`];
};

export interface LeaseWatching {
  /** What was seen; again and again the same. */
  stop(): Promise<LeaseCheck>;
}

/** Begins at once. A pair without a witness renews by its gateways, which shows no lease: nothing is judged there. */
export const checkLeases = async (lab: Lab, scenario: Scenario): Promise<LeaseWatching> => {
  if (lab.options.witness === false) return { stop: async () => ({ problems: [], notes: [] }) };
  const tap = await startTap({ vips: lab.vips, voters: NODES.length + 1 });
  return {
    stop: async () => {
      const { problems, lost } = await tap.stop();
      const { leasesLost } = scenario;
      const enough = lost.length >= (leasesLost ?? 0);
      const wrong = enough ? [] : [`${lost.length} leases were seen to run out instead of ${leasesLost}`];
      return { problems: [...problems, ...wrong], notes: noteOf(lost) };
    },
  };
};
