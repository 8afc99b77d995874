/**
 * Changes the guard's elements, each time by one netlink transaction. An active renews them with each heartbeat, and clients
 * wait while they are opened and shut; libnftables, which parses text and reads the tables anew each time, took most of the
 * processor that an idle agent used, and some milliseconds of a switchover.
 */

import { getSystemErrorName } from 'node:util';
import {
  AF_NETLINK,
  bindSocket,
  closeFd,
  HOST_IS_LITTLE_ENDIAN,
  openSocket,
  receive,
  SOCK_RAW,
  sendTo,
  socketName,
} from '../host/libc.js';
import { addressBytes } from './address.js';
import type { GuardRules, GuardSet } from './guard-rules.js';
import { Protocol } from './netlink-layouts.js';
import { NftError } from './nftables.js';

/** All of a change, or none and NftError. */
export interface GuardElements {
  /** netlink(7)'s nl_pid of the socket, by which the kernel's notices of its transactions are told from all others. */
  readonly port: number;
  /** Other sets from now on. */
  readonly use: (sets: GuardSets) => void;
  /** Deletes each element and adds it anew. An element that has run out cannot be deleted, so what was shut stays shut. */
  readonly refresh: (timeoutMs: number) => void;
  /** From shut, or whatever it was, to open. */
  readonly open: (timeoutMs: number) => void;
  readonly shut: () => void;
  /** New TCP connections are answered with a reset, or not. */
  readonly refuse: (on: boolean) => void;
  readonly close: () => void;
}

/** Those whose elements time out, and those of refused addresses; none is empty. */
export type GuardSets = Pick<GuardRules, 'timed' | 'refused'>;

/** Of linux/netlink.h, linux/netfilter/nfnetlink.h and nf_tables.h. */
const NLMSG_HEADER_BYTES = 16;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_CREATE = 0x400;
const NLA_F_NESTED = 0x8000;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWSETELEM = (NFNL_SUBSYS_NFTABLES << 8) | 12;
const NFT_MSG_DELSETELEM = (NFNL_SUBSYS_NFTABLES << 8) | 14;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_DATA_VALUE = 1;
const ATTRIBUTE_HEADER_BYTES = 4;
const TIMEOUT_BYTES = 8;
const FAMILY = { inet: 1, arp: 3 } as const satisfies Record<GuardSet['family'], number>;
/** struct sockaddr_nl: family, padding, port 0 for one of the kernel's choice, no groups. */
const SOCKADDR_NL_BYTES = 12;
/** The kernel answers an error with the request that it is about. */
const ANSWER_BYTES = 8_192;
/** More answers than messages in a transaction there cannot be. */
const MAX_ANSWERS = 1_000;

const native16 = (view: DataView, at: number, value: number): void => view.setUint16(at, value, HOST_IS_LITTLE_ENDIAN);
const native32 = (view: DataView, at: number, value: number): void => view.setUint32(at, value, HOST_IS_LITTLE_ENDIAN);
const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const attribute = (type: number, value: Buffer): Buffer => {
  const length = ATTRIBUTE_HEADER_BYTES + value.length;
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
  native16(viewOf(bytes), 0, length);
  native16(viewOf(bytes), 2, type);
  value.copy(bytes, ATTRIBUTE_HEADER_BYTES);
  return bytes;
};

const nested = (type: number, parts: readonly Buffer[]): Buffer => attribute(type | NLA_F_NESTED, Buffer.concat(parts));
const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));

/** nlmsghdr, and nfgenmsg with the number of a subsystem where it begins or ends a batch. */
const message = (
  type: number,
  flags: number,
  family: number,
  resource: number,
  attributes: readonly Buffer[],
): Buffer => {
  const header = Buffer.alloc(NLMSG_HEADER_BYTES + 4);
  const body = Buffer.concat(attributes);
  const view = viewOf(header);
  native32(view, 0, header.length + body.length);
  native16(view, 4, type);
  native16(view, 6, flags | NLM_F_REQUEST);
  header.writeUInt8(family, NLMSG_HEADER_BYTES);
  header.writeUInt16BE(resource, NLMSG_HEADER_BYTES + 2);
  return Buffer.concat([header, body]);
};

const element = (address: string, timed: boolean): Buffer => {
  const key = nested(NFTA_SET_ELEM_KEY, [attribute(NFTA_DATA_VALUE, addressBytes(address))]);
  const timeout = timed ? [attribute(NFTA_SET_ELEM_TIMEOUT, Buffer.alloc(TIMEOUT_BYTES))] : [];
  return nested(NFTA_LIST_ELEM, [...timeout, key]);
};

/** Without elements: all that are in it (nf_tables_delsetelem). */
const change = (type: number, flags: number, set: GuardSet, elements: readonly Buffer[]): Buffer =>
  message(type, flags, FAMILY[set.family], 0, [
    text(NFTA_SET_ELEM_LIST_TABLE, set.table),
    text(NFTA_SET_ELEM_LIST_SET, set.set),
    ...(elements.length === 0 ? [] : [nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements)]),
  ]);

interface Batch {
  readonly bytes: Buffer;
  /** Where each element's timeout stands. */
  readonly timeoutsAt: readonly number[];
}

/** What is taken out of a set first, and what is put in. */
interface Change {
  readonly remove: 'elements' | 'all';
  readonly add: 'timed' | 'lasting' | 'nothing';
}

/** Made once for a set of VIPs; only the timeouts change. */
const batchOf = (sets: readonly GuardSet[], { remove, add }: Change): Batch => {
  const removals = sets.map((set) => {
    const elements = remove === 'all' ? [] : set.elements.map((one) => element(one, false));
    return { type: NFT_MSG_DELSETELEM, flags: 0, set, elements };
  });
  const additions = (add === 'nothing' ? [] : sets).map((set) => {
    const elements = set.elements.map((one) => element(one, add === 'timed'));
    return { type: NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE, set, elements };
  });
  const parts: Buffer[] = [message(NFNL_MSG_BATCH_BEGIN, 0, 0, NFNL_SUBSYS_NFTABLES, [])];
  const timeoutsAt: number[] = [];
  const changes = [...removals, ...additions];
  changes.forEach(({ type, flags, set, elements }, i) => {
    // Errors are always told; of success the last message alone.
    const part = change(type, i === changes.length - 1 ? flags | NLM_F_ACK : flags, set, elements);
    const length = elements[0]?.length ?? 0;
    const first = parts.reduce((sum, one) => sum + one.length, 0) + part.length - elements.length * length;
    if (type === NFT_MSG_NEWSETELEM && add === 'timed')
      elements.forEach((_, j) => {
        timeoutsAt.push(first + j * length + 2 * ATTRIBUTE_HEADER_BYTES);
      });
    parts.push(part);
  });
  parts.push(message(NFNL_MSG_BATCH_END, 0, 0, NFNL_SUBSYS_NFTABLES, []));
  return { bytes: Buffer.concat(parts), timeoutsAt };
};

const batchesOf = ({ timed, refused }: GuardSets) => ({
  refresh: batchOf(timed, { remove: 'elements', add: 'timed' }),
  open: batchOf(timed, { remove: 'all', add: 'timed' }),
  shut: batchOf(timed, { remove: 'all', add: 'nothing' }),
  refuse: batchOf(refused, { remove: 'all', add: 'lasting' }),
  admit: batchOf(refused, { remove: 'all', add: 'nothing' }),
});

/** Throws SystemCallError where there is no such socket. */
export const openGuardElements = (sets: GuardSets): GuardElements => {
  const what = "changing the guard's elements";
  const fd = openSocket(AF_NETLINK, SOCK_RAW, Protocol.NETFILTER, `opening netlink for ${what}`);
  const kernel = new Uint8Array(SOCKADDR_NL_BYTES);
  native16(new DataView(kernel.buffer), 0, AF_NETLINK);
  const own = new Uint8Array(SOCKADDR_NL_BYTES);
  try {
    bindSocket(fd, kernel, `binding netlink for ${what}`);
    socketName(fd, own, what);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const answer = Buffer.alloc(ANSWER_BYTES);
  let batches = batchesOf(sets);

  /** errno of the next answer, 0 for success; null: there is none. The kernel has queued all when sendto(2) returns. */
  const nextAnswer = (): number | null => {
    if (receive(fd, answer, null, what) === null) return null;
    const view = viewOf(answer);
    if (view.getUint16(4, HOST_IS_LITTLE_ENDIAN) !== NLMSG_ERROR) return null;
    return -view.getInt32(NLMSG_HEADER_BYTES, HOST_IS_LITTLE_ENDIAN);
  };

  const run = ({ bytes, timeoutsAt }: Batch, timeoutMs = 0): void => {
    for (const at of timeoutsAt) bytes.writeBigUInt64BE(BigInt(timeoutMs), at);
    try {
      sendTo(fd, bytes, kernel, what);
    } catch (error) {
      throw new NftError(error instanceof Error ? error.message : String(error));
    }
    // Those of messages that failed come first, in front of the one of success.
    const errno = nextAnswer();
    if (errno === 0) return;
    for (let i = 0; i < MAX_ANSWERS && nextAnswer() !== null; i++);
    throw new NftError(`${what}: ${errno === null ? 'no answer of the kernel' : getSystemErrorName(-errno)}`);
  };

  return {
    port: new DataView(own.buffer).getUint32(4, HOST_IS_LITTLE_ENDIAN),
    use: (next) => {
      batches = batchesOf(next);
    },
    refresh: (timeoutMs) => run(batches.refresh, timeoutMs),
    open: (timeoutMs) => run(batches.open, timeoutMs),
    shut: () => run(batches.shut),
    refuse: (on) => run(on ? batches.refuse : batches.admit),
    close: () => closeFd(fd),
  };
};
