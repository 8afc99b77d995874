/** The answering side: one request a connection, one connection a purpose, and the answer no faster than the asker takes it. */

import type { TLSSocket } from 'node:tls';
import { encodeFrame, encodeJson, FRAME_MAX_BYTES } from './agent-channel-frames.js';
import { ALIVE_EVERY_MS, ANSWER_MS, IDLE_MS, REQUEST_MAX_BYTES, REQUEST_MS } from './agent-channel-limits.js';

export interface Reply {
  /** Resolves when more can be taken; rejects when the asker is gone. */
  send(bytes: Buffer): Promise<void>;
  /** JSON beside the bytes, for progress. */
  note(value: unknown): Promise<void>;
}

/** What it resolves to ends the answer as whole; what it throws is told to the asker. `signal`: nobody waits any more. */
export type RequestHandler = (request: unknown, reply: Reply, signal: AbortSignal) => Promise<unknown>;

export interface ServeOptions {
  readonly self: string;
  readonly peer: string;
  readonly handlers: Readonly<Record<string, RequestHandler>>;
  readonly nowMs: () => number;
  readonly log: (level: 'debug' | 'info' | 'warn', fields: Readonly<Record<string, unknown>>, text: string) => void;
}

interface Envelope {
  readonly to: string;
  readonly purpose: string;
  readonly request: unknown;
}

const NEWLINE = 0x0a;

/** Listener for connections whose asker has proven itself. */
export const serveRequests = (options: ServeOptions): ((socket: TLSSocket) => void) => {
  const served = new Map<string, AbortController>();

  return (socket) => {
    const startedMs = options.nowMs();
    const gone = new AbortController();
    let heardMs = startedMs;
    let line: Buffer = Buffer.alloc(0);
    let begun = false;

    const refuse = (text: string): void => {
      begun = true;
      options.log('warn', {}, `a request of ${options.peer} was refused: ${text}`);
      socket.end(encodeJson('failed', text));
    };

    const begin = (envelope: Envelope): void => {
      const { purpose } = envelope;
      const handler = Object.hasOwn(options.handlers, purpose) ? options.handlers[purpose] : undefined;
      if (envelope.to !== options.self) return refuse(`it is for ${envelope.to}, and this is ${options.self}`);
      if (handler === undefined) return refuse(`nothing here answers "${purpose}"; run the same vipd on both nodes`);
      // The asker asks once at a time: whoever asks again has given the first up, or lost it.
      served.get(purpose)?.abort();
      served.set(purpose, gone);
      answer(socket, handler, envelope.request, gone.signal).then(
        () => options.log('debug', { purpose }, `answered ${options.peer}`),
        (error: unknown) => options.log('debug', { purpose }, `not answered to the end: ${String(error)}`),
      );
    };

    const watch = setInterval(() => {
      const now = options.nowMs();
      const late = begun ? now - heardMs > IDLE_MS || now - startedMs > ANSWER_MS : now - startedMs > REQUEST_MS;
      if (late) socket.destroy();
      // While the asker is slow, what waits for it is sign enough.
      else if (begun && socket.writable && !socket.writableNeedDrain) socket.write(ALIVE);
    }, ALIVE_EVERY_MS);

    const stop = () => socket.destroy();
    gone.signal.addEventListener('abort', stop, { once: true });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearInterval(watch);
      gone.abort();
      for (const [purpose, controller] of served) if (controller === gone) served.delete(purpose);
    });
    socket.on('data', (chunk: Buffer) => {
      heardMs = options.nowMs();
      // After the request the asker only says that it is there.
      if (begun) return;
      line = Buffer.concat([line, chunk]);
      const end = line.indexOf(NEWLINE);
      if ((end < 0 ? line.length : end) > REQUEST_MAX_BYTES) return refuse(`longer than ${REQUEST_MAX_BYTES} bytes`);
      if (end < 0) return;
      const envelope = parseEnvelope(line.subarray(0, end));
      begun = true;
      line = Buffer.alloc(0);
      if (envelope === undefined) return refuse('it is not a line of JSON with to, purpose and request');
      begin(envelope);
    });
  };
};

const ALIVE = encodeFrame('alive', Buffer.alloc(0));

const answer = async (
  socket: TLSSocket,
  handler: RequestHandler,
  request: unknown,
  signal: AbortSignal,
): Promise<void> => {
  const write = async (frame: Buffer): Promise<void> => {
    if (signal.aborted || !socket.writable) throw new Error('the asker is gone');
    if (!socket.write(frame)) await drained(socket, signal);
  };
  const reply: Reply = {
    send: async (bytes) => {
      for (let at = 0; at < bytes.length; at += FRAME_MAX_BYTES)
        await write(encodeFrame('data', bytes.subarray(at, at + FRAME_MAX_BYTES)));
    },
    note: (value) => write(encodeJson('note', value)),
  };
  let last: Buffer;
  try {
    last = encodeJson('end', await handler(request, reply, signal));
  } catch (error) {
    last = encodeJson('failed', error instanceof Error ? error.message : String(error));
  }
  await write(last);
  socket.end();
};

const drained = (socket: TLSSocket, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (then: () => void) => () => {
      socket.off('drain', onDrain);
      signal.removeEventListener('abort', onGone);
      then();
    };
    const onDrain = settle(resolve);
    const onGone = settle(() => reject(new Error('the asker is gone')));
    socket.once('drain', onDrain);
    signal.addEventListener('abort', onGone, { once: true });
  });

const parseEnvelope = (line: Buffer): Envelope | undefined => {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { to, purpose, request } = value as Partial<Record<keyof Envelope, unknown>>;
    return typeof to === 'string' && typeof purpose === 'string' ? { to, purpose, request } : undefined;
  } catch {
    return undefined;
  }
};
