/** Ends every TCP connection of a VIP with a reset, so that its clients know at once (sock_diag(7), SOCK_DESTROY). */

import { HOST_IS_LITTLE_ENDIAN } from '../host/libc.js';
import { addressBytes, type Vip } from './address.js';
import { AF_INET, AF_INET6 } from './interfaces.js';
import { Protocol } from './netlink-layouts.js';
import { type NetlinkChannel, type NetlinkRequest, openNetlinkChannel } from './netlink-request.js';

export interface SocketDestroyerOptions {
  readonly vips: readonly Vip[];
  /** The kernel was built without SOCK_DESTROY, or forbids it; told once. Clients then wait for their own timeouts. */
  readonly onUnsupported: (text: string) => void;
}

export interface SocketDestroyer {
  /**
   * Destroys the TCP sockets whose local address is a VIP, in every state but LISTEN; answers how many. All is done
   * when it returns. **Call it while the VIP is still on its interface**, after the guard was shut: the kernel sends no
   * reset from an address that it does not have. Does not throw.
   */
  readonly destroy: () => number;
  readonly close: () => void;
}

const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const IPPROTO_TCP = 6;
/** A bit for each state of include/net/tcp_states.h; 10 is TCP_LISTEN. */
const ALL_BUT_LISTEN = 0x1fff & ~(1 << 10);
const REQUEST_BYTES = 56;
const SOCKET_ID_BYTES = 48;
const SOCKET_ID_OFFSET = 8;
/** In struct inet_diag_msg the identity follows four single bytes. */
const MESSAGE_ID_OFFSET = 4;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_S_COND = 7;
const INET_DIAG_BC_JMP = 1;
const OPERATION_BYTES = 4;
const HOST_CONDITION_BYTES = 8;
const ANY_PORT = -1;
/** So many acknowledgements fit a socket's receive buffer at its default size. */
const DESTROYS_PER_DATAGRAM = 64;
/** A connection that was being set up during the first listing shows in the second. */
const PASSES = 2;

/** struct inet_diag_req_v2 with its identity, of linux/inet_diag.h. */
const diagRequest = (family: number, states: number, identity: Uint8Array): Buffer => {
  const view = new DataView(new ArrayBuffer(REQUEST_BYTES));
  view.setUint8(0, family);
  view.setUint8(1, IPPROTO_TCP);
  view.setUint32(4, states, HOST_IS_LITTLE_ENDIAN);
  const bytes = Buffer.from(view.buffer);
  bytes.set(identity, SOCKET_ID_OFFSET);
  return bytes;
};

/** struct inet_diag_bc_op: how far to go on yes and on no. */
const operation = (code: number, yes: number, no: number): Buffer => {
  const view = new DataView(new ArrayBuffer(OPERATION_BYTES));
  view.setUint8(0, code);
  view.setUint8(1, yes);
  view.setUint16(2, no, HOST_IS_LITTLE_ENDIAN);
  return Buffer.from(view.buffer);
};

/** struct inet_diag_hostcond: the local address is this, whatever the port. */
const localAddress = (vip: Vip): Buffer => {
  const address = addressBytes(vip.address);
  const view = new DataView(new ArrayBuffer(HOST_CONDITION_BYTES));
  // An IPv4 condition also matches an IPv6 socket with the v4-mapped address, as of a server that listens on [::].
  view.setUint8(0, vip.family === 4 ? AF_INET : AF_INET6);
  view.setUint8(1, address.length * 8);
  view.setInt32(4, ANY_PORT, HOST_IS_LITTLE_ENDIAN);
  return Buffer.concat([Buffer.from(view.buffer), address]);
};

/**
 * "One of those", to be run by the kernel, so that a host with many other connections does not pay for them. To go to
 * the program's end means yes, four bytes past it no. The kernel wants every target on the path of the yeses
 * (inet_diag_bc_audit), hence a jump after each condition, which a miss leaps over.
 */
const localAddressFilter = (vips: readonly Vip[]): Buffer => {
  const [first, ...rest] = vips.toReversed().map((vip) => {
    const host = localAddress(vip);
    const size = OPERATION_BYTES + host.length;
    return Buffer.concat([operation(INET_DIAG_BC_S_COND, size, size + OPERATION_BYTES), host]);
  });
  const body = rest.reduce(
    (after, one) =>
      Buffer.concat([one, operation(INET_DIAG_BC_JMP, OPERATION_BYTES, OPERATION_BYTES + after.length), after]),
    first ?? Buffer.alloc(0),
  );
  const header = new DataView(new ArrayBuffer(4));
  header.setUint16(0, 4 + body.length, HOST_IS_LITTLE_ENDIAN);
  header.setUint16(2, INET_DIAG_REQ_BYTECODE, HOST_IS_LITTLE_ENDIAN);
  return Buffer.concat([Buffer.from(header.buffer), body]);
};

const inChunks = <T>(items: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

const UNSUPPORTED: readonly string[] = ['EOPNOTSUPP', 'EPERM', 'EINVAL'];

export const createSocketDestroyer = ({ vips, onUnsupported }: SocketDestroyerOptions): SocketDestroyer => {
  let opened: NetlinkChannel | undefined;
  let told = false;

  const channel = (): NetlinkChannel => {
    opened ??= openNetlinkChannel(Protocol.SOCK_DIAG, 'destroying the sockets of the virtual addresses');
    return opened;
  };

  const tell = (why: string): void => {
    if (told) return;
    told = true;
    onUnsupported(`TCP connections of the virtual addresses cannot be reset (SOCK_DESTROY: ${why}); clients wait`);
  };

  /** The requests that would destroy what there is now. */
  const list = (): readonly NetlinkRequest[] =>
    [AF_INET, AF_INET6].flatMap((family) => {
      const ofFamily = family === AF_INET ? vips.filter((vip) => vip.family === 4) : vips;
      if (ofFamily.length === 0) return [];
      const any = new Uint8Array(SOCKET_ID_BYTES);
      const payload = Buffer.concat([diagRequest(family, ALL_BUT_LISTEN, any), localAddressFilter(ofFamily)]);
      const found = channel().dump({ type: SOCK_DIAG_BY_FAMILY, payload });
      return found.map(({ data }) => {
        const identity = data.subarray(MESSAGE_ID_OFFSET, MESSAGE_ID_OFFSET + SOCKET_ID_BYTES);
        return { type: SOCK_DESTROY, payload: diagRequest(family, ALL_BUT_LISTEN, identity) };
      });
    });

  const destroyListed = (requests: readonly NetlinkRequest[]): number => {
    let destroyed = 0;
    for (const chunk of inChunks(requests, DESTROYS_PER_DATAGRAM)) {
      for (const { errno, code } of channel().run(chunk)) {
        if (errno === 0) destroyed++;
        else if (UNSUPPORTED.includes(code)) tell(code);
        // Anything else (ENOENT) is a connection that ended by itself meanwhile.
      }
    }
    return destroyed;
  };

  return {
    destroy: () => {
      let destroyed = 0;
      try {
        for (let pass = 0; pass < PASSES; pass++) {
          const requests = list();
          if (requests.length === 0) break;
          destroyed += destroyListed(requests);
        }
      } catch (error) {
        tell(error instanceof Error ? error.message : String(error));
      }
      return destroyed;
    },
    close: () => {
      opened?.close();
      opened = undefined;
    },
  };
};
