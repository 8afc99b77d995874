/** A node or a witness of the world in memory, and what all of them share. */

import type { Evidence } from '../../src/core/event.js';
import type { Message } from '../../src/core/message.js';
import type { NodeState } from '../../src/core/state.js';
import type { CoreConfig, VoterRecord } from '../../src/core/types.js';
import type { VoterState } from '../../src/core/voter.js';
import type { Server } from './database.js';

export interface Host {
  readonly name: string;
  state: NodeState | null;
  voter: VoterState | null;
  disk: VoterRecord | null;
  diskFails: boolean;
  frozen: boolean;
  vip: boolean;
  /** The standby VIP is on, and the guard of its own. */
  standbyVip: boolean;
  standbyGuardUntil: number;
  /** The guard in the kernel: past it nothing passes for the VIP, whatever the agent does. */
  guardUntil: number;
  server: Server;
  /** The life the present agent is in: what an earlier one began does not reach it. */
  life: number;
  /** How often the host was switched on. */
  boots: number;
  /** Steps that will fail, with what they say; and steps that never end. */
  readonly failing: Map<string, string>;
  readonly hanging: Set<string>;
  /** Steps that take longer than others, in milliseconds. */
  readonly slow: Map<string, number>;
  readonly cancelled: Set<number>;
  evidence: Evidence;
  inbox: { from: string; message: Message }[];
  wakeToken: number;
}

export interface World {
  readonly hosts: Map<string, Host>;
  readonly config: (self: string) => CoreConfig;
  readonly witnesses: readonly string[];
  now: number;
  /** `from>to` that lose everything. */
  readonly cuts: Set<string>;
  readonly trace: string[];
  readonly queue: Scheduled[];
  sequence: number;
  nextCommand: number;
}

export interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export const host = (world: World, name: string): Host => {
  const found = world.hosts.get(name);
  if (!found) throw new Error(`no host ${name}`);
  return found;
};

/** The VIP is on and the guard is open. */
export const passes = (world: World, h: Host): boolean => h.vip && world.now < h.guardUntil;

export const passesStandby = (world: World, h: Host): boolean => h.standbyVip && world.now < h.standbyGuardUntil;

export const log = (world: World, who: string, text: string): void => {
  world.trace.push(`${world.now.toFixed(0).padStart(6)} ${who.padEnd(4)} ${text}`);
};
