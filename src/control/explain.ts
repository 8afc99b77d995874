/** `vipctl explain`: why this node is active, or is not, in sentences for a person. */

import { formatAge, formatElapsed, formatWall } from './elapsed.js';
import { obstacles, silentNode, takesOver } from './node-problems.js';
import type { Problem } from './problem.js';
import type { HistoryEntry, NodeStatus, Status } from './status.js';

export interface Sentence {
  readonly text: string;
  /** What to type or do; empty: nothing. */
  readonly next: string;
}

const say = (text: string, next = ''): Sentence => ({ text, next });

/** What `status` tells as half a sentence. */
const told = ({ text, next }: Problem): Sentence => say(`${text.replace(/^the /, 'The ')}.`, next);

/** The answer first, then what it follows from, then what would come next. `history`: oldest first. Pure. */
export const explain = (status: Status, history: readonly HistoryEntry[]): readonly Sentence[] => {
  const self = status.nodes.find((node) => node.self);
  const peer = status.nodes.find((node) => !node.self);
  if (self === undefined || peer === undefined) return [say('The agent does not know itself yet.')];
  if (self.active) return [...isActive(status, self), ...ifItFailed(status, peer)];
  if (status.active === peer.name && peer.agent.reachable) return [...otherIsActive(status, self, peer)];
  return [...nobodyIsActive(status, self, peer), ...noted(self, history)];
};

const isActive = (status: Status, self: NodeStatus): readonly Sentence[] => {
  const { leftMs, lengthMs } = status.lease;
  const lease =
    leftMs === null
      ? 'it holds no lease now, so the guard is shut'
      : `it renews its lease, of which ${formatElapsed(leftMs)} of ${formatElapsed(lengthMs)} are left`;
  const by = status.witnesses.length === 0 ? '' : ', which a majority of the voters gave it';
  const wrong = obstacles(status, self);
  return [
    say(`${self.name} is active: it owns term ${status.term}${by}, and ${lease}.`),
    ...lastChange(status),
    ...wrong.map(({ text, next }) => say(`It is not well: ${text}.`, next)),
  ];
};

const otherIsActive = (status: Status, self: NodeStatus, peer: NodeStatus): readonly Sentence[] => [
  say(
    `${self.name} is not active because ${peer.name} is: it owns term ${status.term}, and was heard ${ago(peer)}. The VIP never moves back by itself.`,
    '"vipctl switchover" moves it here',
  ),
  ...lastChange(status),
  ...ifItFailed(status, self),
];

const ago = ({ agent }: NodeStatus): string => `${formatElapsed(agent.heardMsAgo ?? 0)} ago`;

/** What would become of the VIP without the node that has it now: the standby's part. */
const ifItFailed = (status: Status, standby: NodeStatus): readonly Sentence[] => {
  if (!standby.agent.reachable) {
    const { text, next } = silentNode(status, standby);
    return [say(`Nothing could take over: ${text}.`, next)];
  }
  const inTheWay = [...pause(status), ...obstacles(status, standby).map(told)];
  if (inTheWay.length === 0) return [say(`${standby.name} is fit to take over.`)];
  return [say(`${standby.name} would not take over if the other failed:`), ...inTheWay];
};

const pause = ({ pause: { on } }: Status): readonly Sentence[] =>
  on ? [say('The group is paused: nothing moves by itself.', '"vipctl resume"')] : [];

const nobodyIsActive = (status: Status, self: NodeStatus, peer: NodeStatus): readonly Sentence[] => [
  say(opening(status, self, peer)),
  ...pause(status),
  ...obstacles(status, self).map(told),
  ...peerInTheWay(status, self, peer),
  ...votes(status, peer),
  ...lastChange(status),
];

const opening = (status: Status, self: NodeStatus, peer: NodeStatus): string => {
  const doing = self.progress === '' ? '' : `: ${self.progress}`;
  const { noWriterSince, now } = status;
  const lasting = noWriterSince === null ? '' : `, for ${formatElapsed(now.bootMs - noWriterSince.bootMs)} now`;
  if (takesOver(self)) return `${self.name} is not active yet: it is taking over with term ${self.term}${doing}.`;
  if (self.role === 'starting') return `${self.name} is not active because its agent is starting.`;
  if (self.role === 'handing-off') return `${self.name} is handing over to ${peer.name}${doing}.`;
  if (self.role === 'fencing')
    return `${self.name} is active no longer: it has given up the VIP and makes its database read-only${doing}.`;
  if (status.active === peer.name)
    return `${self.name} is not active because ${peer.name} was when it was last heard, ${ago(peer)}, and its lease may still run.`;
  return `${self.name} is not active, and neither is ${peer.name}${lasting}.`;
};

/** The other node's part in there being no active: it may be the one that is meant to take over. */
const peerInTheWay = (status: Status, self: NodeStatus, peer: NodeStatus): readonly Sentence[] => {
  if (!peer.agent.reachable) return [told(silentNode(status, peer))];
  if (takesOver(peer)) return [say(`${peer.name} is taking over; ${self.name} leaves it to it.`)];
  return obstacles(status, peer).map(told);
};

/** Without a majority nobody is given a term; and a voter that has promised its vote waits until the promise has run out. */
const votes = (status: Status, peer: NodeStatus): readonly Sentence[] => {
  const { witnesses } = status;
  const voters = 2 + witnesses.length;
  const heard = 1 + (peer.agent.reachable ? 1 : 0) + witnesses.filter(({ reachable }) => reachable).length;
  const majority = Math.floor(voters / 2) + 1;
  const silent = witnesses.filter(({ reachable }) => !reachable).map(({ name }) => name);
  const lacking = witnesses.length > 0 && heard < majority;
  return [
    ...(lacking
      ? [
          say(
            `It hears ${heard} of ${voters} voters, itself included, and a term needs ${majority}: nothing comes from ${silent.join(' and ')}.`,
            `see that ${silent.join(' and ')} can be reached by UDP, both ways`,
          ),
        ]
      : []),
    ...witnesses.flatMap(({ name, promise }) =>
      promise === null
        ? []
        : [say(`${name} has promised its vote to ${promise.to} for another ${formatElapsed(promise.leftMs)}.`)],
    ),
  ];
};

const lastChange = ({ lastChange: change, now }: Status): readonly Sentence[] =>
  change === null
    ? []
    : [
        say(
          `Last change, ${formatAge(change.at, now)}: ${change.node} ${change.from} -> ${change.to}, ${change.text}.`,
        ),
      ];

/** Refusals and holds that this node wrote down last explain what its present state alone does not. */
const MAX_NOTED = 3;

const noted = ({ name }: NodeStatus, history: readonly HistoryEntry[]): readonly Sentence[] => {
  const since = history.findLastIndex(({ kind }) => kind === 'transition');
  return history
    .slice(since + 1)
    .filter(({ kind }) => kind === 'refusal' || kind === 'notice' || kind === 'alarm')
    .slice(-MAX_NOTED)
    .map(({ at, text }) => say(`${name} noted at ${formatWall(at)}: ${text}.`));
};
