/** A split pair whose second server is stopped and started by commands, as a service is, with a channel to the first. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { KINDS } from '../../test/lab/kinds.js';
import type { Server } from '../../test/lab/mysqld.js';
import { BACKUP } from '../mysql/backup-messages.js';
import { BACKUP_GRANT, createBackupShip } from '../mysql/backup-ship.js';
import { createDatabase } from '../mysql/database.js';
import { splitPair } from '../mysql/divergence.fixture.js';
import { AGENT, alone, type Cleanup, freePort } from '../mysql/lab.fixture.js';
import { createLinks } from '../mysql/links.js';
import { type AgentChannel, createAgentChannel } from '../net/agent-channel.js';
import { type RebuildOptions, rebuild } from './rebuild.js';

export interface RebuildPair {
  readonly active: Server;
  readonly standby: Server;
  /** What was said while it went on. */
  readonly said: string[];
  readonly recordPath: string;
  /** Whether the first node's agent takes itself for the active. */
  serves: boolean;
  run(options?: Partial<RebuildOptions>): ReturnType<typeof rebuild>;
}

export const KEY = Buffer.alloc(32, 'rebuild lab');
const COMMON = { group: 'shop', keys: [KEY], nowMs: () => performance.now(), log: () => undefined };

export const startRebuildPair = async (cleanup: Cleanup): Promise<RebuildPair> => {
  const { active, standby } = await splitPair(cleanup, KINDS.mariadb);
  await alone(active, `${BACKUP_GRANT} '${AGENT.user}'@localhost`);
  const links = createLinks({
    target: { socket: standby.socket },
    credentials: AGENT,
    onOpened: () => undefined,
    onLost: () => undefined,
  });
  cleanup.push(async () => links.close());
  const service = await makeService(cleanup, standby);
  const said: string[] = [];
  const pair = { active, standby, said, recordPath: join(standby.dir, 'rejoin.json'), serves: true };
  const channel = await channelTo(cleanup, active, () => pair.serves);
  return Object.assign(pair, {
    run: (options: Partial<RebuildOptions> = {}) =>
      rebuild({
        link: () => links.get('command', 5_000),
        channel,
        recordPath: pair.recordPath,
        active: 'db1',
        ...service,
        say: (text) => said.push(text),
        signal: new AbortController().signal,
        nowMs: () => performance.now(),
        ...options,
      }),
  });
};

/** Both ends on one address: only the asking end of the second is used. */
const channelTo = async (cleanup: Cleanup, active: Server, isActive: () => boolean): Promise<AgentChannel> => {
  const address = { address: '127.0.0.1', port: await freePort() };
  await serveBackups(cleanup, active, { self: address, peer: address }, isActive);
  return createAgentChannel({
    ...COMMON,
    listen: { ...address, port: 0 },
    self: 'db2',
    peer: 'db1',
    peerAddress: address,
    handlers: {},
  });
};

interface Address {
  readonly address: string;
  readonly port: number;
}

/** What db1's agent has for db2. */
export const serveBackups = async (
  cleanup: Cleanup,
  active: Server,
  addresses: { readonly self: Address; readonly peer: Address },
  isActive: () => boolean,
): Promise<void> => {
  const target = { socket: active.socket };
  const database = createDatabase({
    ...target,
    credentials: AGENT,
    check: { intervalMs: 1_000, timeoutMs: 1_000, writeProbe: false },
    nowMs: () => performance.now(),
    log: () => undefined,
  });
  cleanup.push(() => database.stop());
  const ship = createBackupShip({ database, target, credentials: () => AGENT, isActive, log: () => undefined });
  const served = createAgentChannel({
    ...COMMON,
    listen: addresses.self,
    self: 'db1',
    peer: 'db2',
    peerAddress: addresses.peer,
    handlers: { [BACKUP]: ship },
  });
  await served.start();
  cleanup.push(() => served.close());
};

/** Commands that stop and start it, as those of a service do. */
export const makeService = async (
  cleanup: Cleanup,
  server: Server,
): Promise<Pick<RebuildOptions, 'stop' | 'start'>> => {
  const pidFile = join(server.dir, 'mysqld.pid');
  const stop = join(server.dir, 'stop');
  const start = join(server.dir, 'start');
  await writeFile(stop, `#!/bin/sh\nkill "$(cat ${pidFile})" && while [ -e ${pidFile} ]; do sleep 0.1; done\n`, {
    mode: 0o755,
  });
  await writeFile(
    start,
    // Like a service manager: not before the old one has ended, and again where its files were not let go of yet.
    `#!/bin/sh
while [ -e ${pidFile} ] && kill -0 "$(cat ${pidFile})" 2>/dev/null; do sleep 0.1; done
rm -f ${pidFile}
until [ -e ${pidFile} ]; do
  setsid --fork ${server.kind.server} --defaults-file=${server.defaultsFile} >>${server.errorLog} 2>&1
  for wait in 1 2 3 4 5 6 7 8; do [ -e ${pidFile} ] || sleep 1; done
done
`,
    { mode: 0o755 },
  );
  cleanup.push(async () => {
    const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
    if (pid > 1) process.kill(pid, 'SIGKILL');
  });
  return { stop: [stop], start: [start] };
};
