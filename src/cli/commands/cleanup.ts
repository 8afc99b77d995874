/** `vipd cleanup`: what an agent that is gone left behind; the service manager calls it after any death. */

import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { type KeptConfig, readKeptConfig } from '../../agent/kept-config.js';
import { loadConfig } from '../../config/load.js';
import { parseCredentials } from '../../config/login.js';
import { renderErrors } from '../../config/problem.js';
import { boottimeMs } from '../../host/clock.js';
import { acquireLock } from '../../host/lock.js';
import { createDatabase } from '../../mysql/database.js';
import { localTarget } from '../../mysql/target.js';
import { createGuard } from '../../net/guard.js';
import { standbyGuard } from '../../net/guard-rules.js';
import { createSocketDestroyer } from '../../net/sockets.js';
import { createVips } from '../../net/vip.js';
import { agentLockPath } from './agent-lock.js';
import { complain } from './complain.js';
import { daemonAccounts } from './daemon-accounts.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { DEFAULT_SOCKET, findSocket } from './socket-path.js';

/** VIPs off, then the database read-only. Does nothing while an agent runs: that one sees to it itself. */
export const runCleanup = async (path: string): Promise<ExitStatus> => {
  const config = findConfig(path);
  if (config === null) return EXIT_BAD_CONFIG;
  const lock = acquireLock(agentLockPath(config));
  if (lock.kind === 'held') {
    process.stdout.write(
      `vipd cleanup: an agent of group ${config.group} runs (process ${lock.heldBy ?? 'unknown'}); nothing to do\n`,
    );
    return EXIT_DONE;
  }
  const address = await attempt('taking the VIPs off', () => dropAddresses(config));
  const database = await attempt('making the database read-only', () => fenceDatabase(config));
  lock.release();
  return address && database ? EXIT_DONE : EXIT_REFUSED;
};

/** What the agent had in force is what it left behind; the file may have been changed, or broken, since. Null: complained of. */
const findConfig = (path: string): KeptConfig | null => {
  const daemons = daemonAccounts();
  const kept = readKeptConfig(path, runtimeDirectories(path), daemons);
  if (kept !== null) {
    process.stdout.write(`vipd cleanup: by what the agent of group ${kept.group} had in force\n`);
    return kept;
  }
  const loaded = loadConfig(path, { hostName: hostname(), daemonAccounts: daemons });
  if (loaded.ok) return loaded.config;
  complain(renderErrors(loaded.errors));
  return null;
};

/** Where the agent may have had its socket: as the service manager says, as the file does if it can, and the usual place. */
const runtimeDirectories = (path: string): readonly string[] => {
  // systemd.exec(5): several are separated by colons; the units name one.
  const given = process.env.RUNTIME_DIRECTORY?.split(':')[0] ?? '';
  const socket = findSocket(undefined, path);
  const places = [socket.ok ? dirname(socket.path) : '', dirname(DEFAULT_SOCKET)];
  return [given, ...places].filter((directory) => directory !== '');
};

const attempt = async (what: string, work: () => Promise<string>): Promise<boolean> => {
  try {
    process.stdout.write(`vipd cleanup: ${await work()}\n`);
    return true;
  } catch (cause) {
    complain(`vipd cleanup: ${what} failed: ${messageOf(cause)}`);
    return false;
  }
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Each set for itself: what is wrong with one leaves the other no longer where it is. */
const dropAddresses = async ({ group, guard, vips, standbyVip }: KeptConfig): Promise<string> => {
  const sets = await Promise.allSettled([
    dropSet(group, guard, vips),
    ...(standbyVip ? [dropSet(standbyGuard(group), guard, standbyVip.vips)] : []),
  ]);
  const failures = sets.filter((set) => set.status === 'rejected').map(({ reason }) => messageOf(reason));
  if (failures.length > 0) throw new Error(failures.join('; '));
  const reset = sets.reduce((sum, set) => sum + (set.status === 'fulfilled' ? set.value : 0), 0);
  return `VIPs off, ${reset} connections reset`;
};

const dropSet = async (group: string, kind: KeptConfig['guard'], configured: KeptConfig['vips']): Promise<number> => {
  const guard = kind === 'nftables' ? createGuard({ group, vips: configured, now: boottimeMs }) : null;
  const sockets = createSocketDestroyer({ vips: configured, onUnsupported: () => undefined });
  const vips = createVips({ vips: configured });
  guard?.shut();
  const reset = sockets.destroy();
  await vips.remove();
  // Last, when there is nothing left to guard.
  guard?.remove();
  sockets.close();
  vips.close();
  guard?.close();
  return reset;
};

const fenceDatabase = async (config: KeptConfig): Promise<string> => {
  // Its mode is not looked at: that others can read a password is no reason to leave the database writable.
  const { defaultsFile } = config.mysql;
  const credentials = parseCredentials(await readFile(defaultsFile, 'utf8'), defaultsFile);
  const database = createDatabase({
    ...localTarget(config),
    credentials,
    check: config.mysql.check,
    leavesSemiSync: config.mysql.semiSync !== 'manage',
    nowMs: boottimeMs,
    log: () => undefined,
  });
  const outcome = await database.run(
    { name: 'database-fence' },
    { signal: new AbortController().signal, progress: () => undefined },
  );
  await database.stop();
  if (!outcome.ok) throw new Error(outcome.detail);
  return `database ${outcome.detail}`;
};
