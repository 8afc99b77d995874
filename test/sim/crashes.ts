/**
 * A server that died beside an agent that lives on: whoever takes over asks that agent for what is left in the binary logs,
 * and nothing that was acknowledged may be missing (product.md, promise 2), be it in sync or not.
 */

import type { NodeState } from '../../src/core/state.js';
import type { Fault } from './fault.js';
import { type Agent, type Host, otherNode, type World } from './world.js';

/** The end of a term because its database had failed. */
export interface Crash {
  readonly term: number;
  /** The process that gave the term up: a later one does not know where the binary logs lie. */
  readonly life: number;
  readonly at: number;
}

/** The newest salvage that a core has asked for. */
export interface Salvage {
  /** Which its node was about to serve in. */
  readonly term: number;
  done: boolean;
}

export const noteCrash = (world: World, agent: Agent, before: NodeState | null): void => {
  const term = before?.owner?.term;
  if (term === undefined || !agent.state?.fencing?.reason.startsWith('database-failed')) return;
  world.ledger.crash = { term, life: agent.life, at: world.now };
};

export const noteSalvageAsked = ({ ledger }: World, { state }: Agent): void => {
  ledger.salvage = { term: state?.owner?.term ?? 0, done: false };
};

export const noteSalvaged = ({ ledger }: World, ok: boolean): void => {
  if (ledger.salvage) ledger.salvage.done = ok;
};

/** The core that takes over with this term has asked, and did not get all; it takes that for more than any limit. */
export const hasFailedToSalvage = ({ ledger }: World, term: number): boolean =>
  ledger.salvage?.term === term && !ledger.salvage.done;

/** What the last owner has committed was there to be had until now. */
export const couldBeSalvaged = (world: World, successor: Host): boolean => {
  const { crash, served } = world.ledger;
  if (!world.settings.salvage || crash === null || crash.term !== served?.term) return false;
  const owner = otherNode(world, successor);
  return owner.agent?.life === crash.life && !world.plan.faults.some((fault) => keepsApart(world, fault, owner, crash));
};

/** By whom nothing is heard for a lease is dead to the other, whose agent asks it for nothing. */
const keepsApart = (world: World, fault: Fault, owner: Host, { at }: Crash): boolean => {
  if (fault.at > world.now || fault.at + fault.forMs + world.leaseMs < at) return false;
  const isNode = (name: string): boolean => world.nodes.some((host) => host.name === name);
  switch (fault.kind) {
    case 'cut':
      return isNode(fault.from) && isNode(fault.to) && fault.of !== 'replication';
    case 'loss':
    case 'delay':
      return isNode(fault.from);
    case 'isolate':
    case 'link-down':
      return isNode(fault.host);
    case 'agent-stop':
    case 'machine-freeze':
      return fault.host === owner.name;
    default:
      return false;
  }
};
