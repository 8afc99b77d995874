/** A TCP channel between the two agents, under TLS-PSK: one asks, the other answers with a stream and says when it is whole. */

import { createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type AskOptions, askPeer } from './agent-channel-client.js';
import { deriveChannelKeys, keyOf } from './agent-channel-keys.js';
import { CHANNEL_TLS, HANDSHAKE_MS, UNPROVEN_MAX } from './agent-channel-limits.js';
import { type RequestHandler, serveRequests } from './agent-channel-server.js';

export type { AskOptions } from './agent-channel-client.js';
export type { Reply, RequestHandler } from './agent-channel-server.js';

export interface AgentChannelOptions {
  /** Our own address, from which we also ask. */
  readonly listen: { readonly address: string; readonly port: number };
  readonly group: string;
  readonly self: string;
  readonly peer: string;
  readonly peerAddress: { readonly address: string; readonly port: number };
  /** The group's keys: the first is offered, all are accepted. */
  readonly keys: readonly Buffer[];
  /** By purpose. */
  readonly handlers: Readonly<Record<string, RequestHandler>>;
  readonly nowMs: () => number;
  readonly log: (level: 'debug' | 'info' | 'warn', fields: Readonly<Record<string, unknown>>, text: string) => void;
}

export interface AgentChannel {
  /** Listens. Rejects where the address or port cannot be had; the message says what to do. */
  start(): Promise<void>;
  /** Ends every connection, served or asked. */
  close(): Promise<void>;
  /**
   * Asks the peer and hands its answer over piece by piece; the next piece is read when `onData` has resolved. Answers
   * the value that ended the answer. Rejects where it did not come whole, with what the peer said or what failed.
   */
  ask(purpose: string, request: unknown, options: AskOptions): Promise<unknown>;
  /** Keys as read again, for what connects from now on. Throws an Error, and keeps the old ones, where they cannot be used. */
  setKeys(keys: readonly Buffer[]): void;
}

/** At most one line about refused connections in this time. */
const REFUSAL_LOG_MS = 60_000;

/** @throws Error where the keys cannot be used. */
export const createAgentChannel = (options: AgentChannelOptions): AgentChannel => {
  const { listen, peer, peerAddress, log } = options;
  let keys = deriveChannelKeys(options.group, options.keys);
  const raw = new Set<Socket>();
  const ending = new AbortController();
  let refusals = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;

  const refuse = (from: string, why: string): void => {
    refusals += 1;
    if (options.nowMs() - toldAtMs < REFUSAL_LOG_MS) return;
    toldAtMs = options.nowMs();
    log('warn', { from, refusals }, `a connection to the agent channel was refused: ${why}`);
  };

  // A PSK suite alone: nobody can come with a certificate instead, on either side.
  const tls = createTlsServer({
    ...CHANNEL_TLS,
    handshakeTimeout: HANDSHAKE_MS,
    pskCallback: (_socket, identity) => keyOf(identity, peer, keys)?.secret ?? null,
  });
  tls.on('tlsClientError', (error, socket) => {
    refuse(
      socket.remoteAddress ?? peerAddress.address,
      `${error.message.trim()}; key_file, group and node names must be the same on both nodes`,
    );
    socket.destroy();
  });
  tls.on('secureConnection', serveRequests(options));

  const server = createTcpServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    const from = plain(socket.remoteAddress ?? '');
    if (from !== plain(peerAddress.address)) {
      refuse(from, `it does not come from ${peer} (${peerAddress.address})`);
      socket.destroy();
      return;
    }
    raw.add(socket);
    socket.once('close', () => raw.delete(socket));
    // Injected, as node:tls documents for 'connection', so that strangers never reach the handshake.
    tls.emit('connection', socket);
  });
  server.maxConnections = UNPROVEN_MAX;

  return {
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => {
          const advice =
            error.code === 'EADDRINUSE'
              ? 'another program has it; change agents.port on both nodes'
              : "the address must be one of this host's";
          reject(new Error(`cannot listen on ${listen.address} port ${listen.port} (TCP): ${error.code}; ${advice}`));
        });
        server.listen({ host: listen.address, port: listen.port }, () => {
          server.removeAllListeners('error');
          server.on('error', (error) => log('warn', {}, `the agent channel's listener failed: ${error.message}`));
          resolve();
        });
      }),
    close: () =>
      new Promise((resolve) => {
        ending.abort();
        for (const socket of raw) socket.destroy();
        if (server.listening) server.close(() => resolve());
        else resolve();
      }),
    setKeys: (given) => {
      keys = deriveChannelKeys(options.group, given);
    },
    ask: (purpose, request, askOptions) =>
      askPeer(
        { self: options.self, peer, peerAddress, localAddress: listen.address, nowMs: options.nowMs, keys },
        purpose,
        request,
        { ...askOptions, signal: AbortSignal.any([askOptions.signal, ending.signal]) },
      ),
  };
};

/** An IPv4 peer of a socket that listens on IPv6 (RFC 4291, section 2.5.5.2). */
const plain = (address: string): string => address.replace(/^::ffff:/i, '').toLowerCase();
