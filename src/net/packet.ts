/** Raw Ethernet frames by packet(7) sockets: sending them, and hearing who claims one of our addresses. */

import {
  AF_PACKET,
  attachFilter,
  type BpfInstruction,
  bindSocket,
  closeFd,
  closeFdAside,
  HOST_IS_LITTLE_ENDIAN,
  openSocket,
  receive,
  SOCK_RAW,
  sendTo,
  watchReadable,
} from '../host/libc.js';
import { addressBytes, type Family } from './address.js';
import {
  type Claim,
  ETH_P_ARP,
  ETH_P_IPV6,
  FRAME_OFFSET,
  NEIGHBOUR_ADVERTISEMENT,
  NEXT_HEADER_ICMPV6,
  readClaim,
} from './frame.js';

/** Longer than any frame that makes a claim; what is cut off is not looked at. */
const FRAME_BYTES = 256;
/** Read in one go, so that a flood of claims cannot keep the event loop. */
const MAX_FRAMES_PER_TURN = 64;
/** A jump in a filter reaches 255 instructions. */
const MAX_ADDRESSES = 128;

const SOCKADDR_LL_BYTES = 20;

/** struct sockaddr_ll of packet(7). */
const linkLayerAddress = (interfaceIndex: number, protocol: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(SOCKADDR_LL_BYTES));
  view.setUint16(0, AF_PACKET, HOST_IS_LITTLE_ENDIAN);
  view.setUint16(2, protocol);
  view.setInt32(4, interfaceIndex, HOST_IS_LITTLE_ENDIAN);
  return new Uint8Array(view.buffer);
};

export interface FrameSender {
  /** Sends one frame with its Ethernet header. Throws SystemCallError (ENETDOWN: the interface is down). */
  readonly send: (interfaceIndex: number, frame: Buffer) => void;
  readonly close: () => void;
}

/** Protocol 0: such a socket receives nothing. Throws SystemCallError; EPERM where CAP_NET_RAW is missing. */
export const openFrameSender = (): FrameSender => {
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0, 'opening a packet socket (needs CAP_NET_RAW)');
  return {
    send: (interfaceIndex, frame) => {
      sendTo(fd, frame, linkLayerAddress(interfaceIndex, frame.readUInt16BE(12)), 'sending an announcement or probe');
    },
    close: () => closeFdAside(fd),
  };
};

/** Instructions of classic BPF (linux/bpf_common.h). */
const loadWord = (k: number): BpfInstruction => ({ code: 0x20, jt: 0, jf: 0, k });
const loadByte = (k: number): BpfInstruction => ({ code: 0x30, jt: 0, jf: 0, k });
const jumpIfEqual = (k: number, jt: number, jf: number): BpfInstruction => ({ code: 0x15, jt, jf, k });
const give = (k: number): BpfInstruction => ({ code: 0x06, jt: 0, jf: 0, k });

/** Accepts where the loaded word is one of those; the last two instructions are "no" and "yes". */
const oneOf = (words: readonly number[]): readonly BpfInstruction[] => [
  ...words.map((word, i) => jumpIfEqual(word, words.length - i, 0)),
  give(0),
  give(FRAME_BYTES),
];

/**
 * Lets through only what may claim one of the addresses: ARP by its sender's address, neighbour advertisements by the
 * last word of their target. So the agent is woken for nothing else, however busy the link is.
 */
export const claimFilter = (family: Family, addresses: readonly string[]): readonly BpfInstruction[] => {
  const bytes = addresses.map(addressBytes);
  if (family === 4) return [loadWord(FRAME_OFFSET.arpSenderIp), ...oneOf(bytes.map((b) => b.readUInt32BE(0)))];
  const words = bytes.map((b) => b.readUInt32BE(12));
  const no = words.length + 1;
  return [
    loadByte(FRAME_OFFSET.ipv6NextHeader),
    jumpIfEqual(NEXT_HEADER_ICMPV6, 0, no + 2),
    loadByte(FRAME_OFFSET.icmpv6Type),
    jumpIfEqual(NEIGHBOUR_ADVERTISEMENT, 0, no),
    loadWord(FRAME_OFFSET.neighbourTarget + 12),
    ...oneOf(words),
  ];
};

export interface ClaimListenerOptions {
  readonly interfaceIndex: number;
  readonly family: Family;
  /** In canonical form, of that family. */
  readonly addresses: readonly string[];
  readonly onClaim: (claim: Claim) => void;
  /** The socket is of no use any more: its interface went down or away. Called once. */
  readonly onFault: () => void;
}

export interface ClaimListener {
  /** Reads what is queued now, without waiting for the event loop. */
  readonly drain: () => void;
  readonly close: () => void;
}

/**
 * Hears every frame on an interface that claims one of the addresses; not our own. Throws SystemCallError.
 * A frame is told at most one turn of the event loop after it came.
 */
export const listenForClaims = (options: ClaimListenerOptions): ClaimListener => {
  const { interfaceIndex, family, addresses } = options;
  if (addresses.length > MAX_ADDRESSES) throw new Error(`more than ${MAX_ADDRESSES} virtual addresses on an interface`);
  const what = `listening for other holders of ${addresses.join(', ')}`;
  // Protocol 0 until the filter is on, so that nothing gets past it (packet(7)).
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0, what);
  const frame = Buffer.alloc(FRAME_BYTES);

  const drain = (): void => {
    for (let i = 0; i < MAX_FRAMES_PER_TURN; i++) {
      const length = receive(fd, frame, null, what);
      if (length === null) return;
      const claim = readClaim(frame.subarray(0, Math.min(length, frame.length)));
      if (claim !== null && addresses.includes(claim.address)) options.onClaim(claim);
    }
  };

  // A socket whose interface went down reports ENETDOWN once, by the poll or by the read.
  const drainOrFault = (): void => {
    try {
      drain();
    } catch {
      options.onFault();
    }
  };

  try {
    attachFilter(fd, claimFilter(family, addresses), what);
    bindSocket(fd, linkLayerAddress(interfaceIndex, family === 4 ? ETH_P_ARP : ETH_P_IPV6), what);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const watch = watchReadable(fd, drainOrFault, options.onFault);
  let closed = false;
  return {
    drain: drainOrFault,
    close: () => {
      if (closed) return;
      closed = true;
      watch.stop();
      closeFdAside(fd);
    },
  };
};
