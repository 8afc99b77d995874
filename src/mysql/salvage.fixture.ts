/** A pair of servers with the agents' channel between them, for the lab tests of salvage. */

import { performance } from 'node:perf_hooks';
import type { Server } from '../../test/lab/mysqld.js';
import type { ServerKind, ServerSettings } from '../../test/lab/server-kind.js';
import { createAgentChannel } from '../net/agent-channel.js';
import { AGENT, alone, type Cleanup, eventually, freePort, startPair, type Watched, watch } from './lab.fixture.js';
import { createSalvage, SALVAGE, type Salvage, type SalvageOptions } from './salvage.js';

export interface Side extends Watched {
  readonly server: Server;
  readonly salvage: Salvage;
  /** What the salvage told while it went on. */
  readonly told: string[];
  run(step: Parameters<Watched['run']>[0]): ReturnType<Watched['run']>;
  fetch(have?: string): ReturnType<Salvage['salvage']>;
}

export interface SalvagePair {
  readonly active: Side;
  readonly standby: Side;
}

const KEY = Buffer.alloc(32, 'salvage lab');

export const startSides = async (
  cleanup: Cleanup,
  kind: ServerKind,
  extra: Partial<SalvageOptions> = {},
  grants = 'ALL',
  ofStandby: ServerSettings = {},
): Promise<SalvagePair> => {
  const servers = await startPair(cleanup, kind, ofStandby);
  const ports = { active: await freePort(), standby: await freePort() };
  const side = async (self: 'active' | 'standby', peer: 'active' | 'standby'): Promise<Side> => {
    const server = servers[self];
    await alone(server, `GRANT ${grants} ON *.* TO '${AGENT.user}'@localhost`);
    const watched = watch(cleanup, server);
    const told: string[] = [];
    const log = () => undefined;
    let salvage: Salvage | undefined;
    const channel = createAgentChannel({
      listen: { address: '127.0.0.1', port: ports[self] },
      group: 'shop',
      self,
      peer,
      peerAddress: { address: '127.0.0.1', port: ports[peer] },
      keys: [KEY],
      handlers: {
        [SALVAGE]: (request, reply, signal) => {
          if (salvage === undefined) throw new Error('not started');
          return salvage.handler(request, reply, signal);
        },
      },
      nowMs: () => performance.now(),
      log,
    });
    const made = createSalvage({
      database: watched.database,
      channel,
      target: { socket: server.socket },
      credentials: () => AGENT,
      nowMs: () => performance.now(),
      programs: kind,
      log,
      ...extra,
    });
    salvage = made;
    await channel.start();
    watched.database.start();
    made.start();
    cleanup.push(async () => {
      made.stop();
      await channel.close();
    });
    await eventually(() => watched.reports.some((report) => report.state === 'ok'));
    return {
      ...watched,
      server,
      salvage: made,
      told,
      fetch: (have = '') =>
        made.salvage(have, { signal: new AbortController().signal, progress: (text) => told.push(text) }),
    };
  };
  return { active: await side('active', 'standby'), standby: await side('standby', 'active') };
};

/** As a promotion does: everything received applied, the channel stopped. */
export const catchUp = async (side: Side): Promise<void> => {
  const outcome = await side.run({ name: 'database-catch-up', target: null, stop: true });
  if (!outcome.ok) throw new Error(outcome.detail);
};

/** Writes on the active that the standby never receives. */
export const writeBehind = async (
  { active, standby }: SalvagePair,
  ...statements: readonly string[]
): Promise<void> => {
  await standby.server.sql(standby.server.kind.stopReceiver);
  for (const statement of statements) await active.server.sql(statement);
};
export const INSERT = 'INSERT INTO shop.orders (v) VALUES (7)';
