/** What is measured: vipd, or keepalived in one of two set-ups, on the same hosts, databases and clients. */

import type { LabOptions } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';

export type SystemName = 'vipd' | 'vipd-ordinary' | 'keepalived-guide' | 'keepalived-quick';

/** What both are set to, so that they are asked the same. */
export interface Settings {
  /** Between two heartbeats. */
  readonly intervalMs: number;
  /** Failed checks of the database until it counts as failed. */
  readonly fall: number;
}

export interface System {
  readonly name: SystemName;
  /** For tables and plots. */
  readonly label: string;
  /** The lab that it runs in. */
  readonly lab: (settings: Settings) => LabOptions;
  /** Whatever the lab has not started; resolves when one node serves and the other is ready to take over. */
  start(lab: Lab, settings: Settings): Promise<Running>;
}

export interface Running {
  active(): Promise<NodeName>;
  /** What an operator does to move the VIP off the active. */
  switchover(active: NodeName): Promise<void>;
  /** SIGKILL to all of its processes on that host. */
  kill(node: NodeName): Promise<void>;
  /** Its time for each step of a takeover by this node, in milliseconds; empty where it does not tell. */
  steps(node: NodeName): Promise<ReadonlyMap<string, number>>;
  stop(): Promise<void>;
}
