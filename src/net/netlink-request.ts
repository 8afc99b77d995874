/** Requests to the kernel over netlink that are answered before the call returns. */

import { getSystemErrorName } from 'node:util';
import { AF_NETLINK, closeFd, openSocket, receive, SOCK_RAW, sendTo } from '../host/libc.js';
import {
  Flags,
  FlagsGet,
  formatMessage,
  MessageType,
  type Protocol,
  parseError,
  parseMessages,
} from './netlink-layouts.js';

/** The kernel's own limit for one part of a dump (NLMSG_GOODSIZE grows up to 32 KiB), doubled. */
const RECEIVE_BYTES = 65_536;
/** A dump of more parts than this is not one that this program asks for. */
const MAX_PARTS = 10_000;

export interface NetlinkRequest {
  readonly type: number;
  readonly flags?: number;
  /** The message after its netlink header. */
  readonly payload: Uint8Array;
}

/** What came back for one request: `errno` is 0 for success, else as in errno(3) with its name. */
export interface NetlinkResult {
  readonly errno: number;
  readonly code: string;
}

export interface NetlinkPart {
  readonly type: number;
  readonly data: Buffer;
}

/**
 * A netlink socket for requests only. The kernel carries a request out inside of sendto(2) and has queued its answer
 * when that returns (netlink(7)), so nothing here waits, and nothing is left undone for a later turn of the event loop.
 * That is why only the layouts of the `netlink` package are used: its own sockets send one message in a turn.
 */
export interface NetlinkChannel {
  /** All in one datagram, carried out in order; one result for each. Throws SystemCallError. */
  readonly run: (requests: readonly NetlinkRequest[]) => readonly NetlinkResult[];
  /** Everything that matches. Throws where the kernel refuses. */
  readonly dump: (request: NetlinkRequest) => readonly NetlinkPart[];
  readonly close: () => void;
}

const codeOf = (errno: number): string => (errno === 0 ? 'OK' : getSystemErrorName(-errno));

const aligned = (bytes: Uint8Array): Uint8Array => {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
};

const encode = (request: NetlinkRequest, flags: number, seq: number): Uint8Array =>
  aligned(
    Buffer.concat(
      formatMessage({ type: request.type, flags: (request.flags ?? 0) | flags, seq, port: 0, data: request.payload }),
    ),
  );

/** sockaddr_nl of the kernel itself: family, padding, port 0, no groups (netlink(7)). */
const KERNEL = Uint8Array.from([...new Uint8Array(Uint16Array.of(AF_NETLINK).buffer), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Opens a channel of that protocol. Throws SystemCallError. */
export const openNetlinkChannel = (protocol: Protocol, what: string): NetlinkChannel => {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol, `opening a netlink socket for ${what}`);
  const buffer = Buffer.alloc(RECEIVE_BYTES);
  let seq = 0;

  const parts = (): ReturnType<typeof parseMessages> | null => {
    const length = receive(fd, buffer, null, `reading netlink's answer to ${what}`);
    if (length === null) return null;
    if (length > buffer.length)
      throw new Error(`${what}: an answer of ${length} bytes is more than netlink should send`);
    // A copy, because the buffer is used again while its parts are still held.
    return parseMessages(Buffer.from(buffer.subarray(0, length)));
  };

  // What an earlier call that failed half way may have left behind.
  const drain = (): void => {
    for (let i = 0; i < MAX_PARTS && receive(fd, buffer, null, what) !== null; i++);
  };

  return {
    run: (requests) => {
      if (requests.length === 0) return [];
      drain();
      const first = seq + 1;
      const batch = requests.map((request) => encode(request, Flags.REQUEST | Flags.ACK, ++seq));
      sendTo(fd, Buffer.concat(batch), KERNEL, what);
      const results = new Map<number, NetlinkResult>();
      for (let i = 0; i < MAX_PARTS && results.size < requests.length; i++) {
        const messages = parts();
        if (messages === null) break;
        for (const message of messages) {
          if (message.type !== MessageType.ERROR) continue;
          const errno = -parseError(message.data, message.flags).errno;
          results.set(message.seq, { errno, code: codeOf(errno) });
        }
      }
      return requests.map((_, i) => {
        const result = results.get(first + i);
        if (result === undefined) throw new Error(`${what}: the kernel did not answer request ${i + 1}`);
        return result;
      });
    },

    dump: (request) => {
      drain();
      sendTo(fd, encode(request, Flags.REQUEST | FlagsGet.DUMP, ++seq), KERNEL, what);
      const found: NetlinkPart[] = [];
      for (let i = 0; i < MAX_PARTS; i++) {
        const messages = parts();
        if (messages === null) throw new Error(`${what}: the kernel's answer ended early`);
        for (const message of messages) {
          if (message.seq !== seq) continue;
          if (message.type === MessageType.DONE) return found;
          if (message.type === MessageType.ERROR) {
            const errno = -parseError(message.data, message.flags).errno;
            throw new Error(`${what}: the kernel refused with ${codeOf(errno)}`);
          }
          found.push({ type: message.type, data: message.data });
        }
      }
      throw new Error(`${what}: the kernel's answer has more than ${MAX_PARTS} parts`);
    },

    close: () => closeFd(fd),
  };
};
