/** No preemption: what may make an owner give up its place, and what may not. */

import type { Fault } from './fault.js';
import { violation } from './ledger.js';
import { type Host, isTainted, localTime, type World } from './world.js';

/** Faults after which an owner may rightly lose its lease, and for how long after. */
const LEASE_FAULTS: readonly Fault['kind'][] = [
  'cut',
  'isolate',
  'loss',
  'delay',
  'agent-kill',
  'agent-stop',
  'machine-freeze',
  'power-off',
  'record-lost',
  'disk-slow',
  'disk-full',
  'link-down',
  'gateways-silent',
];
const AFTERMATH_MS = 10_000;
const OPERATOR_MS = 30_000;

/** A healthy owner whose lease is renewed moves for a command or a fault, and for nothing else. */
export const checkDisplaced = (world: World, host: Host, cause: string, text: string): void => {
  if (isJustified(world, host, cause) || (cause === 'handed-off' && wasMadeReadOnly(world, host, text))) return;
  violation(
    world,
    'displaced',
    `${host.name} gave up its place by '${cause}', and nothing had happened that explains it`,
  );
};

const isJustified = (world: World, host: Host, cause: string): boolean => {
  const lately = (kinds: readonly Fault['kind'][], matches: (fault: Fault) => boolean = () => true): boolean =>
    world.plan.faults.some(
      (fault) =>
        kinds.includes(fault.kind) &&
        matches(fault) &&
        fault.at <= world.now &&
        fault.at + fault.forMs + AFTERMATH_MS >= world.now,
    );
  // What happened to the other node explains nothing here.
  const here = (kinds: readonly Fault['kind'][]): boolean =>
    lately(kinds, (fault) => 'host' in fault && fault.host === host.name);
  const wasFenced = world.now - (world.ledger.split.fencedAt.get(host.name) ?? Number.NEGATIVE_INFINITY) < AFTERMATH_MS;
  const commanded = world.now - world.ledger.lastCommandAt < OPERATOR_MS;
  switch (cause) {
    case 'higher-term':
      // A lease that is renewed excludes another owner, unless this machine's clock stood still.
      return (
        localTime(world, host) >= (host.agent?.state?.owner?.leaseUntil ?? 0) ||
        isTainted(world, host) ||
        world.ledger.split.alone.size > 0
      );
    case 'lease-lost':
      // An agent that an operator stops is one voter less, where another does not renew (STATUS.md, Known gaps).
      return (
        lately(LEASE_FAULTS) ||
        lately(['operator'], (fault) => fault.kind === 'operator' && fault.command.name === 'stop') ||
        world.settings.shortPromises
      );
    case 'database-failed':
      return wasFenced || here(['mysqld-kill', 'mysqld-hang', 'power-off', 'steps-slow', 'made-read-only']);
    case 'link-down':
      return here(['link-down']);
    case 'vip-failed':
      return here(['vip-lost', 'vip-stuck']) || lately(LEASE_FAULTS);
    case 'check-failed':
      // It serves nobody while its database is read-only, and hands off as soon as there is a standby to hand off to.
      return (
        host.server?.readOnly === true ||
        here(['check-fails', 'made-read-only', 'mysqld-kill', 'steps-slow', 'steps-fail'])
      );
    case 'made-read-only':
      // A server that is started anew is read-only (my.cnf).
      return (
        wasFenced || here(['made-read-only', 'mysqld-kill', 'mysqld-hang', 'power-off', 'steps-slow', 'steps-fail'])
      );
    case 'undo-failed':
      return (
        commanded || here(['check-fails', 'made-read-only', 'steps-fail', 'steps-slow', 'mysqld-kill', 'mysqld-hang'])
      );
    default:
      return commanded || here(['check-fails', 'mysqld-kill']);
  }
};

/** With nobody to hand off to it keeps the VIP over a read-only database for as long as that lasts. */
const wasMadeReadOnly = (world: World, host: Host, text: string): boolean =>
  text.endsWith(OTHER_HAND) &&
  (world.ledger.shutByTheDead.has(host.name) ||
    world.plan.faults.some(
      (fault) =>
        READ_ONLY_AFTER.includes(fault.kind) && 'host' in fault && fault.host === host.name && fault.at <= world.now,
    ));

/** A server that is started anew is read-only too (my.cnf). */
const READ_ONLY_AFTER: readonly Fault['kind'][] = ['made-read-only', 'mysqld-kill', 'mysqld-hang', 'power-off'];
const OTHER_HAND = 'another hand made the database read-only';
