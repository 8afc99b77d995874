/** The system calls that Node does not offer, by FFI on the C library: sockets of any family, clocks, locks. */

import { getSystemErrorName } from 'node:util';
import koffi, { type LibraryHandle } from 'koffi';

/** A failed call, as `errno` tells it. `code` is the name of errno(3), such as `EPERM`. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';

  constructor(
    readonly syscall: string,
    readonly errno: number,
    readonly code: string,
    what: string,
  ) {
    super(`${what}: ${syscall} failed with ${code}`);
  }
}

/** Numbers of the kernel's ABI, the same on every architecture that the FFI library supports (asm-generic). */
export const AF_UNIX = 1;
export const AF_PACKET = 17;
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_ATTACH_FILTER = 26;
export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const CLOCK_BOOTTIME = 7;
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x40000000;

/** One instruction of a classic BPF program (linux/filter.h). */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const BPF_INSTRUCTION_BYTES = 8;

type Call<A extends readonly unknown[]> = (...args: A) => number;
/** The same on a thread of the pool: `done` is called when it is over. */
type AsideCall<A extends readonly unknown[]> = (...args: [...A, done: () => void]) => void;

interface Bindings {
  readonly socket: Call<[number, number, number]>;
  readonly bind: Call<[number, Uint8Array, number]>;
  readonly getsockname: Call<[number, Uint8Array, Uint32Array]>;
  readonly sendto: Call<[number, Uint8Array, number, number, Uint8Array | null, number]>;
  readonly recvfrom: Call<[number, Uint8Array, number, number, Uint8Array | null, Uint32Array | null]>;
  readonly setsockopt: Call<[number, number, number, Uint8Array, number]>;
  readonly attachFilter: Call<[number, number, number, { len: number; filter: Uint8Array }, number]>;
  readonly close: Call<[number]> & { readonly async: AsideCall<[number]> };
  readonly ifNametoindex: Call<[string]>;
  readonly clockGettime: Call<[number, BigInt64Array]>;
  readonly flock: Call<[number, number]>;
  readonly schedSetscheduler: Call<[number, number, Int32Array]>;
}

const load = (): Bindings => {
  // Linux's glibc and musl both answer to this name for what the process has loaded already.
  const library: LibraryHandle = koffi.load(null);
  koffi.struct('vipd_sock_fprog', { len: 'uint16_t', filter: 'const void *' });
  return {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    bind: library.func('int bind(int fd, const void *address, uint32_t length)'),
    getsockname: library.func('int getsockname(int fd, void *address, void *length)'),
    sendto: library.func(
      'intptr_t sendto(int fd, const void *data, size_t n, int flags, const void *to, uint32_t tolen)',
    ),
    recvfrom: library.func('intptr_t recvfrom(int fd, void *data, size_t n, int flags, void *from, void *fromlen)'),
    setsockopt: library.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
    attachFilter: library.func('setsockopt', 'int', ['int', 'int', 'int', 'vipd_sock_fprog *', 'uint32_t']),
    close: library.func('int close(int fd)'),
    ifNametoindex: library.func('uint32_t if_nametoindex(const char *name)'),
    clockGettime: library.func('int clock_gettime(int clock, void *timespec)'),
    flock: library.func('int flock(int fd, int operation)'),
    schedSetscheduler: library.func('int sched_setscheduler(int pid, int policy, const void *param)'),
  } satisfies Bindings;
};

// Loaded at first use: a witness, or `check-config`, need none of this.
let loaded: Bindings | undefined;

const libc = (): Bindings => {
  loaded ??= load();
  return loaded;
};

const failure = (syscall: string, what: string): SystemCallError => {
  const errno = koffi.errno();
  return new SystemCallError(syscall, errno, errno === 0 ? 'UNKNOWN' : getSystemErrorName(-errno), what);
};

const checked = (result: number, syscall: string, what: string): number => {
  if (result < 0) throw failure(syscall, what);
  return result;
};

const wouldBlock = (): boolean =>
  koffi.errno() === koffi.os.errno.EAGAIN || koffi.errno() === koffi.os.errno.EWOULDBLOCK;

/** socket(2), always non-blocking and closed on exec. Throws {@link SystemCallError}. */
export const openSocket = (domain: number, type: number, protocol: number, what: string): number =>
  checked(libc().socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), 'socket', what);

/** bind(2) to a sockaddr given as bytes. */
export const bindSocket = (fd: number, address: Uint8Array, what: string): void => {
  checked(libc().bind(fd, address, address.length), 'bind', what);
};

/** getsockname(2): fills `into`, of the sockaddr's length, with the socket's own address. */
export const socketName = (fd: number, into: Uint8Array, what: string): void => {
  checked(libc().getsockname(fd, into, Uint32Array.of(into.length)), 'getsockname', what);
};

/** sendto(2); `to` is a sockaddr given as bytes, or null for a connected or default peer. Answers the bytes sent. */
export const sendTo = (fd: number, data: Uint8Array, to: Uint8Array | null, what: string): number =>
  checked(libc().sendto(fd, data, data.length, MSG_DONTWAIT, to, to?.length ?? 0), 'sendto', what);

/**
 * recvfrom(2) without waiting. Answers the length of the datagram, which is more than the buffer's where it was cut
 * (MSG_TRUNC), or null when there is nothing to read. `from`, when given, is filled with the sender's sockaddr.
 */
export const receive = (fd: number, into: Uint8Array, from: Uint8Array | null, what: string): number | null => {
  const fromLength = from === null ? null : Uint32Array.of(from.length);
  const n = libc().recvfrom(fd, into, into.length, MSG_DONTWAIT | MSG_TRUNC, from, fromLength);
  if (n < 0 && wouldBlock()) return null;
  return checked(n, 'recvfrom', what);
};

/** setsockopt(2) with the option's value as bytes. */
export const setSocketOption = (fd: number, level: number, name: number, value: Uint8Array, what: string): void => {
  checked(libc().setsockopt(fd, level, name, value, value.length), 'setsockopt', what);
};

/** Attaches a classic BPF program to a socket: only what it lets through is queued (socket(7), SO_ATTACH_FILTER). */
export const attachFilter = (fd: number, program: readonly BpfInstruction[], what: string): void => {
  const filter = Buffer.alloc(program.length * BPF_INSTRUCTION_BYTES);
  // struct sock_filter is in the host's byte order; DataView is told which one that is.
  const view = new DataView(filter.buffer, filter.byteOffset, filter.length);
  program.forEach(({ code, jt, jf, k }, i) => {
    const at = i * BPF_INSTRUCTION_BYTES;
    view.setUint16(at, code, HOST_IS_LITTLE_ENDIAN);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, HOST_IS_LITTLE_ENDIAN);
  });
  const length = koffi.sizeof('vipd_sock_fprog');
  const fprog = { len: program.length, filter };
  checked(libc().attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, length), 'setsockopt', what);
};

/** For the `littleEndian` argument of DataView where the kernel wants the host's own order. */
export const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** close(2); a descriptor is gone whatever it answers. */
export const closeFd = (fd: number): void => {
  libc().close(fd);
};

/**
 * The same without waiting for it: the kernel holds up whoever closes a packet(7) socket until no processor can be
 * using it any more (synchronize_net), measured as 10 to 30 ms.
 */
export const closeFdAside = (fd: number): void => {
  libc().close.async(fd, () => undefined);
};

/** Index of a network interface of this namespace, or null where there is none of that name. */
export const interfaceIndex = (name: string): number | null => {
  const index = libc().ifNametoindex(name);
  return index === 0 ? null : index;
};

/** clock_gettime(2) in nanoseconds. */
export const clockNanoseconds = (clock: number): bigint => {
  const timespec = new BigInt64Array(2);
  checked(libc().clockGettime(clock, timespec), 'clock_gettime', `reading clock ${clock}`);
  return (timespec[0] ?? 0n) * 1_000_000_000n + (timespec[1] ?? 0n);
};

/**
 * flock(2) on an open descriptor, without waiting. Answers false where another process holds it; the lock ends with
 * the descriptor, so also with the process, however it dies.
 */
export const tryLock = (fd: number, mode: 'shared' | 'exclusive', what: string): boolean => {
  const operation = (mode === 'exclusive' ? LOCK_EX : LOCK_SH) | LOCK_NB;
  const result = libc().flock(fd, operation);
  if (result < 0 && wouldBlock()) return false;
  checked(result, 'flock', what);
  return true;
};

/** Gives a lock of {@link tryLock} back. */
export const unlock = (fd: number, what: string): void => {
  checked(libc().flock(fd, LOCK_UN), 'flock', what);
};

/**
 * sched_setscheduler(2): real-time round robin for one thread, by its id. What it forks, and the threads that it makes
 * later, begin as ordinary ones. Throws {@link SystemCallError}, with EPERM where neither RLIMIT_RTPRIO nor
 * CAP_SYS_NICE allows it.
 */
export const runInRealTime = (thread: number, priority: number, what: string): void => {
  const policy = SCHED_RR | SCHED_RESET_ON_FORK;
  checked(libc().schedSetscheduler(thread, policy, Int32Array.of(priority)), 'sched_setscheduler', what);
};

/** A watched descriptor; `stop` ends the watching, and must come before the descriptor is closed. */
export interface Watch {
  readonly stop: () => void;
}

/**
 * Tells when a descriptor can be read, from the event loop's own poll: no thread, no timer. `onReadable` runs in the
 * check phase of the same turn; `onFault` once, when the descriptor itself reports an error (its errno is not told),
 * after which the watch is dead. Does not keep the process alive.
 */
export const watchReadable = (fd: number, onReadable: () => void, onFault: () => void): Watch => {
  let stopped = false;
  let queued = false;
  // koffi 3 calls with (status, events) although its types declare (events); and it calls outside of Node's callback
  // scope, where promises and exceptions are not looked after. Hence the rest parameter and the setImmediate.
  const handle = koffi.node.poll(fd, { readable: true }, (...args: readonly unknown[]) => {
    const [status] = args;
    const fault = typeof status === 'number' && status < 0;
    if (fault) handle.stop();
    if (stopped || (queued && !fault)) return;
    queued = true;
    setImmediate(() => {
      queued = false;
      if (stopped) return;
      if (fault) onFault();
      else onReadable();
    });
  });
  handle.unref();
  return {
    stop: () => {
      if (stopped) return;
      stopped = true;
      handle.close();
    },
  };
};
