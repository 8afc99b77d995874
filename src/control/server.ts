/** The agent's end of the control socket: takes requests, hands them on, carries the replies back. */

import { createServer, type Server, type Socket } from 'node:net';
import { createLineSplitter } from './lines.js';
import { encodeLine, MAX_REQUEST_BYTES, parseRequest, type Reply, type Request } from './protocol.js';
import { bindPrivately, prepareSocketPath, shareWithGroup } from './socket-file.js';

export const MAX_CONNECTIONS = 16;

/** Beyond `MAX_CONNECTIONS` so many more are told so; the rest are closed without a word. */
const MAX_REFUSALS = 16;

/** A whole request has to come within this time of the connection, or of the last answer. */
const REQUEST_WAIT_MS = 30_000;

/** After our last word the client's remaining bytes are thrown away for so long, because closing on unread ones would lose it. */
const LINGER_MS = 1_000;

const ONE_AT_A_TIME = 'one request at a time: wait for each answer';

/** A client that lets more than this pile up unread is cut off. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

export interface ReplyTo {
  /** A line for the operator on what is going on. */
  readonly progress: (text: string) => void;
  /** The end: `text` for people, `data` for programs. What comes after it is dropped. */
  readonly done: (ok: boolean, text: string, data?: unknown) => void;
}

export interface ControlServerOptions {
  readonly path: string;
  /** Group that may use it; where it does not exist, `warn` is told and only root can. */
  readonly group: string;
  /** Must end each request with `done`, also when its client has gone. What it throws becomes the answer. */
  readonly handle: (request: Request, reply: ReplyTo) => void | Promise<void>;
  readonly warn: (text: string) => void;
  readonly requestWaitMs?: number;
}

export interface ControlServer {
  /** Stops listening, closes every connection and removes the file. */
  readonly close: () => Promise<void>;
}

/** Listens on `path`. Rejects, saying what to do, where it cannot; later no client can make it fail. */
export const createControlServer = async (options: ControlServerOptions): Promise<ControlServer> => {
  await prepareSocketPath(options.path);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const busy = sockets.size >= MAX_CONNECTIONS;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A client that breaks off is everyday: 'close' follows, and that is all there is to do.
    socket.on('error', () => undefined);
    if (busy) refuse(socket, `${MAX_CONNECTIONS} control connections are open already; close some and try again`);
    else serve(socket, options);
  });
  server.maxConnections = MAX_CONNECTIONS + MAX_REFUSALS;
  await listen(server, options.path);
  server.on('error', (error) => options.warn(`control socket ${options.path}: ${error.message}`));
  const warning = shareWithGroup(options.path, options.group);
  if (warning !== null) options.warn(warning);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', (error) =>
      reject(new Error(`cannot listen on the control socket ${path}: ${error.message}`, { cause: error })),
    );
    bindPrivately(() => server.listen(path));
  });

/** Reads requests from one connection until it ends, one at a time. */
const serve = (socket: Socket, options: ControlServerOptions): void => {
  const waitMs = options.requestWaitMs ?? REQUEST_WAIT_MS;
  const splitter = createLineSplitter(MAX_REQUEST_BYTES);
  let clock: NodeJS.Timeout | undefined;
  let running = false;
  /** The client has said all it wants to, or we have. */
  let ended = false;

  const giveUp = (why: string): void => {
    clearTimeout(clock);
    ended = true;
    socket.off('data', onData);
    refuse(socket, why);
  };
  const awaitRequest = (): void => {
    clock = setTimeout(() => giveUp(`no whole request came within ${waitMs / 1_000} s`), waitMs);
  };
  const start = (line: Buffer): void => {
    const request = parseRequest(line);
    if (!request.ok) {
      giveUp(request.why);
      return;
    }
    clearTimeout(clock);
    running = true;
    answer(request.value, socket, options.handle, () => {
      running = false;
      // A client that has ended its side and does not read would keep its place for as long as it lives.
      if (ended) part(socket, waitMs);
      else awaitRequest();
    });
  };
  const onData = (piece: Buffer): void => {
    const lines = splitter.push(piece);
    const line = lines?.[0];
    if (lines === null) giveUp(`a request has at most ${MAX_REQUEST_BYTES} bytes`);
    else if (lines.length > 1 || (running && lines.length > 0)) giveUp(ONE_AT_A_TIME);
    else if (line !== undefined) start(line);
  };

  awaitRequest();
  socket.on('data', onData);
  socket.once('end', () => {
    if (ended) return;
    ended = true;
    // `printf '{"request":"status"}' | nc -U …` sends no newline.
    const line = splitter.rest();
    if (line.length === 0) {
      if (!running) socket.end();
    } else if (running) giveUp(ONE_AT_A_TIME);
    else start(line);
  });
  socket.once('close', () => {
    ended = true;
    clearTimeout(clock);
  });
};

/** Handles one request; `ended` is called once, after its answer has been written. */
const answer = (request: Request, socket: Socket, handle: ControlServerOptions['handle'], ended: () => void): void => {
  let open = true;
  const done: ReplyTo['done'] = (ok, text, data) => {
    if (!open) return;
    open = false;
    write(socket, { reply: 'done', ok, text, ...(data === undefined ? {} : { data }) });
    ended();
  };
  const progress: ReplyTo['progress'] = (text) => {
    if (open) write(socket, { reply: 'progress', text });
  };
  const failed = (error: unknown): void =>
    done(false, `the agent could not answer: ${error instanceof Error ? error.message : String(error)}`);
  try {
    Promise.resolve(handle(request, { progress, done })).catch(failed);
  } catch (error) {
    failed(error);
  }
};

const write = (socket: Socket, reply: Reply): void => {
  if (!socket.writable) return;
  socket.write(encodeSafely(reply));
  if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
};

/** An answer that JSON cannot carry must not fail the part of the agent that gave it. */
const encodeSafely = (reply: Reply): string => {
  try {
    return encodeLine(reply);
  } catch (error) {
    return encodeLine({
      reply: 'done',
      ok: false,
      text: `the agent's answer cannot be written as JSON: ${String(error)}`,
    });
  }
};

/** A last word, then the end. */
const refuse = (socket: Socket, why: string): void => {
  write(socket, { reply: 'done', ok: false, text: why });
  socket.resume();
  part(socket, LINGER_MS);
};

/** Ends our side; a client that has not taken what was said, and ended its own, within `forMs` is cut off. */
const part = (socket: Socket, forMs: number): void => {
  if (socket.destroyed) return;
  socket.end();
  const linger = setTimeout(() => socket.destroy(), forMs);
  socket.once('close', () => clearTimeout(linger));
};
