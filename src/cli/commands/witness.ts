/** `vipd witness`: the third voter, for many groups; and `vipd witness init`, for one that lost its record. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { loadWitnessConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import type { WitnessConfig } from '../../config/types.js';
import { emptyRecord } from '../../core/voter.js';
import { boottimeMs } from '../../host/clock.js';
import { acquireLock, type LockResult } from '../../host/lock.js';
import { createLogger, type Logger, type LogLevel, standardOutputReader } from '../../host/log.js';
import { goFirst } from '../../host/priority.js';
import { createServiceManager } from '../../host/systemd.js';
import { createPaths, type Remote } from '../../net/paths.js';
import { createWitnessServer } from '../../witness/server.js';
import { complain } from './complain.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { loadGroups, reloadWitness, storeOf } from './witness-groups.js';

const lockWitness = (config: WitnessConfig): LockResult => acquireLock(join(config.stateDirectory, 'witness.lock'));

/** Runs until it is told to stop. */
export const runWitness = async (path: string, level: LogLevel): Promise<ExitStatus> => {
  const log = createLogger({ level, reader: standardOutputReader(process.env) });
  const loaded = loadWitnessConfig(path);
  if (!loaded.ok) {
    complain(renderErrors(loaded.errors));
    return EXIT_BAD_CONFIG;
  }
  for (const warning of loaded.warnings) log.warn(renderErrors([warning]));
  const { config } = loaded;
  const lock = lockWitness(config);
  if (lock.kind === 'held') {
    complain(
      `vipd witness: process ${lock.heldBy ?? 'unknown'} runs with ${config.stateDirectory} already; stop it first`,
    );
    return EXIT_REFUSED;
  }
  const refused = await goFirst();
  if (refused !== null) log.warn(refused);
  return serve(path, config, log);
};

/**
 * The watchdog is fed by a datagram that has come all the way through socket and loop: a member's, or one of this length
 * that the witness sends to itself when it is quiet.
 */
const ROUND_MS = 250;
const ROUND_BYTES = 1;

const serve = async (path: string, config: WitnessConfig, log: Logger): Promise<ExitStatus> => {
  const service = createServiceManager({ env: process.env, pid: process.pid, nowMs: boottimeMs });
  const groups = await loadGroups(config, log);
  const paths = createPaths({
    port: config.listen.port,
    paths: [{ local: config.listen.address, remotes: {} }],
    onDatagram: (datagram, remote: Remote) => {
      if (datagram.length !== ROUND_BYTES) server.receive(datagram, remote);
      service.pet();
    },
    onError: (error) => log.warn(error.message),
  });
  const server = createWitnessServer({
    name: config.name,
    groups,
    now: boottimeMs,
    randomBytes,
    reply: (to, datagram) => paths.reply(to, datagram),
    log: (level, fields, text) => log[level](fields, text),
  });
  try {
    await paths.start();
  } catch (cause) {
    log.fatal(`the witness cannot start: ${cause instanceof Error ? cause.message : String(cause)}`);
    return EXIT_REFUSED;
  }
  const { address, port } = config.listen;
  const round = setInterval(() => paths.reply({ address, port, path: address }, Buffer.alloc(ROUND_BYTES)), ROUND_MS);
  log.info(
    `witness ${config.name} listens on ${config.listen.address} port ${config.listen.port} for ${groups.length} group(s)`,
  );
  service.ready(`voting in ${groups.length} group(s)`);
  const tellFrames = (when: string): void =>
    log.info({ frames: server.counters(), nodes: server.nodeFrames() }, `${when}; what became of the frames, by group`);
  let reloaded = Promise.resolve(config);
  process.on('SIGHUP', () => {
    // First: a group that leaves takes its counters with it.
    tellFrames('told to reload');
    reloaded = reloaded.then((inForce) => reloadWitness(path, inForce, server, log));
  });
  await new Promise<void>((resolve) => {
    process.on('SIGTERM', () => resolve());
    process.on('SIGINT', () => resolve());
  });
  service.stopping('stopping');
  clearInterval(round);
  paths.close();
  tellFrames('stopped');
  return EXIT_DONE;
};

/** The operator's word that a group may start afresh with this witness. */
export const initialiseWitness = async (path: string, group: string): Promise<ExitStatus> => {
  const loaded = loadWitnessConfig(path);
  if (!loaded.ok) {
    complain(renderErrors(loaded.errors));
    return EXIT_BAD_CONFIG;
  }
  const { config } = loaded;
  if (!config.groups.some(({ name }) => name === group)) {
    complain(
      `vipd witness init: ${path} has no group ${group}; it has ${config.groups.map(({ name }) => name).join(', ')}`,
    );
    return EXIT_REFUSED;
  }
  const lock = lockWitness(config);
  if (lock.kind === 'held') {
    complain(`vipd witness init: the witness runs (process ${lock.heldBy ?? 'unknown'}); stop it first`);
    return EXIT_REFUSED;
  }
  const store = storeOf(config, group);
  const present = await store.load();
  if (present.kind === 'found') {
    complain(`vipd witness init: ${store.path} is there and sound (term ${present.record.maxTerm}); nothing to do`);
    return EXIT_REFUSED;
  }
  await store.save(emptyRecord());
  lock.release();
  process.stdout.write(`vipd witness init: ${group} starts afresh; the witness votes when it is started\n`);
  return EXIT_DONE;
};
