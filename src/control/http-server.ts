/** A small HTTP server for one question a connection, which no client can hold up, fill up or end. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Millis } from '../core/types.js';
import type { HttpAnswer } from './http-answer.js';

/** Connections at a time. One more ends the oldest, so that clients that dawdle do not keep out those that ask. */
export const MAX_CONNECTIONS = 64;
/** A connection's whole life: one question, one answer, however slowly either goes. */
export const CONNECTION_MS: Millis = 5_000;
/** Of the request line and headers together. */
export const MAX_HEADER_BYTES = 8_192;
/** Waiting for `accept`; the kernel lets further clients try again (listen(2)). */
const BACKLOG = 128;
/** A port that is taken is tried again after this long, then after twice as long, and so on. */
const RETRY_MS: Millis = 1_000;
const MAX_RETRY_MS: Millis = 30_000;

/** What only reads (RFC 9110, 9.2.1). HAProxy's `option httpchk` asks with OPTIONS unless it is told otherwise. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

export interface HttpServerOptions {
  readonly listen: { readonly address: string; readonly port: number };
  /** What the request line asks for. Never rejects. */
  readonly answer: (target: string) => Promise<HttpAnswer>;
  /** Listening now, or why not (`error`) and when it is tried again. */
  readonly onState: (state: ListenState) => void;
  /** Every answer given. */
  readonly onAnswered: (target: string, code: number) => void;
  readonly connectionMs?: Millis;
  readonly retryMs?: Millis;
}

export type ListenState =
  | { readonly listening: true; readonly port: number }
  | { readonly listening: false; readonly error: string; readonly retryInMs: Millis };

export interface HttpServer {
  readonly close: () => void;
}

/** Listens, or keeps trying to. */
export const createHttpServer = (options: HttpServerOptions): HttpServer => {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAlive: false, requestTimeout: 0 });
  const close = bound(server, options.connectionMs ?? CONNECTION_MS);
  const served = new WeakSet<Socket>();
  server.on('request', (request, response) => {
    // Further questions that a client has sent ahead: it was told with the first answer that there is one a connection.
    if (served.has(request.socket)) return void request.socket.destroy();
    served.add(request.socket);
    void respond(request, response, options);
  });
  server.on('clientError', refuse);
  const stopListening = keepListening(server, options);
  return {
    close: () => {
      stopListening();
      close();
    },
  };
};

/** Bounds the connections in number and in time. Answers what ends all of them. */
const bound = (server: Server, connectionMs: Millis): (() => void) => {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    const [oldest] = open;
    if (open.size >= MAX_CONNECTIONS) oldest?.destroy();
    open.add(socket);
    const end = setTimeout(() => socket.destroy(), connectionMs);
    socket.once('close', () => {
      clearTimeout(end);
      open.delete(socket);
    });
  });
  return () => {
    for (const socket of open) socket.destroy();
  };
};

const keepListening = (server: Server, { listen, onState, retryMs = RETRY_MS }: HttpServerOptions): (() => void) => {
  let waitMs = retryMs;
  let retry: NodeJS.Timeout | undefined;
  let stopped = false;
  const attempt = (): void => void server.listen({ host: listen.address, port: listen.port, backlog: BACKLOG });
  server.on('listening', () => {
    waitMs = retryMs;
    const address = server.address();
    onState({ listening: true, port: typeof address === 'object' && address !== null ? address.port : listen.port });
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    // While it listens, an error is one of accept(2): of one connection, or of too many open files. It goes on.
    if (server.listening || stopped) return;
    onState({ listening: false, error: error.message, retryInMs: waitMs });
    retry = setTimeout(attempt, waitMs);
    waitMs = Math.min(2 * waitMs, MAX_RETRY_MS);
  });
  attempt();
  return () => {
    stopped = true;
    clearTimeout(retry);
    server.close();
  };
};

const respond = async (
  request: IncomingMessage,
  response: ServerResponse,
  { answer, onAnswered }: HttpServerOptions,
): Promise<void> => {
  const target = request.url ?? '';
  const method = request.method ?? '';
  const { code, type, body } = METHODS.includes(method) ? await answer(target) : NOT_ALLOWED;
  const sent = method === 'OPTIONS' ? '' : body;
  response.on('error', () => undefined);
  response.writeHead(code, {
    allow: METHODS.join(', '),
    'cache-control': 'no-store',
    connection: 'close',
    'content-length': Buffer.byteLength(sent),
    'content-type': type,
    'x-content-type-options': 'nosniff',
  });
  // Node leaves the body out of an answer to HEAD by itself.
  response.end(sent);
  onAnswered(target, code);
};

const NOT_ALLOWED: HttpAnswer = {
  code: 405,
  type: 'text/plain; charset=utf-8',
  body: 'this server only answers questions\n',
};

/** What Node could not read as a request. */
const refuse = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (!socket.writable) return void socket.destroy();
  const line = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(`HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
};
