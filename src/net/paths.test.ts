/** Paths on the loopback network: 127.0.0.0/8 gives as many local addresses as a test wants. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { titled } from '../../test/titled.js';
import { createPaths, type Paths, type PathsOptions, type Remote } from './paths.js';

/** Of the documentation range (RFC 5737): no host has it. */
const ABSENT = '192.0.2.77';

const hasIPv6 = (networkInterfaces().lo ?? []).some(({ address }) => address === '::1');

const opened: { close(): void }[] = [];

afterEach(() => {
  for (const thing of opened.splice(0)) thing.close();
});

const freePort = async (address = '127.0.0.1'): Promise<number> => {
  const socket = createSocket('udp4').bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
};

interface Host {
  readonly paths: Paths;
  readonly received: { readonly text: string; readonly remote: Remote }[];
  readonly errors: { readonly message: string; readonly path: string }[];
}

const host = (port: number, paths: PathsOptions['paths']): Host => {
  const received: Host['received'] = [];
  const errors: Host['errors'] = [];
  const created = createPaths({
    port,
    paths,
    onDatagram: (datagram, remote) => received.push({ text: datagram.toString(), remote }),
    onError: ({ message }, path) => errors.push({ message, path }),
  });
  opened.push(created);
  return { paths: created, received, errors };
};

describe('paths', () => {
  it('carry a datagram on every path that reaches the member, and the reply back the way it came', async () => {
    const port = await freePort();
    const db1 = host(port, [
      { local: '127.0.1.1', remotes: { db2: '127.0.1.2', w1: '127.0.1.3' } },
      { local: '127.0.2.1', remotes: { db2: '127.0.2.2' } },
    ]);
    const db2 = host(port, [
      { local: '127.0.1.2', remotes: { db1: '127.0.1.1' } },
      { local: '127.0.2.2', remotes: { db1: '127.0.2.1' } },
    ]);
    await Promise.all([db1.paths.start(), db2.paths.start()]);

    db1.paths.send('db2', Buffer.from('beat'));
    await vi.waitFor(() => expect(db2.received).toHaveLength(2));
    expect(db2.received.map(({ remote }) => remote).sort((a, b) => a.path.localeCompare(b.path))).toEqual([
      { address: '127.0.1.1', port, path: '127.0.1.2' },
      { address: '127.0.2.1', port, path: '127.0.2.2' },
    ]);

    for (const { remote } of db2.received) db2.paths.reply(remote, Buffer.from(`ack on ${remote.path}`));
    await vi.waitFor(() => expect(db1.received).toHaveLength(2));
    expect(db1.received.map(({ text, remote }) => `${text} from ${remote.address} at ${remote.path}`).sort()).toEqual([
      'ack on 127.0.1.2 from 127.0.1.2 at 127.0.1.1',
      'ack on 127.0.2.2 from 127.0.2.2 at 127.0.2.1',
    ]);
    expect(db1.paths.stats().map(({ sent, errors, received }) => ({ sent, errors, received }))).toEqual([
      { sent: 1, errors: 0, received: 1 },
      { sent: 1, errors: 0, received: 1 },
    ]);
  });

  it('answer a sender that is not configured, and send nothing to a member that has no address', async () => {
    const port = await freePort();
    const witness = host(port, [{ local: '127.0.1.3', remotes: {} }]);
    const node = host(port, [{ local: '127.0.1.1', remotes: { w1: '127.0.1.3' } }]);
    await Promise.all([witness.paths.start(), node.paths.start()]);

    node.paths.send('w1', Buffer.from('beat'));
    node.paths.send('db9', Buffer.from('beat'));
    await vi.waitFor(() => expect(witness.received).toHaveLength(1));
    for (const { remote } of witness.received) witness.paths.reply(remote, Buffer.from('ack'));
    await vi.waitFor(() => expect(node.received.map(({ text }) => text)).toEqual(['ack']));
    expect(node.paths.stats()[0]).toMatchObject({ sent: 1, errors: 0 });
  });

  it.skipIf(!hasIPv6)(titled('work over IPv6', hasIPv6, 'IPv6 on the loopback'), async () => {
    const port = await freePort();
    const only = host(port, [{ local: '::1', remotes: { self: '::1' } }]);
    await only.paths.start();
    only.paths.send('self', Buffer.from('six'));
    await vi.waitFor(() => expect(only.received.map(({ text }) => text)).toEqual(['six']));
  });

  it('say which port is taken, and how to find by whom', async () => {
    const port = await freePort();
    const other = createSocket('udp4').bind(port, '127.0.1.1');
    opened.push(other);
    await once(other, 'listening');
    const late = host(port, [{ local: '127.0.1.1', remotes: {} }]);
    await expect(late.paths.start()).rejects.toThrow(
      `cannot listen for heartbeats on 127.0.1.1, UDP port ${port}: EADDRINUSE, another process has that port; see 'ss -lunp sport = :${port}'`,
    );
  });

  it('say which address no interface has', async () => {
    const port = await freePort();
    const lost = host(port, [{ local: ABSENT, remotes: {} }]);
    await expect(lost.paths.start()).rejects.toThrow(
      `cannot listen for heartbeats on ${ABSENT}, UDP port ${port}: EADDRNOTAVAIL, no interface of this host has that address; see 'ip address'`,
    );
  });

  it('start without a further path, tell it once, and open it as soon as it can be', async () => {
    const port = await freePort();
    const blocker = createSocket('udp4').bind(port, '127.0.2.1');
    await once(blocker, 'listening');
    const node = host(port, [
      { local: '127.0.1.1', remotes: {} },
      { local: '127.0.2.1', remotes: { self: '127.0.2.1' } },
    ]);
    await node.paths.start();
    node.paths.send('self', Buffer.from('lost'));
    expect(node.paths.stats()[1]).toMatchObject({ open: false, sent: 0, errors: 2, lastError: 'EADDRINUSE' });
    await vi.waitFor(() => expect(node.paths.stats()[1]?.errors).toBeGreaterThan(2), { timeout: 10_000 });
    expect(node.errors).toHaveLength(1);
    expect(node.errors[0]?.path).toBe('127.0.2.1');

    blocker.close();
    await vi.waitFor(() => expect(node.paths.stats()[1]?.open).toBe(true), { timeout: 10_000 });
    node.paths.send('self', Buffer.from('heard'));
    await vi.waitFor(() => expect(node.received.map(({ text }) => text)).toEqual(['heard']));
  }, 30_000);

  it('count what cannot be sent, and throw nothing', async () => {
    const port = await freePort();
    // From a loopback address nothing can leave the host: the kernel answers EINVAL (ip(7)).
    const node = host(port, [{ local: '127.0.1.1', remotes: { far: ABSENT } }]);
    await node.paths.start();
    node.paths.send('far', Buffer.from('beat'));
    await vi.waitFor(() => expect(node.paths.stats()[0]).toMatchObject({ sent: 0, errors: 1 }));
    expect(node.paths.stats()[0]?.lastError).toMatch(/^E[A-Z]+$/);
    node.paths.send('far', Buffer.alloc(100_000));
    await vi.waitFor(() => expect(node.paths.stats()[0]?.lastError).toBe('EMSGSIZE'));
    expect(() => node.paths.reply({ address: 'x', port: -1, path: '127.0.1.1' }, Buffer.from('?'))).not.toThrow();
  });

  it('are silent once closed, even while they start', async () => {
    const port = await freePort();
    const node = host(port, [{ local: '127.0.1.1', remotes: { self: '127.0.1.1' } }]);
    const starting = node.paths.start();
    node.paths.close();
    await starting;
    node.paths.send('self', Buffer.from('beat'));
    expect(node.paths.stats()[0]).toMatchObject({ open: false, sent: 0 });
    const next = host(port, [{ local: '127.0.1.1', remotes: {} }]);
    await expect(next.paths.start()).resolves.toBeUndefined();
  });

  it.each([
    ['a name', [{ local: '127.0.0.1', remotes: { db2: 'db2.example' } }], 'db2.example is no IPv4 or IPv6 address'],
    ['mixed families', [{ local: '127.0.0.1', remotes: { db2: '::1' } }], '::1 is of another address family'],
    ['no path', [], 'no heartbeat path was given'],
    [
      'one address twice',
      [
        { local: '127.0.0.1', remotes: {} },
        { local: '127.0.0.1', remotes: {} },
      ],
      'two heartbeat paths have the same local address',
    ],
  ])('refuse %s', (_what, paths, message) => {
    expect(() => host(8694, paths)).toThrow(message);
  });
});
