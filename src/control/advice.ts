/** What an operator can type or do about each hold. */

import type { HoldName, VoterName } from '../core/types.js';

/** Who holds, and whom the advice may name besides. */
export interface Situation {
  readonly node: VoterName;
  readonly peer: VoterName;
  /** The command can be typed here; otherwise the advice says where. */
  readonly self: boolean;
  readonly vip: string;
}

const promoteAnyway = (s: Situation): string =>
  `bring ${s.peer} back; or, to give up what only ${s.peer} has, ${commandOn('vipctl promote --accept-loss', s)}`;

const startOrPromote = (s: Situation): string =>
  `start ${s.peer}; or, if ${s.node} has the newest data, ${commandOn('vipctl promote', s)}`;

const ADVICE = {
  paused: (s) => commandOn('vipctl resume', s),
  maintenance: (s) => commandOn('vipctl maintenance off', s),
  stale: promoteAnyway,
  quarantined: (s) =>
    `${commandOn('vipctl divergence', s)} shows them; ${commandOn('vipctl rejoin', s)} tells how it comes back`,
  cooldown: (s) => `wait, or move by hand: ${commandOn('vipctl switchover', s)}`,
  flapping: (s) => `find the cause in "vipctl history", then ${commandOn('vipctl resume', s)}`,
  loss: promoteAnyway,
  replication: (s) =>
    `on ${s.node}, look at SHOW REPLICA STATUS and repair what stopped it, then ${commandOn('vipctl resume', s)}`,
  'peer-alive': (s) => `start vipd on ${s.peer}; or stop its database, then ${commandOn('vipctl promote', s)}`,
  isolated: (s) => `look at the network of ${s.node}: links, switch, gateways`,
  alone: startOrPromote,
  hook: (s) => `repair the hook that "vipctl history" names, then ${commandOn('vipctl promote', s)}`,
  'promotion-failed': (s) => `repair the step that "vipctl history" names, then ${commandOn('vipctl promote', s)}`,
  stranger: (s) => `on ${s.node}, "arping -c 3 ${s.vip}" shows who answers; take the address off there`,
  'no-record': startOrPromote,
  fence: (s) =>
    `repair the command of "fence", which is tried again; or see that ${s.peer} is off, then ${commandOn('vipctl promote', s)}`,
} as const satisfies Record<HoldName, (s: Situation) => string>;

/** What helps against a hold, as words that follow "next: ". */
export const adviceFor = (hold: HoldName, situation: Situation): string => ADVICE[hold](situation);

/** A command, with the host to type it on unless that is this one. */
export const commandOn = (command: string, where: Pick<Situation, 'node' | 'self'>): string =>
  where.self ? `"${command}"` : `"${command}" on ${where.node}`;
