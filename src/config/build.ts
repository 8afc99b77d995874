/** Makes the configuration that the rest of vipd uses from a file that has been checked. */

import type { Address } from './address.js';
import { type Millis, millis } from './duration.js';
import type { VipdFile } from './schema.js';
import type { DatabaseConfig, HeartbeatConfig, NodeConfig, VipdConfig, WitnessConfig } from './types.js';
import type { WitnessFile } from './witness-schema.js';

/** Where Debian's packages put the server's socket. */
const DEFAULT_SOCKET = '/run/mysqld/mysqld.sock';

/** Throws an Error where the rules were not applied first. `keys` in the order of `key_file`. */
export const buildConfig = (file: VipdFile, self: string, keys: readonly Buffer[]): VipdConfig => {
  const nodes = Object.entries(file.nodes).map(
    ([name, { address, priority }]): NodeConfig => ({ name, ...address, priority }),
  );
  const selfNode = nodes.find(({ name }) => name === self);
  const peerNode = nodes.find(({ name }) => name !== self);
  if (selfNode === undefined || peerNode === undefined) throw new Error(`${self} is not one of two nodes`);
  return {
    group: file.group,
    self: selfNode,
    peer: peerNode,
    witnesses: file.witnesses.map(({ name, address, port }) => ({ name, ...address, port })),
    keyFiles: file.key_file,
    keys,
    vips: file.vip.map(({ address, interface: link }) => ({ ...address, interface: link })),
    heartbeat: buildHeartbeat(file.heartbeat, self, peerNode.name),
    mysql: buildDatabase(file.mysql),
    checks: file.checks.map(({ interval, timeout, ...check }) => ({
      ...check,
      intervalMs: interval,
      timeoutMs: timeout,
    })),
    gateways: file.gateways,
    guard: file.guard,
    agents: file.agents,
    hooks: { directory: file.hooks.directory, timeoutMs: file.hooks.timeout },
    control: file.control,
    http: file.http ?? null,
    stateDirectory: file.state_directory,
    rejoin: { stop: file.rejoin.stop ?? null, start: file.rejoin.start ?? null },
    ...buildMoves(file),
  };
};

const buildHeartbeat = (file: VipdFile['heartbeat'], self: string, peer: string): HeartbeatConfig => ({
  port: file.port,
  intervalMs: file.interval,
  deadAfter: file.dead_after,
  leaseMs: leaseOf(file),
  paths: file.paths.map((path) => ({ self: addressOn(path, self), peer: addressOn(path, peer) })),
});

export const leaseOf = (heartbeat: VipdFile['heartbeat']): Millis => millis(heartbeat.interval * heartbeat.dead_after);

const addressOn = (path: Readonly<Record<string, Address>>, node: string): Address => {
  const address = path[node];
  if (address === undefined) throw new Error(`a path of heartbeat.paths has no address for ${node}`);
  return address;
};

const buildDatabase = (file: VipdFile['mysql']): DatabaseConfig => ({
  local:
    file.host === undefined
      ? { kind: 'socket', path: file.socket ?? DEFAULT_SOCKET }
      : { kind: 'tcp', host: file.host.address, port: file.port },
  port: file.port,
  adminPort: file.admin_port ?? null,
  defaultsFile: file.defaults_file,
  check: {
    intervalMs: file.check.interval,
    timeoutMs: file.check.timeout,
    fall: file.check.fall,
    rise: file.check.rise,
    writeProbe: file.check.write_probe,
  },
  killOnHang: file.kill_on_hang,
  semiSync: file.semi_sync,
});

/** What decides on moves, and who gets what at one. */
const buildMoves = (file: VipdFile): Pick<VipdConfig, 'fence' | 'moves' | 'promotion' | 'standbyVip'> => ({
  fence:
    file.fence === undefined
      ? null
      : { command: file.fence.command, required: file.fence.required, timeoutMs: file.fence.timeout },
  moves: { cooldownMs: file.moves.cooldown, maxFailovers: file.moves.max_failovers, windowMs: file.moves.window },
  promotion: {
    catchUpTimeoutMs: file.promotion.catch_up_timeout,
    salvage: file.promotion.salvage,
    maxLossMs: file.promotion.max_loss,
  },
  standbyVip: buildStandbyVip(file.standby_vip),
});

const buildStandbyVip = (file: VipdFile['standby_vip']): VipdConfig['standbyVip'] => {
  if (file === undefined) return null;
  return {
    vips: file.addresses.map((address) => ({ ...address, interface: file.interface })),
    maxLagMs: file.max_lag,
  };
};

/** `keys` in the order of the groups. Throws an Error where the rules were not applied first. */
export const buildWitnessConfig = (file: WitnessFile, keys: readonly (readonly Buffer[])[]): WitnessConfig => ({
  name: file.name,
  listen: file.listen,
  groups: file.groups.map((group, index) => {
    const [first, second] = group.nodes;
    if (first === undefined || second === undefined) throw new Error(`group ${group.name} has not two nodes`);
    return { name: group.name, nodes: [first, second], keyFiles: group.key_file, keys: keys[index] ?? [] };
  }),
  stateDirectory: file.state_directory,
});
