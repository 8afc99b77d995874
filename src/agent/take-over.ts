/** Makes a checked configuration the one in force: what the world may refuse first, then all that cannot fail. */

import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { toCoreConfig } from '../config/core-config.js';
import { stillSigns } from '../config/difference.js';
import type { LoadResult } from '../config/load.js';
import type { VipdConfig } from '../config/types.js';
import type { Event } from '../core/event.js';
import { liveSettings } from '../core/reconfigure.js';
import type { NodeState } from '../core/state.js';
import type { CoreConfig, HookPhase } from '../core/types.js';
import { forgetAccounts } from '../host/account.js';
import { bootId } from '../host/clock.js';
import type { DiskReader } from '../host/disk-reader.js';
import { listHookPhases } from '../host/hook-directory.js';
import { openSession, type Target } from '../mysql/connection.js';
import { type Credentials, loadCredentials } from '../mysql/credentials.js';
import type { Database } from '../mysql/database.js';
import { asDatabaseError } from '../mysql/errors.js';
import type { AgentChannel } from '../net/agent-channel.js';
import type { Link } from '../wire/link.js';
import type { AddressHolder } from './address.js';
import type { Checks } from './checks.js';
import { moveUnderWay } from './reload.js';
import { databaseStallMs } from './stall.js';

/** The configuration, and what was read from the files that it names. */
export interface InForce {
  readonly config: VipdConfig;
  readonly credentials: Credentials;
  /** Phases for which there is something to run. */
  readonly hookPhases: readonly HookPhase[];
}

/** The parts of a running agent that have settings of their own. */
export interface RunningParts {
  readonly link: Pick<Link, 'setKeys' | 'signsWithout'>;
  readonly channel: Pick<AgentChannel, 'setKeys'>;
  readonly address: Pick<AddressHolder, 'mayAdd' | 'change'>;
  readonly database: Pick<Database, 'reconfigure'>;
  readonly checks: Pick<Checks, 'change'>;
  readonly target: Target;
  /** Reads the configuration's files. */
  readonly disk: DiskReader;
  readonly state: () => NodeState | null;
  readonly startSalvage: () => void;
  readonly emit: (event: Event) => void;
}

const LOGIN_MS = 2_000;
/** For each file or directory; reloads that come meanwhile wait. */
const READ_MS = 2_000;

/** The file is read and checked on the loop's own thread: where its disk hangs, that has to be known before. */
export const loadFrom = async (
  disk: DiskReader,
  { path, load }: { readonly path: string; readonly load: () => LoadResult<VipdConfig> },
): Promise<LoadResult<VipdConfig>> => {
  // Why it cannot be read is for `load` to tell.
  await disk.read(`reading ${path}`, READ_MS, () => readFile(path).catch(() => undefined));
  return load();
};

/** The core's configuration. The guard is the shell's own check: a node whose guard cannot be used must not be active. */
export const coreConfigOf = (config: VipdConfig, hookPhases: readonly HookPhase[]): CoreConfig => {
  const core = toCoreConfig(config, hookPhases, bootId());
  return { ...core, checks: { ...core.checks, guard: { fall: 1, rise: 1 } } };
};

/** Rejects with the reason, and with everything as it was, where a part of it cannot be had. */
export const takeOver = async (parts: RunningParts, before: InForce, config: VipdConfig): Promise<InForce> => {
  const { defaultsFile } = config.mysql;
  const { directory } = config.hooks;
  const credentials = await parts.disk.read(`reading ${defaultsFile}`, READ_MS, () => loadCredentials(defaultsFile));
  if (!isDeepStrictEqual(credentials, before.credentials)) await tryLogin(parts.target, credentials);
  const hookPhases = await parts.disk.read(`reading ${directory}`, READ_MS, () => listHookPhases(directory));
  const sameVips = isDeepStrictEqual(config.vips, before.config.vips);
  if (!sameVips) await parts.address.mayAdd(config.vips);
  // A move that began meanwhile has asked who answers for the old VIPs, and may be turning connections to them away.
  const busy = moveUnderWay(parts.state());
  if (busy !== null) throw new Error(`this node is ${busy} since the reload began; try again`);
  checkSigners(parts.link, config.keys);
  const links = sameVips ? config.vips.map((vip) => vip.interface) : await parts.address.change(config.vips);
  parts.link.setKeys(config.keys);
  parts.channel.setKeys(config.keys);
  const { check, killOnHang } = config.mysql;
  parts.database.reconfigure({ credentials, check, killOnHang, stallMs: databaseStallMs(config) });
  forgetAccounts();
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
const checkSigners = (link: RunningParts['link'], keys: readonly Buffer[]): void => {
  const peer = link.signsWithout(keys);
  if (peer !== null) throw new Error(`key_file: ${stillSigns(peer)}`);
};
