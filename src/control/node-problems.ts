/** What is wrong with one node, by what it says of itself and by whether it is heard. */

import { adviceFor, commandOn } from './advice.js';
import { formatElapsed } from './elapsed.js';
import type { Problem } from './problem.js';
import type { NodeStatus, Status } from './status.js';

export const nodeProblems = (status: Status, node: NodeStatus): readonly Problem[] => {
  if (!node.agent.reachable) return [silentNode(status, node)];
  const holds = holdProblems(status, node);
  return [
    ...healthProblems(node),
    ...holds,
    ...replicationProblems(status, node),
    ...pathProblems(node),
    ...progressNote(status, node),
    ...unexplained(node, holds.length > 0 || node.replication.running === false),
  ];
};

/** What keeps a node that is heard from taking over; a pause of the whole group is told elsewhere. */
export const obstacles = (status: Status, node: NodeStatus): readonly Problem[] => {
  const holds = holdProblems(status, node);
  return [...healthProblems(node), ...holds, ...unexplained(node, holds.length > 0)];
};

const holdProblems = (status: Status, node: NodeStatus): readonly Problem[] => {
  const peer = status.nodes.find((n) => n.name !== node.name)?.name ?? 'the other node';
  const vip = status.vips[0]?.address.split('/')[0] ?? 'VIP';
  const situation = { node: node.name, peer, self: node.self, vip };
  return node.holds
    .filter((hold) => !(hold.name === 'paused' && status.pause.on))
    .map((hold) => ({
      severity: hold.name === 'cooldown' ? 'note' : 'warning',
      brief: `${node.name} ${hold.name}`,
      text: `${node.name} holds "${hold.name}": ${hold.why}`,
      next: adviceFor(hold.name, situation),
    }));
};

export const silentNode = (status: Status, node: NodeStatus): Problem => {
  const { heardMsAgo } = node.agent;
  const heard = heardMsAgo === null ? 'has not been heard yet' : `was last heard ${formatElapsed(heardMsAgo)} ago`;
  const alone = status.active === null || status.active === node.name ? '' : '; there is no standby to take over';
  const text = `the agent of ${node.name} ${heard}${alone}`;
  return { severity: 'warning', brief: `${node.name} silent`, text, next: `"systemctl status vipd" on ${node.name}` };
};

const healthProblems = (node: NodeStatus): readonly Problem[] => {
  const unwritable = node.active && node.readOnly === true;
  const writable = !node.active && node.readOnly === false && node.role === 'standby';
  const log = `see "journalctl -u vipd" on ${node.name}`;
  return [
    ...(node.health === 'failed'
      ? [
          {
            severity: 'warning' as const,
            brief: `${node.name} unhealthy`,
            text: `${node.name} is unhealthy: ${node.cause}`,
            next: repairFor(node),
          },
        ]
      : []),
    ...(unwritable
      ? [
          {
            severity: 'critical' as const,
            brief: `${node.name} read-only`,
            text: `${node.name} is active, but its database is read-only`,
            next: log,
          },
        ]
      : []),
    ...(writable
      ? [
          {
            severity: 'warning' as const,
            brief: `${node.name} writable`,
            text: `${node.name} is standby, but its database takes writes`,
            next: log,
          },
        ]
      : []),
  ];
};

const repairFor = (node: NodeStatus): string =>
  node.active
    ? `repair it, or move: ${commandOn('vipctl switchover', { node: node.name, self: node.self })}`
    : `repair it on ${node.name}`;

const replicationProblems = (status: Status, node: NodeStatus): readonly Problem[] => {
  const { running, error } = node.replication;
  if (running !== false) return [];
  const peerHeard = status.nodes.some((n) => n.name !== node.name && n.agent.reachable);
  // A node that holds, is unhealthy, or whose source is gone does not replicate: that is told already.
  const explained = node.holds.length > 0 || node.health === 'failed' || !peerHeard;
  if (error === '' && explained) return [];
  const text = `${node.name} does not replicate from the other node${error === '' ? '' : `: ${error}`}`;
  // An active opens its channel only once the returning node has been judged, so by itself that is no fault.
  const severity = node.active && error === '' ? 'note' : 'warning';
  return [{ severity, brief: `${node.name} not replicating`, text, next: `SHOW REPLICA STATUS on ${node.name}` }];
};

const pathProblems = (node: NodeStatus): readonly Problem[] =>
  node.agent.paths
    .filter((path) => !path.up)
    .map((path) => ({
      severity: 'warning',
      brief: `path to ${node.name} down`,
      text: `nothing comes from ${node.name} on the path ${path.name}`,
      next: 'look at that link on both hosts',
    }));

const progressNote = (status: Status, node: NodeStatus): readonly Problem[] => {
  if (node.progress === '' || (status.noWriter && takesOver(node))) return [];
  return [{ severity: 'note', brief: `${node.name} busy`, text: `${node.name}: ${node.progress}`, next: '' }];
};

/** It has, or asks for, a term that it does not serve yet. */
export const takesOver = (node: NodeStatus): boolean => node.role === 'promoting' || node.role === 'candidate';

/** A standby that is not fit, for a reason that nothing above has told. */
const unexplained = (node: NodeStatus, told: boolean): readonly Problem[] => {
  if (node.unfit === '' || node.active || node.health === 'failed' || told) return [];
  const text = `${node.name} could not take over: ${node.unfit}`;
  return [{ severity: 'warning', brief: `${node.name} not fit`, text, next: '' }];
};
