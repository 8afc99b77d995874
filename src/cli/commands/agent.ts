/** `vipd --config FILE`: the agent in the foreground, until it is told to stop. */

import { hostname } from 'node:os';
import { createAgent } from '../../agent.js';
import { fileDigest } from '../../config/digest.js';
import { loadConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import type { VipdConfig } from '../../config/types.js';
import type { HookPhase } from '../../core/types.js';
import { boottimeMs } from '../../host/clock.js';
import { listHookPhases } from '../../host/hook-directory.js';
import { acquireLock } from '../../host/lock.js';
import { createLogger, type Logger, type LogLevel, standardOutputReader } from '../../host/log.js';
import { goFirst } from '../../host/priority.js';
import { createServiceManager } from '../../host/systemd.js';
import { agentLockPath } from './agent-lock.js';
import { complain } from './complain.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { packageVersion } from './version.js';

/** Runs until the agent has left. Resolves with the status to exit with. */
export const runAgent = async (path: string, level: LogLevel): Promise<ExitStatus> => {
  const loaded = loadConfig(path, { hostName: hostname() });
  if (!loaded.ok) {
    complain(renderErrors(loaded.errors));
    return EXIT_BAD_CONFIG;
  }
  const log = createLogger({ level, reader: standardOutputReader(process.env) }).child({ group: loaded.config.group });
  for (const warning of loaded.warnings) log.warn(renderErrors([warning]));
  const refused = await goFirst();
  if (refused !== null) log.warn(refused);
  const lock = acquireLock(agentLockPath(loaded.config));
  if (lock.kind === 'held') {
    const by = lock.heldBy === null ? 'another process' : `process ${lock.heldBy}`;
    complain(
      `vipd: ${by} runs the agent of group ${loaded.config.group} on this host already (${agentLockPath(loaded.config)}); stop it first`,
    );
    return EXIT_REFUSED;
  }
  return run(loaded.config, path, log, await listHookPhases(loaded.config.hooks.directory));
};

const run = (config: VipdConfig, path: string, log: Logger, hookPhases: readonly HookPhase[]): Promise<ExitStatus> =>
  new Promise((resolve) => {
    const agent = createAgent({
      config,
      configFile: { path, load: () => loadConfig(path, { hostName: hostname() }), digest: () => fileDigest(path) },
      version: packageVersion(),
      hookPhases,
      log,
      service: createServiceManager({ env: process.env, pid: process.pid, nowMs: boottimeMs }),
      onExit: (failed) => resolve(failed ? EXIT_REFUSED : EXIT_DONE),
    });
    process.on('SIGTERM', agent.stop);
    process.on('SIGINT', agent.stop);
    process.on('SIGHUP', () => void agent.reload());
    agent.start().catch((cause: unknown) => {
      log.fatal(`the agent cannot start: ${cause instanceof Error ? cause.message : String(cause)}`);
      resolve(EXIT_REFUSED);
    });
  });
