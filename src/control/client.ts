/** The operator's end of the control socket: one request, its progress, its answer, or why there is none. */

import { createConnection } from 'node:net';
import { createLineSplitter } from './lines.js';
import { encodeLine, parseReply, type RequestInput } from './protocol.js';

/** A status with long GTID sets, or a long history. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

export interface RequestOptions {
  readonly onProgress?: (text: string) => void;
  /** Longest silence of the agent: each reply starts it anew. */
  readonly timeoutMs: number;
  /** Stops waiting; what the agent is doing goes on. */
  readonly signal?: AbortSignal;
}

export type Answer =
  | { readonly kind: 'done'; readonly ok: boolean; readonly text: string; readonly data: unknown }
  /** No agent answered, or not to the end (exit status 3). `text`: what came back, and what to do. */
  | { readonly kind: 'no-agent'; readonly text: string }
  /** `signal` aborted. */
  | { readonly kind: 'interrupted'; readonly text: string };

/** Sends `request` to the agent at the unix socket `path`. Never rejects. */
export const request = (path: string, request: RequestInput, options: RequestOptions): Promise<Answer> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    const splitter = createLineSplitter(MAX_REPLY_BYTES);
    let connected = false;
    const interrupted = (): void => end({ kind: 'interrupted', text: `interrupted; ${outcomeOf(request)}` });
    const end = (answer: Answer): void => {
      clearTimeout(clock);
      options.signal?.removeEventListener('abort', interrupted);
      socket.destroy();
      resolve(answer);
    };
    const noAgent = (text: string): void =>
      end({ kind: 'no-agent', text: connected ? `${text}; ${outcomeOf(request)}` : text });

    options.signal?.addEventListener('abort', interrupted);
    // Not `socket.setTimeout`: bytes that never become a reply would put it off for ever.
    const clock = setTimeout(
      () => noAgent(`the agent at ${path} has not answered for ${options.timeoutMs / 1_000} s`),
      options.timeoutMs,
    );
    socket.once('connect', () => {
      connected = true;
      socket.write(encodeLine(request));
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      noAgent(connected ? `the agent at ${path} broke off: ${error.message}` : cannotConnect(path, error)),
    );
    socket.once('end', () => noAgent(`the agent at ${path} closed the connection without an answer`));
    socket.on('data', (piece) => {
      const lines = splitter.push(piece);
      if (lines === null) {
        noAgent(`the answer from ${path} is longer than ${MAX_REPLY_BYTES} bytes`);
        return;
      }
      for (const line of lines) {
        const reply = parseReply(line);
        // Whatever follows the end is not told: the caller has its answer.
        if (!reply.ok) return noAgent(`what answers at ${path} is no vipd agent: ${reply.why}`);
        if (reply.value.reply === 'done') {
          return end({ kind: 'done', ok: reply.value.ok, text: reply.value.text, data: reply.value.data });
        }
        clock.refresh();
        options.onProgress?.(reply.value.text);
      }
    });
  });

/** Why the socket could not be connected, by connect(2)'s errors, each with what helps. */
const cannotConnect = (path: string, error: NodeJS.ErrnoException): string => {
  switch (error.code) {
    case 'ENOENT':
      return `no agent on this host: there is no socket ${path}; start it with "systemctl start vipd", or name its socket with --socket or --config: a changed control.socket takes effect when the agent is started anew`;
    case 'ECONNREFUSED':
      return `no agent listens at ${path}: it has died and left its socket; see "journalctl -u vipd", then "systemctl start vipd"`;
    case 'EACCES':
    case 'EPERM':
      return `no permission to use ${path}: run vipctl as root, or as a member of the socket's group (vipd unless control.group says otherwise): "usermod -aG vipd USER", then log in again`;
    case 'EAGAIN':
      return `the agent at ${path} takes no more connections just now; try again, and look for vipctl processes left running`;
    case 'ENOTSOCK':
      return `${path} is not a socket; name the agent's socket with --socket`;
    default:
      return `cannot connect to the agent at ${path}: ${error.message}; see "systemctl status vipd"`;
  }
};

/** What is left to say where the agent fell silent with the request in hand. */
const outcomeOf = (request: RequestInput): string => {
  switch (request.request) {
    case 'status':
    case 'history':
    case 'is-active':
      return 'see "systemctl status vipd"';
    case 'reload':
    case 'switchover':
    case 'promote':
    case 'pause':
    case 'resume':
    case 'maintenance':
      return `the agent goes on with "${request.request}" if it lives: see "vipctl status" and "vipctl history"`;
  }
};
