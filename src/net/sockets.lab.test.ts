import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { here, inOwnNetwork, startOn } from '../../test/lab/namespace.js';
import { waitFor } from '../../test/lab/wait.js';
import type { Vip } from './address.js';
import { createSocketDestroyer, type SocketDestroyer } from './sockets.js';
import { createVips, type Vips } from './vip.js';

const VIPS: readonly Vip[] = [
  { address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' },
  { address: 'fd99::100', prefixLength: 64, family: 6, interface: 'eth0' },
];
const PORT = 3306;

/** A client that sends nothing more: only a reset can tell it that the other end is gone. */
const CLIENT = `
const { connect } = require('node:net');
const socket = connect(${PORT}, process.argv[1]);
socket.on('connect', () => console.log('connected'));
socket.on('data', () => undefined);
socket.on('error', (error) => { console.log(error.code); process.exit(); });
socket.on('end', () => { console.log('end'); process.exit(); });
`;

interface Client {
  readonly said: () => string;
  readonly stop: () => void;
}

const connectTo = async (address: string): Promise<Client> => {
  const child = startOn('client', process.execPath, '-e', CLIENT, address);
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString().replace('\n', ' ');
  });
  await waitFor(() => said.includes('connected'), `a client at ${address}`, 5_000);
  return { said: () => said, stop: () => child.kill('SIGKILL') };
};

await inOwnNetwork('src/net/sockets.lab.test.ts', () => {
  describe('the sockets of a VIP', () => {
    let vips: Vips;
    let destroyer: SocketDestroyer;
    let server: Server;
    let troubles: string[];
    const listen = async (host: string): Promise<void> => {
      server = createServer((socket) => socket.on('error', () => undefined));
      server.listen(PORT, host);
      await once(server, 'listening');
    };

    beforeEach(async () => {
      troubles = [];
      vips = createVips({ vips: VIPS });
      destroyer = createSocketDestroyer({ vips: VIPS, onUnsupported: (text) => troubles.push(text) });
      await vips.add();
    });
    afterEach(async () => {
      server.close();
      await vips.remove();
      vips.close();
      destroyer.close();
    });

    test('are destroyed with a reset to the client, IPv4, IPv6 and v4-mapped, and no others are', async () => {
      await listen('::');
      const addresses = ['10.99.0.100', '10.99.0.100', 'fd99::100', '10.99.0.1', 'fd99::1'];
      const clients = await Promise.all(addresses.map(connectTo));
      expect(here('ss', '-Htn')).toContain('[::ffff:10.99.0.100]:3306');
      expect(destroyer.destroy()).toBe(3);
      await vips.remove();
      for (const client of clients.slice(0, 3)) {
        await waitFor(() => client.said().includes('ECONNRESET') || client.said(), 'the reset at the client', 1_000);
      }
      for (const client of clients.slice(3)) expect(client.said()).toBe('connected ');
      expect(destroyer.destroy()).toBe(0);
      expect(troubles).toEqual([]);
      for (const client of clients) client.stop();
    });

    test('are destroyed where the server listens on IPv4 only, and its listening socket stays', async () => {
      await listen('10.99.0.100');
      const client = await connectTo('10.99.0.100');
      expect(destroyer.destroy()).toBe(1);
      await waitFor(() => client.said().includes('ECONNRESET') || client.said(), 'the reset at the client', 1_000);
      (await connectTo('10.99.0.100')).stop();
    });

    test('are found among more than one filter can name', async () => {
      await listen('::');
      const many = Array.from({ length: 20 }, (_, i): Vip => {
        const four = i % 2 === 0;
        const vip = { prefixLength: four ? 32 : 128, interface: 'eth0' };
        return four
          ? { ...vip, family: 4, address: `10.99.0.${110 + i}` }
          : { ...vip, family: 6, address: `fd99::${110 + i}` };
      });
      const others = createVips({ vips: many });
      await others.add();
      const all = createSocketDestroyer({ vips: many, onUnsupported: (text) => troubles.push(text) });
      const clients = await Promise.all([connectTo('10.99.0.128'), connectTo('fd99::129'), connectTo('10.99.0.110')]);
      expect(all.destroy()).toBe(3);
      expect(troubles).toEqual([]);
      await others.remove();
      others.close();
      all.close();
      for (const client of clients) client.stop();
    });
  });
});
