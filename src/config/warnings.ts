/** What is allowed and may still surprise: told at each start and by check-config. */

import { addressPromiseMs } from '../core/timing.js';
import { type Address, isLoopback } from './address.js';
import { formatDuration } from './duration.js';
import { type Problem, wrongAt } from './problem.js';
import type { VipdFile } from './schema.js';
import { COMFORTABLE_LEASE_MS } from './timing.js';

/** Directories that are empty after a restart of the host (hier(7), file-hierarchy(7)). */
const VOLATILE_DIRECTORIES: readonly string[] = ['/run', '/tmp', '/dev/shm', '/var/run'];

export const warnings = (file: VipdFile): readonly Problem[] => [
  ...leaseWarnings(file),
  ...lossWarnings(file),
  ...reachWarnings(file),
  ...stateWarnings(file.state_directory),
];

/** Votes that a restart forgets can be given twice. */
export const stateWarnings = (directory: string): readonly Problem[] =>
  VOLATILE_DIRECTORIES.some((volatile) => `${directory}/`.startsWith(`${volatile}/`))
    ? [
        wrongAt(
          ['state_directory'],
          `${directory} is empty after a restart of the host, which then has no vote until its peer tells it more`,
          'write a directory on disk, such as /var/lib/vipd',
        ),
      ]
    : [];

const leaseWarnings = ({ heartbeat, guard }: VipdFile): readonly Problem[] => {
  const leaseMs = heartbeat.interval * heartbeat.dead_after;
  const problems: Problem[] = [];
  if (leaseMs < COMFORTABLE_LEASE_MS) {
    const why = `makes a lease of ${formatDuration(leaseMs)}, which a busy host can miss without any fault`;
    const hint = `a lease of ${formatDuration(COMFORTABLE_LEASE_MS)} or more is safe from that`;
    problems.push(wrongAt(['heartbeat', 'interval'], why, hint));
  }
  if (guard === 'address') {
    const extra = formatDuration(addressPromiseMs(leaseMs) - leaseMs);
    const why = `adds ${extra} to each takeover: the kernel counts lifetimes of addresses in whole seconds`;
    problems.push(wrongAt(['guard'], why, 'nftables adds nothing, where the kernel has it'));
  }
  return problems;
};

const lossWarnings = ({ witnesses, promotion, mysql }: VipdFile): readonly Problem[] => {
  const problems: Problem[] = [];
  if (witnesses.length === 0) {
    const why = 'is empty, so a network partition can leave both nodes active';
    problems.push(wrongAt(['witnesses'], why, 'run `vipd witness` on a third host'));
  }
  if (promotion.max_loss === 'any') {
    const why = 'lets a standby take over whatever commits are lost';
    problems.push(
      wrongAt(['promotion', 'max_loss'], why, 'a duration holds back instead, and says what would be lost'),
    );
  }
  if (mysql.semi_sync === 'off') {
    const why = "off means that a host's death loses what its peer had not received";
    problems.push(
      wrongAt(['mysql', 'semi_sync'], why, 'manage waits for the standby at each commit, while there is one'),
    );
  }
  return problems;
};

const reachWarnings = ({ nodes, witnesses, http }: VipdFile): readonly Problem[] => {
  const problems: Problem[] = [];
  const loopback = (path: Problem['path'], address: Address): void => {
    if (!isLoopback(address)) return;
    problems.push(
      wrongAt(path, `${address.address} is a loopback address, which no other host reaches`, 'for trials only'),
    );
  };
  for (const [name, { address }] of Object.entries(nodes)) loopback(['nodes', name, 'address'], address);
  for (const [index, { address }] of witnesses.entries()) loopback(['witnesses', index, 'address'], address);
  if (http !== undefined && !isLoopback(http.listen)) {
    const why = `${http.listen.address} lets every host that reaches it read status and metrics`;
    problems.push(
      wrongAt(['http', 'listen'], why, 'write 127.0.0.1, or see to it that only the monitoring reaches it'),
    );
  }
  return problems;
};
