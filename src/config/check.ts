/** `vipctl check-config`: the same checks as at the start, and what the file means. */

import { promiseMsOf } from './core-config.js';
import { formatDuration } from './duration.js';
import { type LoadOptions, type LoadResult, loadEither } from './load.js';
import { type ConfigError, renderErrors } from './problem.js';
import { guardOpenMs } from './timing.js';
import type { DatabaseConfig, VipdConfig, WitnessConfig } from './types.js';

/** product.md's exit status for an invalid configuration. */
const VALID = 0;
const INVALID = 4;

export interface CheckResult {
  readonly text: string;
  readonly status: typeof VALID | typeof INVALID;
}

/** Takes the file of an agent or of a witness. Never throws. */
export const checkConfig = (path: string, options: LoadOptions = {}): CheckResult => {
  const either = loadEither(path, options);
  switch (either.kind) {
    case 'agent':
      return report(path, either.result, describeAgent);
    case 'witness':
      return report(path, either.result, describeWitness);
  }
};

/** A line of the summary: what, and what it is. */
type Line = readonly [name: string, meaning: string];

const report = <T>(path: string, result: LoadResult<T>, describe: (config: T) => readonly Line[]): CheckResult => {
  if (!result.ok) return { text: `${renderErrors(result.errors)}\n${countOf(result.errors)}`, status: INVALID };
  const lines = describe(result.config);
  const width = Math.max(...lines.map(([name]) => name.length));
  const summary = lines.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`);
  const warnings = result.warnings.length === 0 ? [] : ['warnings:', renderErrors(result.warnings)];
  return { text: [`${path}: valid`, ...summary, ...warnings].join('\n'), status: VALID };
};

const countOf = (errors: readonly ConfigError[]): string =>
  errors.length === 1 ? '1 error' : `${errors.length} errors`;

const describeAgent = (config: VipdConfig): readonly Line[] => {
  const { self, peer, heartbeat, guard, moves, promotion } = config;
  const { leaseMs } = heartbeat;
  const promise = promiseMsOf(config);
  const extra = promise === leaseMs ? '' : `; a takeover waits ${formatDuration(promise)}`;
  const maxLoss =
    promotion.maxLossMs === 'any' ? 'any loss' : `at most ${formatDuration(promotion.maxLossMs)} of commits lost`;
  return [
    ['group', `${config.group}: this node is ${self.name} (${self.address}), its peer ${peer.name} (${peer.address})`],
    ['voters', describeVoters(config)],
    ['VIPs', config.vips.map((vip) => `${vip.address}/${vip.prefixLength} on ${vip.interface}`).join(', ')],
    ['lease', `${formatDuration(heartbeat.intervalMs)} × ${heartbeat.deadAfter} = ${formatDuration(leaseMs)}${extra}`],
    ['guard', `${guard}; shuts ${Math.floor(guardOpenMs(leaseMs))}ms after the last renewal was sent`],
    ['paths', `${heartbeat.paths.length + 1} between the nodes, UDP port ${heartbeat.port}`],
    ['database', describeDatabase(config.mysql)],
    ['checks', config.checks.length === 0 ? 'none of yours' : config.checks.map(({ name }) => name).join(', ')],
    ['promotion', `accepts ${maxLoss}; waits ${formatDuration(promotion.catchUpTimeoutMs)} for progress`],
    ['moves', `held after more than ${moves.maxFailovers} in ${formatDuration(moves.windowMs)}`],
    ['keys', describeKeys(config.keyFiles)],
  ];
};

const describeVoters = ({ witnesses }: VipdConfig): string => {
  const voters = 2 + witnesses.length;
  const majority = `${voters}, majority ${Math.floor(voters / 2) + 1}`;
  if (witnesses.length === 0) return `${majority}; no witness, so a partition can split the pair`;
  return `${majority}; witnesses ${witnesses.map(({ name, address, port }) => `${name} (${address} port ${port})`).join(', ')}`;
};

const describeDatabase = ({ local, check, semiSync }: DatabaseConfig): string => {
  const where = local.kind === 'socket' ? local.path : `${local.host} port ${local.port}`;
  const hangMs = check.intervalMs * (check.fall - 1) + check.timeoutMs;
  return `${where}; a hang counts after about ${formatDuration(hangMs)}; semi-sync ${semiSync}`;
};

const describeKeys = (keyFiles: readonly string[]): string =>
  keyFiles.length === 1 ? `${keyFiles[0]}` : `${keyFiles[0]} signs; ${keyFiles.slice(1).join(', ')} verify as well`;

const describeWitness = (config: WitnessConfig): readonly Line[] => [
  ['witness', `${config.name}, listens on ${config.listen.address} port ${config.listen.port}`],
  ...config.groups.map(
    ({ name, nodes, keyFiles }): Line => [
      'group',
      `${name}: votes for ${nodes.join(' or ')}; key ${describeKeys(keyFiles)}`,
    ],
  ),
  ['state', config.stateDirectory],
];
