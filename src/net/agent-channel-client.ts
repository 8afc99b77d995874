/** The asking side: one request, its answer taken piece by piece, and an error that says what to look at. */

import { connect, type TLSSocket } from 'node:tls';
import { createFrameReader, type Frame, parseJson } from './agent-channel-frames.js';
import { type ChannelKey, identityOf } from './agent-channel-keys.js';
import { ALIVE_EVERY_MS, ANSWER_MS, CHANNEL_TLS, HANDSHAKE_MS, IDLE_MS } from './agent-channel-limits.js';

export interface AskOptions {
  readonly signal: AbortSignal;
  onData(bytes: Buffer): Promise<void>;
  onNote(value: unknown): void;
}

export interface Asker {
  readonly self: string;
  readonly peer: string;
  readonly peerAddress: { readonly address: string; readonly port: number };
  readonly localAddress: string;
  readonly keys: readonly ChannelKey[];
  readonly nowMs: () => number;
}

/** @throws Error where the answer did not come whole. */
export const askPeer = async (
  asker: Asker,
  purpose: string,
  request: unknown,
  options: AskOptions,
): Promise<unknown> => {
  const { peer, peerAddress } = asker;
  const whom = `the agent of ${peer} (${peerAddress.address} port ${peerAddress.port}, TCP)`;
  let socket: TLSSocket | undefined;
  try {
    socket = await openConnection(asker, options.signal);
    socket.write(`${JSON.stringify({ to: peer, purpose, request })}\n`);
    return await readAnswer(socket, asker, options);
  } catch (error) {
    if (error instanceof ConsumerError) throw error.cause;
    throw new Error(`cannot ask ${whom} for ${purpose}: ${explain(error)}`);
  } finally {
    socket?.destroy();
  }
};

/** What failed is the work of whoever asked, not the channel: its own error is passed on as it is. */
class ConsumerError extends Error {}

const openConnection = (asker: Asker, signal: AbortSignal): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const [key] = asker.keys;
    if (key === undefined) return reject(new Error('there is no key'));
    if (signal.aborted) return reject(new Error('given up'));
    const wildcard = ['0.0.0.0', '::'].includes(asker.localAddress);
    const socket = connect({
      ...CHANNEL_TLS,
      host: asker.peerAddress.address,
      port: asker.peerAddress.port,
      ...(wildcard ? {} : { localAddress: asker.localAddress }),
      pskCallback: () => ({ psk: key.secret, identity: identityOf(asker.self, key) }),
      // No certificate is shown in a PSK suite: knowing the key is the proof.
      checkServerIdentity: () => undefined,
    });
    const settle = (then: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      then();
    };
    const fail = (error: Error): void =>
      settle(() => {
        socket.destroy();
        reject(error);
      });
    const onAbort = () => fail(new Error('given up'));
    const timer = setTimeout(
      () => fail(new Error(`no connection within ${HANDSHAKE_MS} ms; is the host up, and the port not filtered?`)),
      HANDSHAKE_MS,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    // Kept for the connection's life: an 'error' event without a listener would end the agent.
    socket.on('error', fail);
    socket.once('close', () => fail(new Error('the connection was closed during the handshake')));
    socket.once('secureConnect', () => settle(() => resolve(socket)));
  });

const readAnswer = async (socket: TLSSocket, asker: Asker, options: AskOptions): Promise<unknown> => {
  const startedMs = asker.nowMs();
  let waitingSinceMs: number | null = startedMs;
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    socket.destroy(failure);
  };
  const onAbort = () => fail(new Error('given up'));
  options.signal.addEventListener('abort', onAbort, { once: true });
  const watch = setInterval(() => {
    const now = asker.nowMs();
    // While our own consumer works nothing is read, so only waiting counts as the peer's silence.
    if (waitingSinceMs !== null && now - waitingSinceMs > IDLE_MS) fail(new Error(`no answer for ${IDLE_MS} ms`));
    else if (now - startedMs > ANSWER_MS) fail(new Error(`not answered to the end within ${ANSWER_MS} ms`));
    else if (!socket.writableNeedDrain) socket.write('.');
  }, ALIVE_EVERY_MS);
  try {
    const reader = createFrameReader();
    // Reading by iteration holds the sender back while a piece is being consumed.
    for await (const chunk of socket) {
      waitingSinceMs = null;
      for (const frame of reader.read(chunk as Buffer)) {
        const ended = await takeFrame(frame, options);
        if (failure !== undefined) throw failure;
        if (ended !== undefined) return ended.value;
      }
      waitingSinceMs = asker.nowMs();
    }
    throw failure ?? new Error('the connection ended in the middle of the answer');
  } catch (error) {
    throw failure ?? error;
  } finally {
    clearInterval(watch);
    options.signal.removeEventListener('abort', onAbort);
  }
};

const takeFrame = async (
  { kind, body }: Frame,
  options: AskOptions,
): Promise<{ readonly value: unknown } | undefined> => {
  switch (kind) {
    case 'data':
      await options.onData(body).catch((cause: unknown) => {
        throw new ConsumerError('the answer could not be used', { cause });
      });
      return undefined;
    case 'note':
      options.onNote(parseJson(body));
      return undefined;
    case 'alive':
      return undefined;
    case 'end':
      return { value: parseJson(body) };
    case 'failed':
      throw new Error(String(parseJson(body)));
    default:
      return kind satisfies never;
  }
};

/** What OpenSSL and the system call it, and what the operator can do about it. */
const explain = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code ?? '';
  switch (code) {
    case 'ECONNREFUSED':
      return 'nobody listens there: is vipd running on it, with the same agents.port?';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was reset; its journal says why: key_file, group and node names must be the same on both nodes';
    default:
      return code.startsWith('ERR_SSL_')
        ? `the TLS handshake failed (${code}): key_file, group and node names must be the same on both nodes`
        : error.message;
  }
};
