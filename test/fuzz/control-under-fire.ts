/** The agent's real control socket, with an account of what got through it, and a core behind it that answers as it likes. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { createControl } from '../../src/agent/control.js';
import type { Reply, Request } from '../../src/control/protocol.js';
import { allWell } from '../../src/control/status.fixture.js';
import type { Command } from '../../src/core/event.js';
import { startNode } from '../../src/core/start.js';
import { budget, deadlineMs, FUZZ_SEED } from './budget.js';
import { config } from './events.js';
import { commandOf } from './requests.js';

/** How the agent's parts are disposed. */
export interface Mood {
  /** They answer after so many turns of the event loop; 0: before they return. */
  readonly turns: number;
  /** Lines of progress before the answer of an operation. */
  readonly progress: number;
  readonly parts: 'work' | 'throw' | 'reject';
}

export const anyMood: fc.Arbitrary<Mood> = fc.record({
  turns: fc.nat({ max: 3 }),
  progress: fc.nat({ max: 3 }),
  parts: fc.constantFrom('work', 'work', 'work', 'throw', 'reject'),
});
export const GOOD_MOOD: Mood = { turns: 0, progress: 0, parts: 'work' };

/** 'half-close': hears out what comes; 'break': closes at once; 'dawdle': closes a few turns later. */
export type Ending = 'half-close' | 'break' | 'dawdle';

export interface ControlUnderFire {
  readonly path: string;
  /** From here on in this mood, with a clean account: what an earlier conversation that went wrong left is cut off. */
  readonly begin: (mood: Mood) => void;
  /** What got through since then and can change something, oldest first: words of `effectsOf`. */
  readonly effects: () => readonly string[];
  readonly connections: Connections;
  /** Resolves once the server has closed every connection. Rejects with what went wrong unseen. */
  readonly settle: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Connections {
  /** As many as were ever open at once. */
  readonly most: () => number;
  readonly cutAll: () => void;
  readonly allClosed: () => Promise<void>;
  readonly stop: () => void;
}

/** Far above what anything here takes on a busy machine: what is not done by then hangs. */
const HANG_MS = 10_000;
const OUT_OF_ORDER = 'the disk is gone';

/** What hangs takes long to shrink: this ends before the test's minute, which would keep the seed and the input to itself. */
export const hangingBudget = (count: number) =>
  ({ ...budget(count), interruptAfterTimeLimit: deadlineMs(40_000), markInterruptAsFailure: true }) as const;

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Rejects, naming `what`, where `work` hangs. */
export const inTime = async <T>(what: string, work: Promise<T>): Promise<T> => {
  let clock: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    clock = setTimeout(() => reject(new Error(`${what} hangs`)), HANG_MS);
  });
  return Promise.race([work, hung]).finally(() => clearTimeout(clock));
};

/** Server ends of connections are counted where node announces them: the control socket tells nobody. */
export const watchConnections = (): Connections => {
  const sockets = new Set<Socket>();
  let most = 0;
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    sockets.add(socket);
    // A place is free again as soon as its socket is destroyed, a moment before it tells.
    most = Math.max(most, [...sockets].filter(({ destroyed }) => !destroyed).length);
    socket.once('close', () => sockets.delete(socket));
  };
  subscribe('net.server.socket', onSocket);
  return {
    most: () => most,
    cutAll: () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    allClosed: async () => {
      const begun = Date.now();
      while (sockets.size > 0) {
        if (Date.now() - begun > HANG_MS) throw new Error(`${sockets.size} connections stay open`);
        await turn();
      }
    },
    stop: () => void unsubscribe('net.server.socket', onSocket),
  };
};

export const createControlUnderFire = async (): Promise<ControlUnderFire> => {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-fuzz-'));
  const path = join(directory, 'c.sock');
  let mood = GOOD_MOOD;
  let effects: string[] = [];
  let unseen: unknown[] = [];
  const onUnseen = (cause: unknown): void => void unseen.push(cause);
  process.on('uncaughtException', onUnseen).on('unhandledRejection', onUnseen);
  const connections = watchConnections();
  const [given] = fc.sample(config, { numRuns: 1, seed: FUZZ_SEED });
  if (!given) throw new Error('no configuration was drawn');
  const { state } = startNode(given, null, 0);

  const part = <T>(value: T): Promise<T> => {
    const { turns, parts } = mood;
    if (parts === 'throw') throw new Error(OUT_OF_ORDER);
    return pass(turns).then(() => {
      if (parts === 'reject') throw new Error(OUT_OF_ORDER);
      return value;
    });
  };
  const carryOut = (id: number, command: Command): void => {
    const { turns, progress } = mood;
    const answer = (): void => {
      for (let i = 0; i < progress; i += 1) control.reply(id, false, true, `step ${i}`);
      control.reply(id, true, true, wordOf(command));
    };
    if (turns === 0) answer();
    else void pass(turns).then(answer);
  };
  const control = createControl({
    socket: path,
    group: 'root',
    dispatch: (event) => {
      if (event.type !== 'command') throw new Error(`the control socket made a ${event.type}`);
      effects.push(wordOf(event.command));
      carryOut(event.id, event.command);
    },
    state: () => state,
    status: () => part(allWell),
    history: (limit) => part([{ kind: 'notice', term: 1, cause: 'test', text: `${limit}`, at: '', bootMs: 0 }]),
    reload: () => {
      effects.push('reload');
      return part({ ok: true, text: 'reloaded', details: [], at: allWell.now, validFile: true });
    },
    acknowledge: () => effects.push('acknowledge'),
    now: () => 0,
    warn: () => undefined,
  });
  await control.open();

  return {
    path,
    begin: (next) => {
      mood = next;
      effects = [];
      unseen = [];
      connections.cutAll();
    },
    effects: () => effects,
    connections,
    settle: async () => {
      // A connection that its client has closed already may not be accepted yet.
      await pass(3);
      // First: what was thrown may be why a connection stays open.
      if (unseen.length === 0) await connections.allClosed();
      if (unseen.length > 0) throw new Error('thrown where nobody catches', { cause: unseen[0] });
    },
    close: async () => {
      await control.close();
      connections.stop();
      process.off('uncaughtException', onUnseen).off('unhandledRejection', onUnseen);
      rmSync(directory, { recursive: true });
    },
  };
};

const pass = async (turns: number): Promise<void> => {
  for (let i = 0; i < turns; i += 1) await turn();
};

const wordOf = (command: Command): string => JSON.stringify(command, Object.keys(command).toSorted());

/** What a request brings about, and in which order. */
export const effectsOf = (request: Request): readonly string[] => {
  const command = commandOf(request);
  if (command) return command.name === 'resume' ? ['acknowledge', wordOf(command)] : [wordOf(command)];
  return request.request === 'reload' ? ['reload'] : [];
};

/** What a request is answered in such a mood: a reply, or text that has to be in one that says no. */
export const answerTo = (request: Request, { parts }: Mood): Omit<Extract<Reply, { reply: 'done' }>, 'reply'> => {
  const command = commandOf(request);
  if (command) return { ok: true, text: wordOf(command) };
  if (request.request === 'is-active') return { ok: false, text: 'starting' };
  if (parts !== 'work') return { ok: false, text: OUT_OF_ORDER };
  switch (request.request) {
    case 'reload':
      return { ok: true, text: 'reloaded' };
    case 'history':
      return {
        ok: true,
        text: '',
        data: [{ kind: 'notice', term: 1, cause: 'test', text: `${request.limit}`, at: '' }],
      };
    default:
      return { ok: true, text: '', data: JSON.parse(JSON.stringify(allWell)) };
  }
};

/** Sends the pieces one by one, a turn apart, and resolves with all that came back once the connection is closed. */
export const talk = (path: string, pieces: readonly Buffer[], ending: Ending): Promise<string> =>
  new Promise((resolve) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    const heard: Buffer[] = [];
    socket.on('data', (piece) => heard.push(piece));
    // That the server closes first is judged by what was heard.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => resolve(Buffer.concat(heard).toString()));
    const send = async (): Promise<void> => {
      for (const piece of pieces) {
        socket.write(piece);
        await turn();
      }
      if (ending === 'half-close') socket.end();
      if (ending === 'dawdle') await pass(5);
      if (ending !== 'half-close') socket.destroy();
    };
    socket.once('connect', () => void send());
  });

/** Sends one request at a time, in pieces, and resolves with all that came back. */
export const askInTurn = (path: string, requests: readonly (readonly Buffer[])[]): Promise<string> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    let heard = '';
    let asked = 0;
    const askNext = async (): Promise<void> => {
      const pieces = requests[asked];
      asked += 1;
      if (!pieces) socket.end();
      for (const piece of pieces ?? []) {
        socket.write(piece);
        await turn();
      }
    };
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
      if (heard.split('{"reply":"done"').length > asked && heard.endsWith('\n')) void askNext();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
    socket.once('connect', () => void askNext());
  });
