/** `vipd cleanup`: what an agent that is gone left behind; the service manager calls it after any death. */

import { hostname } from 'node:os';
import { loadConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import type { VipdConfig } from '../../config/types.js';
import { boottimeMs } from '../../host/clock.js';
import { acquireLock } from '../../host/lock.js';
import { loadCredentials } from '../../mysql/credentials.js';
import { createDatabase } from '../../mysql/database.js';
import { localTarget } from '../../mysql/target.js';
import { createGuard } from '../../net/guard.js';
import { standbyGuard } from '../../net/guard-rules.js';
import { createSocketDestroyer } from '../../net/sockets.js';
import { createVips } from '../../net/vip.js';
import { agentLockPath } from './agent-lock.js';
import { complain } from './complain.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';

/** VIPs off, then the database read-only. Does nothing while an agent runs: that one sees to it itself. */
export const runCleanup = async (path: string): Promise<ExitStatus> => {
  const loaded = loadConfig(path, { hostName: hostname() });
  if (!loaded.ok) {
    complain(renderErrors(loaded.errors));
    return EXIT_BAD_CONFIG;
  }
  const { config } = loaded;
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

const attempt = async (what: string, work: () => Promise<string>): Promise<boolean> => {
  try {
    process.stdout.write(`vipd cleanup: ${await work()}\n`);
    return true;
  } catch (cause) {
    complain(`vipd cleanup: ${what} failed: ${cause instanceof Error ? cause.message : String(cause)}`);
    return false;
  }
};

const dropAddresses = async ({ group, guard, vips, standbyVip }: VipdConfig): Promise<string> => {
  const reset = await dropSet(group, guard, vips);
  const standby = standbyVip ? await dropSet(standbyGuard(group), guard, standbyVip.vips) : 0;
  return `VIPs off, ${reset + standby} connections reset`;
};

const dropSet = async (group: string, kind: VipdConfig['guard'], configured: VipdConfig['vips']): Promise<number> => {
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

const fenceDatabase = async (config: VipdConfig): Promise<string> => {
  const credentials = await loadCredentials(config.mysql.defaultsFile);
  const database = createDatabase({
    ...localTarget(config),
    credentials,
    check: config.mysql.check,
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
