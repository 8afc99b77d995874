/** Makes a checked configuration the one in force: what the world may refuse first, then all that cannot fail. */

import { isDeepStrictEqual } from 'node:util';
import { toCoreConfig } from '../config/core-config.js';
import { stillSigns } from '../config/difference.js';
import type { VipdConfig } from '../config/types.js';
import type { Event } from '../core/event.js';
import { liveSettings } from '../core/reconfigure.js';
import type { CoreConfig, HookPhase } from '../core/types.js';
import { bootId } from '../host/clock.js';
import { listHookPhases } from '../host/hook-directory.js';
import { openSession, type Target } from '../mysql/connection.js';
import { type Credentials, loadCredentials } from '../mysql/credentials.js';
import type { Database } from '../mysql/database.js';
import { asDatabaseError } from '../mysql/errors.js';
import type { AgentChannel } from '../net/agent-channel.js';
import type { Link } from '../wire/link.js';
import type { AddressHolder } from './address.js';
import type { Checks } from './checks.js';

/** The configuration, and what was read from the files that it names. */
export interface InForce {
  readonly config: VipdConfig;
  readonly credentials: Credentials;
  /** Phases for which there is something to run. */
  readonly hookPhases: readonly HookPhase[];
}

/** The parts of a running agent that have settings of their own. */
export interface RunningParts {
  readonly link: Link;
  readonly channel: AgentChannel;
  readonly address: AddressHolder;
  readonly database: Database;
  readonly checks: Checks;
  readonly target: Target;
  readonly startSalvage: () => void;
  readonly emit: (event: Event) => void;
}

const LOGIN_MS = 2_000;

/** The core's configuration. The guard is the shell's own check: a node whose guard cannot be used must not be active. */
export const coreConfigOf = (config: VipdConfig, hookPhases: readonly HookPhase[]): CoreConfig => {
  const core = toCoreConfig(config, hookPhases, bootId());
  return { ...core, checks: { ...core.checks, guard: { fall: 1, rise: 1 } } };
};

/** Rejects with the reason, and with everything as it was, where a part of it cannot be had. */
export const takeOver = async (parts: RunningParts, before: InForce, config: VipdConfig): Promise<InForce> => {
  const credentials = await loadCredentials(config.mysql.defaultsFile);
  if (!isDeepStrictEqual(credentials, before.credentials)) await tryLogin(parts.target, credentials);
  checkSigners(parts.link, config.keys);
  const hookPhases = await listHookPhases(config.hooks.directory);
  const sameVips = isDeepStrictEqual(config.vips, before.config.vips);
  const links = sameVips ? config.vips.map((vip) => vip.interface) : await parts.address.change(config.vips);
  parts.link.setKeys(config.keys);
  parts.channel.setKeys(config.keys);
  parts.database.reconfigure({ credentials, check: config.mysql.check, killOnHang: config.mysql.killOnHang });
  parts.checks.change(config.checks);
  if (config.promotion.salvage && !before.config.promotion.salvage) parts.startSalvage();
  parts.emit({ type: 'reconfigured', settings: liveSettings(coreConfigOf(config, hookPhases)), links });
  return { config, credentials, hookPhases };
};

/** What is new in files that the configuration names, and not in the configuration itself. */
export const filesChanged = (before: InForce, after: InForce): readonly string[] => [
  ...(isDeepStrictEqual(before.credentials, after.credentials) ? [] : ['mysql.defaults_file']),
  ...(isDeepStrictEqual(before.hookPhases, after.hookPhases) ? [] : ['hooks.directory']),
];

/** A server that is away cannot be asked, and refuses nothing; one that does not know the login would be watched no more. */
const tryLogin = async (target: Target, credentials: Credentials): Promise<void> => {
  try {
    (await openSession(target, credentials, LOGIN_MS)).destroy();
  } catch (cause) {
    const failure = asDatabaseError(cause, 'trying the new login');
    if (failure.kind !== 'denied') return;
    throw new Error(`mysql.defaults_file: the database refuses the new login: ${failure.message}`);
  }
};

/** A key that another member signs with must not be taken away: its frames would be dropped from then on. */
const checkSigners = (link: Link, keys: readonly Buffer[]): void => {
  const peer = link.signsWithout(keys);
  if (peer !== null) throw new Error(`key_file: ${stillSigns(peer)}`);
};
