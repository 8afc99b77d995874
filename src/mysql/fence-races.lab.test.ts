/** What happens between two statements of a step that makes a server read-only, where nobody waits for it. */

import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { createConnection } from 'mysql2/promise';
import { afterEach, describe, expect, test } from 'vitest';
import type { Server } from '../../test/lab/mysqld.js';
import { demote } from './demote.js';
import { fence } from './fence.js';
import type { Flavour } from './flavour.js';
import {
  AGENT,
  type Cleanup,
  count,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startPair,
} from './lab.fixture.js';
import { createLinks } from './links.js';
import { PROMPT_MS, type StepContext } from './step.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const INSERT = 'INSERT INTO shop.orders (v) VALUES (1)';

/** As a step of the agent has it, whose server is asked by way of `between`. */
const contextOf = async ({ socket }: Server, between: (flavour: Flavour) => Partial<Flavour>): Promise<StepContext> => {
  const ignore = () => undefined;
  const links = createLinks({ target: { socket }, credentials: AGENT, onOpened: ignore, onLost: ignore });
  cleanup.push(async () => links.close());
  const [command, aside] = [await links.get('command', PROMPT_MS), await links.get('aside', PROMPT_MS)];
  return {
    flavour: { ...command.flavour, ...between(command.flavour) },
    command: command.session,
    aside: aside.session,
    login: { target: { socket }, credentials: AGENT },
    vipMayBeOn: false,
    leavesSemiSync: false,
    sourceSilent: false,
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
    cpuMs: () => null,
    progress: ignore,
    leaveBehind: (work) => void work.catch(ignore),
    receiverStopping: null,
    leaveStopping: () => undefined,
  };
};

/** The position is read, and then this happens, at the nth reading. */
const afterReading =
  (nth: number, happens: () => Promise<void>) =>
  ({ readPosition }: Flavour): Partial<Flavour> => {
    let readings = 0;
    return {
      readPosition: async (ask) => {
        const position = await readPosition(ask);
        readings += 1;
        if (readings === nth) await happens();
        return position;
      },
    };
  };

/** Its greeting is not read: the server has it for one who has not logged in yet. */
const beginLogin = ({ socket }: Server) => {
  const stream = connect(socket);
  cleanup.push(async () => {
    stream.destroy();
  });
  return {
    finish: async () => {
      const connection = await createConnection({ stream, socketPath: socket, user: 'root', database: 'shop' });
      connection.on('error', () => undefined);
      return connection;
    },
  };
};

const UNAUTHENTICATED = "USER = 'unauthenticated user'";

describe.each(EVERY_KIND)('$title', (kind) => {
  test.each([1, 2])('a position read %d times is not final: a fence tells what is committed then', async (nth) => {
    const { active, standby } = await startPair(cleanup, kind);
    await standby.sql('SET GLOBAL read_only=OFF');
    const late = async () => {
      await standby.sql(INSERT);
      await eventually(async () => (await count(active)) === 1);
    };
    const outcome = await fence(await contextOf(active, afterReading(nth, late)));
    expect(outcome).toMatchObject({ ok: true, position: await active.position() });
  });

  test('a privileged client that logs in behind the final position is refused by MySQL, and found out on MariaDB', async () => {
    const { active } = await startPair(cleanup, kind);
    let refused = 0;
    const late = async () => {
      const client = await openClient(cleanup, active, 'root');
      await client.query(INSERT).catch(({ errno }: { errno: number }) => {
        refused = errno;
      });
    };
    const outcome = await demote(await contextOf(active, afterReading(3, late)), false, 10_000);
    if (kind.name === 'mysql') {
      expect(refused).toBe(1290);
      return expect(outcome).toMatchObject({ ok: true, position: await active.position() });
    }
    expect(outcome).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/still commits: session .* of root@localhost.* past the VIP; undone/),
    });
  });

  test('a login that is under way while the sessions are listed is ended once it is one', async () => {
    const { active } = await startPair(cleanup, kind);
    const login = beginLogin(active);
    const waiting = `SELECT ID FROM ${kind.processList} WHERE ${UNAUTHENTICATED}`;
    await eventually(async () => (await active.sql(waiting)).length === 1);
    let client: Awaited<ReturnType<typeof login.finish>> | undefined;
    const context = await contextOf(active, ({ listSessions }) => ({
      listSessions: async (ask) => {
        const sessions = await listSessions(ask);
        client ??= await login.finish();
        return sessions;
      },
    }));
    expect(await demote(context, false, 10_000)).toMatchObject({ ok: true });
    await expect(client?.query('SELECT 1')).rejects.toThrow();
  });
});
