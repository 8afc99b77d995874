/** The configuration as the rest of vipd uses it: checked, with every default filled in, times in milliseconds. */

import type { Address, AddressWithPrefix, Endpoint } from './address.js';
import type { Millis } from './duration.js';

export type { Address, AddressWithPrefix, Endpoint };

export interface NodeConfig extends Address {
  readonly name: string;
  /** 1 to 254. */
  readonly priority: number;
}

export interface WitnessAddress extends Endpoint {
  readonly name: string;
}

export interface VipConfig extends AddressWithPrefix {
  readonly interface: string;
}

/** A further link between the nodes. */
export interface HeartbeatPath {
  /** This node's address on it. */
  readonly self: Address;
  readonly peer: Address;
}

export interface HeartbeatConfig {
  /** UDP, the same on both nodes. */
  readonly port: number;
  readonly intervalMs: Millis;
  readonly deadAfter: number;
  /** interval × dead_after: what a BEAT asks for. */
  readonly leaseMs: Millis;
  /** Besides the one between the nodes' own addresses. */
  readonly paths: readonly HeartbeatPath[];
}

/** How results in a row turn a check. */
export interface CheckCounts {
  readonly fall: number;
  readonly rise: number;
}

export type DatabaseAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface DatabaseConfig {
  readonly local: DatabaseAddress;
  /** TCP port on either node: how the peer's server is reached. */
  readonly port: number;
  /** MySQL's admin_port, MariaDB's extra_port; null: none. */
  readonly adminPort: number | null;
  readonly defaultsFile: string;
  readonly check: CheckCounts & {
    readonly intervalMs: Millis;
    readonly timeoutMs: Millis;
    readonly writeProbe: boolean;
  };
  readonly killOnHang: boolean;
  readonly semiSync: 'off' | 'monitor' | 'manage';
}

/** A program, by its absolute path, and its arguments. */
export type Command = readonly [program: string, ...args: string[]];

export interface CheckConfig extends CheckCounts {
  readonly name: string;
  readonly command: Command;
  readonly intervalMs: Millis;
  readonly timeoutMs: Millis;
  readonly user: string;
}

export interface VipdConfig {
  readonly group: string;
  readonly self: NodeConfig;
  readonly peer: NodeConfig;
  readonly witnesses: readonly WitnessAddress[];
  readonly keyFiles: readonly string[];
  /** In the order of the files: the first signs, all verify. Secret. */
  readonly keys: readonly Buffer[];
  readonly vips: readonly VipConfig[];
  readonly heartbeat: HeartbeatConfig;
  readonly mysql: DatabaseConfig;
  readonly checks: readonly CheckConfig[];
  readonly gateways: readonly Address[];
  readonly fence: { readonly command: Command; readonly required: boolean; readonly timeoutMs: Millis } | null;
  readonly guard: 'nftables' | 'address';
  readonly moves: { readonly cooldownMs: Millis; readonly maxFailovers: number; readonly windowMs: Millis };
  readonly promotion: {
    readonly catchUpTimeoutMs: Millis;
    readonly salvage: boolean;
    readonly maxLossMs: Millis | 'any';
  };
  /** Null: as the package's service is stopped and started. */
  readonly rejoin: { readonly stop: Command | null; readonly start: Command | null };
  readonly standbyVip: { readonly vips: readonly VipConfig[]; readonly maxLagMs: Millis } | null;
  readonly agents: { readonly port: number };
  readonly hooks: { readonly directory: string; readonly timeoutMs: Millis };
  readonly control: { readonly socket: string; readonly group: string };
  /** null: no HTTP server. */
  readonly http: { readonly listen: Endpoint } | null;
  readonly stateDirectory: string;
}

export interface WitnessGroup {
  readonly name: string;
  /** The two nodes; nobody else gets a vote. */
  readonly nodes: readonly [string, string];
  readonly keyFiles: readonly string[];
  /** In the order of the files: the first signs, all verify. Secret. */
  readonly keys: readonly Buffer[];
}

export interface WitnessConfig {
  readonly name: string;
  readonly listen: Endpoint;
  readonly groups: readonly WitnessGroup[];
  readonly stateDirectory: string;
}
