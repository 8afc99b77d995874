/** What a new configuration changes in the one in force, and which of it a running agent can take over. */

import { isDeepStrictEqual } from 'node:util';
import type { VipConfig, VipdConfig, WitnessConfig } from './types.js';

/** A change that has to wait, and what to do for it. */
export interface Refusal {
  readonly key: string;
  /** Why not while running, and what to do. */
  readonly why: string;
}

export interface Difference {
  /** Keys that can be applied while running. */
  readonly live: readonly string[];
  /** Keys that cannot. Where there is one, nothing is applied: half of a file was never checked as a whole. */
  readonly refused: readonly Refusal[];
}

type Part = (config: VipdConfig) => unknown;

/** One key of the file, where its value is, and null or why it waits for a restart. */
type Rule = readonly [key: string, part: Part, why: string | null];

const HERE = 'is read at the start only; restart vipd on this node (an active hands over first)';
const EACH =
  'is read at the start only; change it on both nodes and restart vipd on the standby, then on the other (an active hands over first)';
const TOGETHER =
  'decides who may vote, and two nodes that differ in it could both find a majority; stop vipd on both nodes, change it on both, start both';

/** Each part of a configuration has its rules here: a new one does not compile until they are thought of. */
const RULES: Readonly<Record<keyof VipdConfig, readonly Rule[]>> = {
  group: [['group', (c) => c.group, TOGETHER]],
  self: [
    ['node', (c) => c.self.name, TOGETHER],
    [`nodes`, (c) => [c.self.address, c.peer.name, c.peer.address], TOGETHER],
    ['nodes.*.priority', (c) => [c.self.priority, c.peer.priority], null],
  ],
  peer: [],
  witnesses: [['witnesses', (c) => c.witnesses, TOGETHER]],
  keyFiles: [],
  keys: [['key_file', (c) => [c.keyFiles, c.keys], null]],
  vips: [['vip', (c) => c.vips, null]],
  heartbeat: [
    ['heartbeat.port', (c) => c.heartbeat.port, TOGETHER],
    ['heartbeat.interval', (c) => c.heartbeat.intervalMs, EACH],
    ['heartbeat.dead_after', (c) => c.heartbeat.deadAfter, EACH],
    ['heartbeat.paths', (c) => c.heartbeat.paths, EACH],
  ],
  mysql: [
    ['mysql.socket', (c) => (c.mysql.local.kind === 'socket' ? c.mysql.local.path : null), HERE],
    ['mysql.host', (c) => (c.mysql.local.kind === 'tcp' ? c.mysql.local.host : null), HERE],
    ['mysql.port', (c) => c.mysql.port, EACH],
    ['mysql.admin_port', (c) => c.mysql.adminPort, HERE],
    ['mysql.defaults_file', (c) => c.mysql.defaultsFile, null],
    ['mysql.check', (c) => c.mysql.check, null],
    ['mysql.kill_on_hang', (c) => c.mysql.killOnHang, null],
    // Commits that wait for a replica would wait for ever, had nobody the order any more to switch that off.
    ['mysql.semi_sync', (c) => c.mysql.semiSync, EACH],
  ],
  checks: [['checks', (c) => c.checks, null]],
  gateways: [['gateways', (c) => c.gateways, null]],
  fence: [['fence', (c) => c.fence, HERE]],
  guard: [['guard', (c) => c.guard, EACH]],
  moves: [
    ['moves.cooldown', (c) => c.moves.cooldownMs, null],
    ['moves.max_failovers', (c) => c.moves.maxFailovers, null],
    ['moves.window', (c) => c.moves.windowMs, null],
  ],
  promotion: [
    ['promotion.catch_up_timeout', (c) => c.promotion.catchUpTimeoutMs, null],
    ['promotion.salvage', (c) => c.promotion.salvage, null],
    ['promotion.max_loss', (c) => c.promotion.maxLossMs, null],
  ],
  // Read by vipctl alone, each time.
  rejoin: [['rejoin', (c) => c.rejoin, null]],
  standbyVip: [
    ['standby_vip.addresses, standby_vip.interface', (c) => c.standbyVip?.vips ?? null, EACH],
    ['standby_vip.max_lag', (c) => c.standbyVip?.maxLagMs ?? null, null],
  ],
  agents: [['agents.port', (c) => c.agents.port, TOGETHER]],
  hooks: [
    ['hooks.directory', (c) => c.hooks.directory, null],
    ['hooks.timeout', (c) => c.hooks.timeoutMs, null],
  ],
  control: [
    ['control.socket', (c) => c.control.socket, HERE],
    ['control.group', (c) => c.control.group, HERE],
  ],
  http: [['http', (c) => c.http, HERE]],
  stateDirectory: [['state_directory', (c) => c.stateDirectory, HERE]],
};

/** Pure; both configurations have been checked. No text has anything of a key in it. */
export const compareConfigs = (inForce: VipdConfig, next: VipdConfig): Difference => {
  const changed = Object.values(RULES)
    .flat()
    .filter(([, part]) => !isDeepStrictEqual(part(inForce), part(next)));
  return {
    live: changed.filter(([, , why]) => why === null).map(([key]) => key),
    refused: [
      ...changed.flatMap(([key, , why]) => (why === null ? [] : [{ key, why }])),
      ...movedVips(inForce, next),
      ...untimelyKeys(inForce, next),
    ],
  };
};

const shown = (vip: VipConfig): string => `${vip.address}/${vip.prefixLength} on ${vip.interface}`;

/** A VIP in both is not touched, so it cannot go to another link either. */
const movedVips = (inForce: VipdConfig, next: VipdConfig): readonly Refusal[] =>
  next.vips.flatMap((vip) => {
    const before = inForce.vips.find(({ address }) => address === vip.address);
    if (before === undefined || shown(before) === shown(vip)) return [];
    const why = `would change ${shown(before)} to ${shown(vip)}, and a VIP that both files have is never moved; take it out, reload, put it in anew, reload`;
    return [{ key: 'vip', why }];
  });

interface Keyed {
  readonly keys: readonly Buffer[];
}

/** The other members must know a key before anybody signs with it (docs/configuration.md, on changing the key). */
const untimelyKeys = (inForce: Keyed, next: Keyed): readonly Refusal[] => {
  const [signing] = next.keys;
  if (signing === undefined || inForce.keys.some((key) => key.equals(signing))) return [];
  const why =
    'begins with a key that was not in use before, so the other members would drop what this node signs; name it second, reload every member, then put it first';
  return [{ key: 'key_file', why }];
};

/** For a key that a member would be cut off by losing. */
export const stillSigns = (member: string): string =>
  `${member} still signs with a key that the new file has not; put the new key first there and reload it, then take the old one away here`;

const WITNESS_HERE =
  'is read at the start only; restart vipd-witness (nobody can take over for one lease, and nothing moves)';
const GROUP_NODES = 'names other nodes than before; take the group out, reload, put it in anew, reload';

/** The same for a witness: groups come and go, and keys are rotated. Pure. */
export const compareWitnessConfigs = (inForce: WitnessConfig, next: WitnessConfig): Difference => {
  const fixed = (['name', 'listen', 'stateDirectory'] as const).filter(
    (part) => !isDeepStrictEqual(inForce[part], next[part]),
  );
  const groups = next.groups.flatMap((group) => {
    const before = inForce.groups.find(({ name }) => name === group.name);
    if (before === undefined) return [];
    const key = `groups.${group.name}`;
    const nodes = isDeepStrictEqual(before.nodes, group.nodes) ? [] : [{ key: `${key}.nodes`, why: GROUP_NODES }];
    return [...nodes, ...untimelyKeys(before, group).map(({ why }) => ({ key: `${key}.key_file`, why }))];
  });
  return {
    live: isDeepStrictEqual(inForce.groups, next.groups) ? [] : ['groups'],
    refused: [
      ...fixed.map((part) => ({ key: part === 'stateDirectory' ? 'state_directory' : part, why: WITNESS_HERE })),
      ...groups,
    ],
  };
};
