/** Whether a channel that does not run may be started again, decided from what the two servers have. Pure. */

import { containsPosition, differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Channel, Flavour } from './flavour.js';

export interface RepairFacts {
  readonly flavour: Flavour['name'];
  readonly here: string;
  readonly there: string;
  /** This node serves clients: what it replicates may bring nothing that it has not. */
  readonly active: boolean;
  readonly channel: Channel | undefined;
  /** Of this server. */
  readonly position: Position;
  /** Everything that lies in its relay logs, applied or not. */
  readonly stored: Position;
  /** Of the other server; empty: not known. */
  readonly peerPosition: Position;
  /** What stopped the applier; empty: no error. */
  readonly applierError: string;
  /** The transaction that it was stopped at, as the server names it; empty: none, or not known. */
  readonly stoppedAt: string;
}

export type RepairPlan =
  | { readonly kind: 'nothing'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string; readonly next: string }
  /** Both threads stopped, the position set right where it is not, and started. `tls`: the channel is to use it first. */
  | { readonly kind: 'restart'; readonly why: string; readonly tls: boolean };

/** CR_AUTH_PLUGIN_ERR: caching_sha2_password without TLS, once the source was restarted (mysql.md). */
const NEEDS_TLS = 2061;
/** ER_ACCESS_DENIED_ERROR. */
const DENIED = 1045;

const refused = (why: string, next: string): RepairPlan => ({ kind: 'refused', why, next });

export const planRepair = (facts: RepairFacts): RepairPlan => {
  const { channel, here, there, peerPosition } = facts;
  if (channel === undefined)
    return refused(`${here} has no replication channel`, '"vipctl replication setup", on both nodes');
  if (channel.io === 'running' && channel.sql === 'running')
    return { kind: 'nothing', why: `${here} replicates from ${there}` };
  if (peerPosition === '')
    return refused(
      `what ${there} has committed is not known, so nobody can tell whether the two have parted`,
      `start its server; its account for ${here} lets the agent in ("vipctl replication setup" on ${there})`,
    );
  return judgeData(facts) ?? judgeApplier(facts, channel) ?? judgeReceiver(facts, channel);
};

const judgeData = ({ active, position, peerPosition, here, there }: RepairFacts): RepairPlan | undefined => {
  const extra = active ? differencePosition(peerPosition, position) : differencePosition(position, peerPosition);
  if (extra === '') return undefined;
  const [who, other] = active ? [there, here] : [here, there];
  return refused(`${who} has transactions that ${other} has not: ${extra}`, `"vipctl divergence" on ${who} shows them`);
};

const judgeApplier = (facts: RepairFacts, channel: Channel): RepairPlan | undefined => {
  const { flavour, position, stored, peerPosition, applierError, stoppedAt, here, there } = facts;
  if (channel.sql === 'running') return undefined;
  const known = stoppedAt !== '' && containsPosition(position, `${flavour}:${stoppedAt}`);
  if (applierError !== '' && !known) {
    const what = stoppedAt === '' ? 'a transaction' : `the transaction ${stoppedAt}`;
    const start = flavour === 'mariadb' ? 'START SLAVE' : 'START REPLICA';
    return refused(
      `${here} cannot apply ${what} of ${there}: ${applierError}`,
      `mend on ${here} what it stumbles over (SET SESSION sql_log_bin=0), then ${start}; or rebuild ${here}: "vipctl rejoin --discard"`,
    );
  }
  // MariaDB deletes relay logs that are not applied when it starts; what is in them must be there to be fetched again.
  if (flavour === 'mariadb' && !containsPosition(peerPosition, stored)) {
    const only = differencePosition(stored, peerPosition);
    return refused(
      `${here} has received and not applied what ${there} has not: ${only}; starting would delete it`,
      'save the relay logs, and apply them with mariadb-binlog',
    );
  }
  if (known)
    return {
      kind: 'restart',
      why: `it was sent ${stoppedAt} again, which it has: its position is set right`,
      tls: false,
    };
  return undefined;
};

const judgeReceiver = ({ here, there, flavour }: RepairFacts, channel: Channel): RepairPlan => {
  const { receiverErrno, receiverError = '', io } = channel;
  const restart = (why: string, tls = false): RepairPlan => ({ kind: 'restart', why, tls });
  if (receiverErrno === NEEDS_TLS && flavour === 'mysql') return restart(`it is to use TLS (${receiverError})`, true);
  // Of a receiver that was stopped since it is yesterday's: the password may be another by now.
  if (receiverErrno === DENIED && io !== 'stopped')
    return refused(
      `${there} refuses the login of the channel: ${receiverError}`,
      `"vipctl replication setup" on ${here}, with the password that the account has on ${there}`,
    );
  return restart(
    receiverError === ''
      ? `it was ${io === 'stopped' ? 'stopped' : 'connecting'}`
      : `its last error was: ${receiverError}`,
  );
};
