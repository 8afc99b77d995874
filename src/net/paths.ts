/** Carries datagrams between the members of a group over UDP, on one socket for each path. */

import { createSocket, type Socket } from 'node:dgram';
import { isIP, isIPv6 } from 'node:net';

/** A path that could not be opened at start is tried again this often. */
export const PATH_RETRY_MS = 1000;
/** Datagrams that the kernel has not taken yet; more would only arrive late. */
export const SEND_QUEUE_MAX = 64;

/** One link between the members: our address on it, and theirs by name. */
export interface PathOptions {
  readonly local: string;
  readonly remotes: Readonly<Record<string, string>>;
  /** Of remotes that listen on another port than the common one. */
  readonly ports?: Readonly<Record<string, number>>;
}

/** Where a datagram came from, and by which path: what `reply` needs. */
export interface Remote {
  readonly address: string;
  readonly port: number;
  /** Our address on that path. */
  readonly path: string;
}

export interface PathsOptions {
  /** Every member listens on the same. */
  readonly port: number;
  /** The first must open at start; each has its own local address. */
  readonly paths: readonly PathOptions[];
  readonly onDatagram: (datagram: Buffer, remote: Remote) => void;
  /** A path cannot be opened yet (told once until that changes), or its socket failed. `path` is our address on it. */
  readonly onError: (error: Error, path: string) => void;
}

export interface PathStats {
  readonly local: string;
  readonly remotes: Readonly<Record<string, string>>;
  readonly open: boolean;
  readonly sent: number;
  /** Datagrams that could not be sent, and failures of the socket. */
  readonly errors: number;
  readonly received: number;
  /** Code of the last error, as in errno(3); '' none so far. */
  readonly lastError: string;
}

export interface Paths {
  /** Rejects with what to do where the first path cannot be opened; the others are retried for as long as it takes. */
  start(): Promise<void>;
  /** On every open path that reaches `to`. Errors are counted, never thrown. */
  send(to: string, datagram: Buffer): void;
  /** Back to where a datagram came from, by the path it came by. Errors are counted, never thrown. */
  reply(remote: Remote, datagram: Buffer): void;
  stats(): readonly PathStats[];
  /** Nothing is received or retried any more. */
  close(): void;
}

interface Path extends PathOptions {
  socket: Socket | null;
  retry: NodeJS.Timeout | null;
  /** A failure to open was told, and it has not opened since. */
  told: boolean;
  sent: number;
  errors: number;
  received: number;
  lastError: string;
}

/** Throws an Error where an address is no IP address, or there is no path, or two share a local address. */
export const createPaths = (options: PathsOptions): Paths => {
  checkAddresses(options.paths);
  const paths = options.paths.map(
    (path): Path => ({
      ...path,
      socket: null,
      retry: null,
      told: false,
      sent: 0,
      errors: 0,
      received: 0,
      lastError: '',
    }),
  );
  let closed = false;

  const openPath = async (path: Path): Promise<void> => {
    const socket = await bindSocket(path.local, options.port);
    if (closed) {
      socket.close();
      return;
    }
    socket.on('message', (datagram, from) => {
      path.received += 1;
      options.onDatagram(datagram, { address: from.address, port: from.port, path: path.local });
    });
    socket.on('error', (error) => {
      countError(path, error);
      options.onError(error, path.local);
    });
    path.socket = socket;
    path.told = false;
  };

  const openOrRetry = async (path: Path): Promise<void> => {
    try {
      await openPath(path);
    } catch (error) {
      countError(path, error);
      if (closed) return;
      if (!path.told) options.onError(error instanceof Error ? error : new Error(String(error)), path.local);
      path.told = true;
      path.retry = setTimeout(() => void openOrRetry(path), PATH_RETRY_MS);
    }
  };

  const close = (): void => {
    closed = true;
    for (const path of paths) {
      if (path.retry !== null) clearTimeout(path.retry);
      path.retry = null;
      path.socket?.close();
      path.socket = null;
    }
  };

  return {
    start: async () => {
      const [first, ...others] = paths;
      if (first === undefined || closed) throw new Error('heartbeat paths were closed before they were started');
      await openPath(first);
      await Promise.all(others.map(openOrRetry));
    },
    send: (to, datagram) => {
      for (const path of paths) {
        const address = path.remotes[to];
        if (address !== undefined) sendOn(path, datagram, path.ports?.[to] ?? options.port, address);
      }
    },
    reply: (remote, datagram) => {
      const path = paths.find(({ local }) => local === remote.path);
      if (path !== undefined) sendOn(path, datagram, remote.port, remote.address);
    },
    stats: () =>
      paths.map(({ local, remotes, socket, sent, errors, received, lastError }) => {
        return { local, remotes, open: socket !== null, sent, errors, received, lastError };
      }),
    close,
  };
};

const checkAddresses = (paths: readonly PathOptions[]): void => {
  if (paths.length === 0) throw new Error('no heartbeat path was given');
  for (const { local, remotes } of paths) {
    const wrong = [local, ...Object.values(remotes)].find((address) => isIP(address) === 0);
    if (wrong !== undefined) throw new Error(`heartbeat path ${local}: ${wrong} is no IPv4 or IPv6 address`);
    const other = Object.values(remotes).find((address) => isIPv6(address) !== isIPv6(local));
    if (other !== undefined) throw new Error(`heartbeat path ${local}: ${other} is of another address family`);
  }
  if (new Set(paths.map(({ local }) => local)).size < paths.length) {
    throw new Error('two heartbeat paths have the same local address; each needs its own');
  }
};

const sendOn = (path: Path, datagram: Buffer, port: number, address: string): void => {
  const { socket } = path;
  if (socket === null) {
    // lastError tells why it could not be opened.
    path.errors += 1;
    return;
  }
  if (socket.getSendQueueCount() >= SEND_QUEUE_MAX) {
    countError(path, { code: 'ENOBUFS' });
    return;
  }
  try {
    socket.send(datagram, port, address, (error) => {
      if (error === null) path.sent += 1;
      else countError(path, error);
    });
  } catch (error) {
    countError(path, error);
  }
};

const countError = (path: Path, error: unknown): void => {
  path.errors += 1;
  path.lastError = errorCode(error);
};

const errorCode = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);

/** Addresses are never names: Node's default would ask the resolver, off the loop, for each datagram. */
const noLookup = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, address, isIP(address));

const bindSocket = (address: string, port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = isIPv6(address)
      ? createSocket({ type: 'udp6', ipv6Only: true, lookup: noLookup })
      : createSocket({ type: 'udp4', lookup: noLookup });
    const onError = (error: Error): void => {
      socket.close();
      reject(bindError(address, port, error));
    };
    socket.once('error', onError);
    // exclusive: a cluster worker would share the socket otherwise (Node manual, socket.bind).
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeListener('error', onError);
      resolve(socket);
    });
  });

const bindError = (address: string, port: number, cause: Error): Error => {
  const code = errorCode(cause);
  const what = `cannot listen for heartbeats on ${address}, UDP port ${port}: ${code}, ${bindAdvice(code, port)}`;
  return Object.assign(new Error(what, { cause }), { code });
};

const bindAdvice = (code: string, port: number): string => {
  switch (code) {
    case 'EADDRINUSE':
      return `another process has that port; see 'ss -lunp sport = :${port}', and stop it or configure another port on every member`;
    case 'EADDRNOTAVAIL':
      return `no interface of this host has that address; see 'ip address', and correct the configuration or bring the link up`;
    case 'EACCES':
      return 'not permitted; ports below 1024 need CAP_NET_BIND_SERVICE';
    default:
      return 'see errno(3)';
  }
};
