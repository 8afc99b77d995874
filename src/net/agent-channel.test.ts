/** The agents' channel over loopback: who is let in, how an answer flows, and how each side ends when the other misbehaves. */

import { randomBytes } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type AgentChannel,
  type AgentChannelOptions,
  createAgentChannel,
  type RequestHandler,
} from './agent-channel.js';
import { IDLE_MS, REQUEST_MAX_BYTES } from './agent-channel-limits.js';

const OLD = randomBytes(32);
const NEW = randomBytes(32);

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
  vi.useRealTimers();
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

interface Pair {
  readonly db1: AgentChannel;
  readonly db2: AgentChannel;
  readonly port: number;
  readonly logged: string[];
}

const startPair = async (
  handlers: Readonly<Record<string, RequestHandler>>,
  db1: Partial<AgentChannelOptions> = {},
  db2: Partial<AgentChannelOptions> = {},
): Promise<Pair> => {
  const ports = [await freePort(), await freePort()] as const;
  const logged: string[] = [];
  const make = (self: string, peer: string, own: number, other: number, extra: Partial<AgentChannelOptions>) => {
    const channel = createAgentChannel({
      listen: { address: '127.0.0.1', port: own },
      group: 'shop',
      self,
      peer,
      peerAddress: { address: '127.0.0.1', port: other },
      keys: [OLD],
      handlers: {},
      nowMs: () => performance.now(),
      log: (_level, _fields, text) => logged.push(text),
      ...extra,
    });
    undo.push(() => channel.close());
    return channel;
  };
  const pair = {
    db1: make('db1', 'db2', ports[0], ports[1], db1),
    db2: make('db2', 'db1', ports[1], ports[0], { handlers, ...db2 }),
  };
  await pair.db2.start();
  return { ...pair, port: ports[1], logged };
};

const ask = async (channel: AgentChannel, request: unknown = {}, purpose = 'echo', signal?: AbortSignal) => {
  const pieces: Buffer[] = [];
  const notes: unknown[] = [];
  const end = await channel.ask(purpose, request, {
    signal: signal ?? new AbortController().signal,
    onData: async (bytes) => void pieces.push(Buffer.from(bytes)),
    onNote: (note) => notes.push(note),
  });
  return { end, data: Buffer.concat(pieces), notes };
};

const echo: Readonly<Record<string, RequestHandler>> = {
  echo: async (request, reply) => {
    await reply.note({ about: 'to come' });
    await reply.send(Buffer.from(JSON.stringify(request)));
    return { whole: true };
  },
};

const raw = async (port: number): Promise<{ readonly socket: Socket; readonly closed: Promise<void> }> => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  undo.push(() => void socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.resume();
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, closed };
};

describe('a request', () => {
  test('is answered with notes, bytes, and the word that they are whole', async () => {
    const { db1 } = await startPair(echo);
    const answer = await ask(db1, { have: 'mariadb:0-1-5' });
    expect(answer).toMatchObject({ end: { whole: true }, notes: [{ about: 'to come' }] });
    expect(answer.data.toString()).toBe('{"have":"mariadb:0-1-5"}');
  });

  test('of many megabytes in answer comes whole, however the pieces are cut', async () => {
    const bytes = randomBytes(5_000_000);
    const { db1 } = await startPair({
      echo: async (_request, reply) => {
        for (let at = 0; at < bytes.length; at += 777_777) await reply.send(bytes.subarray(at, at + 777_777));
        return bytes.length;
      },
    });
    const answer = await ask(db1);
    expect(answer.end).toBe(bytes.length);
    expect(answer.data.equals(bytes)).toBe(true);
  });

  test('that the handler cannot answer comes back with its words', async () => {
    const { db1 } = await startPair({
      echo: async () => {
        throw new Error('the disk is away');
      },
    });
    await expect(ask(db1)).rejects.toThrow(/cannot ask the agent of db2 .* for echo: the disk is away/);
  });

  test('for a purpose that nobody serves, or for another node, is refused with the reason', async () => {
    const { db1 } = await startPair(echo);
    await expect(ask(db1, {}, 'toString')).rejects.toThrow('nothing here answers "toString"');
    const wrong = await startPair(echo, {}, { self: 'db3' });
    await expect(ask(wrong.db1)).rejects.toThrow('it is for db2, and this is db3');
  });

  test('longer than the bound is refused', async () => {
    const { db1 } = await startPair(echo);
    await expect(ask(db1, 'x'.repeat(REQUEST_MAX_BYTES))).rejects.toThrow(/longer than|reset/);
  });

  test('is not answered faster than the asker takes it', async () => {
    let sent = 0;
    const { db1 } = await startPair({
      echo: async (_request, reply) => {
        const piece = Buffer.alloc(250_000);
        for (let i = 0; i < 400; i += 1) {
          await reply.send(piece);
          sent += piece.length;
        }
        return 'all';
      },
    });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let first: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      first = resolve;
    });
    const answer = db1.ask(
      'echo',
      {},
      {
        signal: new AbortController().signal,
        onData: () => {
          first();
          return held;
        },
        onNote: () => undefined,
      },
    );
    await begun;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toBeLessThan(50_000_000);
    release();
    expect(await answer).toBe('all');
  });

  test('asked again ends the one before', async () => {
    let waiting = 0;
    const { db1 } = await startPair({
      echo: (request, _reply, signal) => {
        if (request !== 'wait') return Promise.resolve('second');
        waiting += 1;
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))));
      },
    });
    const first = ask(db1, 'wait').catch((error: Error) => error.message);
    await vi.waitUntil(() => waiting === 1);
    expect((await ask(db1)).end).toBe('second');
    expect(await first).toMatch(/ended in the middle|reset/);
  });

  test('given up ends at once on both sides', async () => {
    let ended = false;
    let begun = false;
    const { db1 } = await startPair({
      echo: (_request, _reply, signal) =>
        new Promise((_, reject) => {
          begun = true;
          signal.addEventListener('abort', () => {
            ended = true;
            reject(new Error('gone'));
          });
        }),
    });
    const controller = new AbortController();
    const asked = ask(db1, {}, 'echo', controller.signal).catch((error: Error) => error.message);
    await vi.waitUntil(() => begun);
    controller.abort();
    expect(await asked).toContain('given up');
    await vi.waitUntil(() => ended);
  });

  test('whose answer cannot be used fails with the very error of whoever asked', async () => {
    const { db1 } = await startPair(echo);
    const failure = new Error('table is full');
    const asked = db1.ask(
      'echo',
      {},
      {
        signal: new AbortController().signal,
        onData: () => Promise.reject(failure),
        onNote: () => undefined,
      },
    );
    await expect(asked).rejects.toBe(failure);
  });
});

describe('who is let in', () => {
  test('a wrong key is refused on both sides, and told what to look at', async () => {
    const { db1, logged } = await startPair(echo, { keys: [NEW] });
    await expect(ask(db1)).rejects.toThrow('key_file, group and node names must be the same');
    await vi.waitUntil(() => logged.length > 0);
    expect(logged.join()).toContain('refused');
  });

  test('the same key in another group, and another name, are refused', async () => {
    const other = await startPair(echo, { group: 'other' });
    await expect(ask(other.db1)).rejects.toThrow('handshake failed');
    const named = await startPair(echo, { self: 'db9' });
    await expect(ask(named.db1)).rejects.toThrow('handshake failed');
  });

  test('a key that claims the name of the right one fails at the proof', async () => {
    const { db1 } = await startPair(echo);
    expect((await ask(db1)).end).toEqual({ whole: true });
    vi.doMock('./agent-channel-keys.js', async (original) => {
      const real = await original<typeof import('./agent-channel-keys.js')>();
      return {
        ...real,
        deriveChannelKeys: (group: string, keys: readonly Buffer[]) =>
          real.deriveChannelKeys(group, keys).map((key) => ({ ...key, secret: randomBytes(32) })),
      };
    });
    vi.resetModules();
    const { createAgentChannel: forge } = await import('./agent-channel.js');
    vi.doUnmock('./agent-channel-keys.js');
    const { port } = await startPair(echo);
    const forged = forge({
      listen: { address: '127.0.0.1', port: 0 },
      group: 'shop',
      self: 'db1',
      peer: 'db2',
      peerAddress: { address: '127.0.0.1', port },
      keys: [OLD],
      handlers: {},
      nowMs: () => performance.now(),
      log: () => undefined,
    });
    undo.push(() => forged.close());
    await expect(ask(forged)).rejects.toThrow('handshake failed');
  });

  test('in the middle of a rotation each is understood, whichever key it offers', async () => {
    const { db1, db2 } = await startPair(echo, { keys: [NEW, OLD], handlers: echo }, { keys: [OLD, NEW] });
    await db1.start();
    expect((await ask(db1)).end).toEqual({ whole: true });
    expect((await ask(db2)).end).toEqual({ whole: true });
  });

  test('an address that is not the peer’s never reaches the handshake', async () => {
    const { db1, logged } = await startPair(echo, {}, { peerAddress: { address: '127.0.0.77', port: 1 } });
    await expect(ask(db1)).rejects.toThrow(/cannot ask/);
    await vi.waitUntil(() => logged.length > 0);
    expect(logged[0]).toContain('does not come from db1');
  });

  test('garbage ends its own connection and nothing else', async () => {
    const { db1, port } = await startPair(echo);
    for (const bytes of [randomBytes(2_000), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(0)]) {
      const { socket, closed } = await raw(port);
      socket.end(bytes);
      await closed;
    }
    expect((await ask(db1)).end).toEqual({ whole: true });
  });
});

describe('a peer that does not play along', () => {
  test('nobody listens: told with what to check', async () => {
    const { db1, db2 } = await startPair(echo);
    await db2.close();
    await expect(ask(db1)).rejects.toThrow('is vipd running on it, with the same agents.port?');
  });

  test('accepts and says nothing: the handshake has a deadline', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    undo.push(() => void silent.close());
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { db1 } = await startPair(echo, { peerAddress: { address: '127.0.0.1', port } });
    await expect(ask(db1)).rejects.toThrow(/no connection within \d+ ms/);
  });

  test('answers a stream of garbage instead of TLS: an error, no crash', async () => {
    const noise = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(randomBytes(4_000));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => noise.once('listening', resolve));
    undo.push(() => void noise.close());
    const address = noise.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { db1 } = await startPair(echo, { peerAddress: { address: '127.0.0.1', port } });
    await expect(ask(db1)).rejects.toThrow(/cannot ask the agent of db2/);
  });

  test('one that works long says that it is alive, and is waited for', async () => {
    // A clock of which each second is eight: longer than the bound of silence passes between two signs of life.
    const startedAt = performance.now();
    const nowMs = () => startedAt + (performance.now() - startedAt) * 8;
    const { db1 } = await startPair(
      {
        echo: async () => {
          await new Promise((resolve) => setTimeout(resolve, (IDLE_MS / 8) * 2));
          return 'late';
        },
      },
      { nowMs },
      { nowMs },
    );
    expect((await ask(db1)).end).toBe('late');
  });

  test('one that fell silent is given up after the bound', async () => {
    const startedAt = performance.now();
    let jump = 0;
    let begun = false;
    const { db1 } = await startPair(
      {
        echo: () => {
          begun = true;
          return new Promise(() => undefined);
        },
      },
      { nowMs: () => performance.now() - startedAt + jump },
    );
    const asked = ask(db1).catch((error: Error) => error.message);
    await vi.waitUntil(() => begun);
    const hold = setInterval(() => {
      jump += IDLE_MS;
    }, 100);
    undo.push(() => clearInterval(hold));
    expect(await asked).toContain(`no answer for ${IDLE_MS} ms`);
  }, 60_000);

  test('a busy port is told with what to do', async () => {
    const { db2 } = await startPair(echo);
    await expect(db2.start()).rejects.toThrow();
    const { port } = await startPair(echo);
    const second = await startPair(echo, { listen: { address: '127.0.0.1', port } });
    await expect(second.db1.start()).rejects.toThrow('change agents.port on both nodes');
  });
});
