/** Hears what the kernel tells everybody over netlink multicast, and says so when some of it was lost. */

import {
  AF_NETLINK,
  attachFilter,
  type BpfInstruction,
  bindSocket,
  closeFd,
  HOST_IS_LITTLE_ENDIAN,
  openSocket,
  receive,
  SO_RCVBUF,
  SOCK_RAW,
  SOL_SOCKET,
  setSocketOption,
  type Watch,
  watchReadable,
} from '../host/libc.js';
import { type NetlinkMessage, type Protocol, parseMessages } from './netlink-layouts.js';

export interface NoticesOptions {
  readonly protocol: Protocol;
  /** Numbers of multicast groups, 1 to 32. */
  readonly groups: readonly number[];
  /** netlink(7)'s nl_pid of a socket of ours, whose own doings are no news. */
  readonly exceptFrom?: number;
  /** For errors: what is being watched. */
  readonly what: string;
  readonly onNotice: (notice: NetlinkMessage) => void;
  /**
   * Notices may have been missed: the kernel's queue ran over (ENOBUFS, netlink(7)), or nothing could be heard for a
   * while. Hearing has begun again; look at everything.
   */
  readonly onLost: () => void;
  /** Nothing can be heard for the moment; told once until it works again. */
  readonly onFault?: (text: string) => void;
}

export interface Notices {
  readonly close: () => void;
}

const SOCKADDR_NL_BYTES = 12;
/** Asked for; the kernel gives net.core.rmem_max at most. */
const QUEUE_BYTES = 1 << 20;
/** A notice is a page at most; a dump is not asked for here. */
const NOTICE_BYTES = 32_768;
/** Read in one go, so that a flood cannot keep the event loop. */
const MAX_DATAGRAMS_PER_TURN = 256;
/** When opening again fails, so often. */
const REOPEN_MS = 1_000;

const groupAddress = (groups: readonly number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(SOCKADDR_NL_BYTES));
  view.setUint16(0, AF_NETLINK, HOST_IS_LITTLE_ENDIAN);
  const mask = groups.reduce((bits, group) => bits | (1 << (group - 1)), 0);
  view.setUint32(8, mask >>> 0, HOST_IS_LITTLE_ENDIAN);
  return new Uint8Array(view.buffer);
};

/** nlmsghdr's nlmsg_pid, which names who asked for what is told. */
const REQUESTER_AT = 12;
const ALL_BYTES = 0xff_ff_ff_ff;

/** Classic BPF loads in network byte order what is in the host's (linux/bpf_common.h). */
const allBut = (port: number): readonly BpfInstruction[] => {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, port, HOST_IS_LITTLE_ENDIAN);
  return [
    { code: 0x20, jt: 0, jf: 0, k: REQUESTER_AT },
    { code: 0x15, jt: 0, jf: 1, k: view.getUint32(0) },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
    { code: 0x06, jt: 0, jf: 0, k: ALL_BYTES },
  ];
};

const openGroups = ({ protocol, groups, what, exceptFrom }: NoticesOptions): number => {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol, `opening netlink for ${what}`);
  try {
    const size = new DataView(new ArrayBuffer(4));
    size.setInt32(0, QUEUE_BYTES, HOST_IS_LITTLE_ENDIAN);
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, new Uint8Array(size.buffer), what);
    if (exceptFrom !== undefined) attachFilter(fd, allBut(exceptFrom), what);
    bindSocket(fd, groupAddress(groups), `joining netlink groups for ${what}`);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
};

/**
 * Joins the groups; the first failure throws, later ones are tried again. Notices are told in order, a turn of the event
 * loop after they came. The `netlink` package's own sockets are not used: an overflow ends them without a word, and an
 * exception under one of their callbacks aborts the process.
 */
export const hearNotices = (options: NoticesOptions): Notices => {
  const { onNotice, onLost, onFault, what } = options;
  const buffer = Buffer.alloc(NOTICE_BYTES);
  let open: { readonly fd: number; readonly watch: Watch } | undefined;
  let reopening: NodeJS.Timeout | undefined;
  let faulty = false;

  const shut = (): void => {
    clearTimeout(reopening);
    open?.watch.stop();
    if (open !== undefined) closeFd(open.fd);
    open = undefined;
  };

  const start = (): void => {
    const fd = openGroups(options);
    open = { fd, watch: watchReadable(fd, read, begin) };
  };

  const read = (): void => {
    for (let i = 0; i < MAX_DATAGRAMS_PER_TURN && open !== undefined; i++) {
      let notices: readonly NetlinkMessage[];
      try {
        const length = receive(open.fd, buffer, null, what);
        if (length === null) return;
        notices = parseMessages(Buffer.from(buffer.subarray(0, length)));
      } catch {
        // Overrun, cut off, or in a layout of its own: in each case something was not heard.
        begin();
        return;
      }
      for (const notice of notices) onNotice(notice);
    }
  };

  /** From nothing: a socket that reported an error is not watched by libuv any more. */
  const begin = (): void => {
    shut();
    try {
      start();
      faulty = false;
    } catch (error) {
      if (!faulty) onFault?.(`${what}: ${error instanceof Error ? error.message : String(error)}; trying again`);
      faulty = true;
      reopening = setTimeout(begin, REOPEN_MS);
      reopening.unref();
      return;
    }
    onLost();
  };

  start();
  return { close: shut };
};
