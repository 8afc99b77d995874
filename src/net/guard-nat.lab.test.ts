/** The guard on a host that translates addresses: what a VIP's port leads to may be a container or a proxy. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOST, here, inOwnNetwork, on, startOn } from '../../test/lab/namespace.js';
import { waitFor } from '../../test/lab/wait.js';
import { boottimeMs } from '../host/clock.js';
import type { Vip } from './address.js';
import { createGuard, type Guard } from './guard.js';

const FAMILIES = [
  {
    name: 'IPv4',
    vip: '10.99.0.100',
    length: 24,
    family: 4,
    ip: 'ip',
    own: HOST.db1.ipv4,
    behind: HOST.db2.ipv4,
    client: HOST.client.ipv4,
  },
  {
    name: 'IPv6',
    vip: 'fd99::100',
    length: 64,
    family: 6,
    ip: 'ip6',
    own: `[${HOST.db1.ipv6}]`,
    behind: `[${HOST.db2.ipv6}]`,
    client: HOST.client.ipv6,
  },
] as const;
const VIPS: readonly Vip[] = FAMILIES.map(({ vip, length, family }) => ({
  address: vip,
  prefixLength: length,
  family,
  interface: 'eth0',
}));
/** Clients ask for the first; the server listens on the second. */
const [PORT, BEHIND] = [3306, 3307];
const LONG_MS = 60_000;
const QUIET_MS = 300;
/** Neighbours are asked for again after a second. */
const PATIENCE_MS = 10_000;

/** Says something each 10 ms without being asked, as a server does that acknowledges a commit after a while. */
const PUSHER = `require('node:net').createServer((socket) => {
  const timer = setInterval(() => socket.write('x'), 10);
  socket.on('error', () => clearInterval(timer)).resume();
}).listen(${BEHIND}, '::', () => console.log('listening'));`;

/** Prints what it hears, and writes each 10 ms. */
const LISTENER = `
const socket = require('node:net').connect(${PORT}, process.argv[1]);
socket.on('connect', () => setInterval(() => socket.write('y'), 10));
socket.on('data', () => console.log('heard'));
socket.on('error', () => process.exit());`;

const CONNECT = (address: string) => `timeout 0.4 bash -c '</dev/tcp/${address}/${PORT}' 2>&1; echo "status $?"`;
const isConnected = (said: string): boolean => said.includes('status 0');
const clientConnects = (address: string): boolean => isConnected(on('client', 'sh', '-c', CONNECT(address)));
const hostConnects = (address: string): boolean => isConnected(here('sh', '-c', CONNECT(address)));

await inOwnNetwork('src/net/guard-nat.lab.test.ts', () => {
  describe.each(FAMILIES)(
    'the guard on a host that translates addresses, $name',
    ({ vip, length, ip, own, behind, client }) => {
      let guard: Guard;
      let server: Server;
      let heard = 0;
      /** Octets that clients wrote, as the server here sees them. */
      let written = 0;
      const children: ChildProcess[] = [];

      const holdVip = (): string =>
        here('ip', 'address', 'add', `${vip}/${length}`, 'dev', 'eth0', ...(ip === 'ip' ? [] : ['nodad']));
      const loseVip = (): string => here('ip', 'address', 'del', `${vip}/${length}`, 'dev', 'eth0');
      const start = (...command: Parameters<typeof startOn>): ChildProcess => {
        const child = startOn(...command);
        children.push(child);
        return child;
      };
      const translate = (hook: 'prerouting' | 'output', how: string): void => {
        here('nft', 'add', 'table', ip, 'others');
        here('nft', 'add', 'chain', ip, 'others', hook, `{ type nat hook ${hook} priority -100; }`);
        const rule = `add rule ${ip} others ${hook} ${ip} daddr ${vip} tcp dport ${PORT} ${how}`;
        here('nft', ...rule.split(' '));
      };
      const listen = async (): Promise<void> => {
        const child = start('client', process.execPath, '-e', LISTENER, vip);
        child.stdout?.on('data', () => {
          heard += 1;
        });
        const before = heard;
        await waitFor(() => heard > before, 'the first answer', PATIENCE_MS);
      };
      const isQuiet = async (): Promise<void> => {
        await sleep(100);
        const before = [heard, written];
        await sleep(QUIET_MS);
        expect([heard, written]).toEqual(before);
      };

      beforeAll(async () => {
        server = createServer((socket) => {
          const timer = setInterval(() => socket.write('x'), 10);
          socket.on('data', (data: Buffer) => {
            written += data.length;
          });
          socket.on('error', () => clearInterval(timer)).on('close', () => clearInterval(timer));
        });
        server.listen(BEHIND, '::');
        await once(server, 'listening');
        for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) here('sysctl', '-qw', `${key}=1`);
        for (const key of ['all', 'eth0']) here('sysctl', '-qw', `net.ipv4.conf.${key}.send_redirects=0`);
      });
      afterAll(() => {
        server.close();
      });
      beforeEach(() => {
        holdVip();
        guard = createGuard({ group: 'lab', vips: VIPS, now: boottimeMs });
        guard.install();
        guard.openUntil(boottimeMs() + LONG_MS);
      });
      afterEach(() => {
        for (const child of children.splice(0)) child.kill('SIGKILL');
        here('sh', '-c', `ip address del ${vip}/${length} dev eth0 2>/dev/null; nft flush ruleset`);
        guard.close();
      });

      test('a VIP whose port leads to another on this host: shut, nobody reaches that', async () => {
        translate('prerouting', `dnat to ${own}:${BEHIND}`);
        translate('output', `dnat to ${own}:${BEHIND}`);
        expect([clientConnects(vip), hostConnects(vip)]).toEqual([true, true]);
        guard.shut();
        expect([clientConnects(vip), hostConnects(vip)]).toEqual([false, false]);
      });

      test('connections that stand hear nothing more, and nothing of theirs comes through, with the VIP there or gone', async () => {
        translate('prerouting', `dnat to ${own}:${BEHIND}`);
        await listen();
        guard.shut();
        await isQuiet();
        // Its packets still come here, by the hardware address that the client has learnt.
        loseVip();
        await isQuiet();
      });

      test('a VIP whose port leads to another machine: shut, nobody reaches that', async () => {
        const pusher = start('db2', process.execPath, '-e', PUSHER);
        await once(pusher.stdout ?? pusher, 'data');
        translate('prerouting', `dnat to ${behind}:${BEHIND}`);
        here('nft', 'add', 'chain', ip, 'others', 'postrouting', '{ type nat hook postrouting priority 100; }');
        here('nft', 'add', 'rule', ip, 'others', 'postrouting', 'tcp', 'dport', String(BEHIND), 'masquerade');
        await listen();
        guard.shut();
        await isQuiet();
        expect(clientConnects(vip)).toBe(false);
      });

      test('a host without the VIP that is a router for a client still passes on what is for the active', async () => {
        loseVip();
        guard.shut();
        on('db2', 'ip', 'address', 'add', `${vip}/${length}`, 'dev', 'eth0', ...(ip === 'ip' ? [] : ['nodad']));
        const active = start('db2', process.execPath, '-e', PUSHER.replace(String(BEHIND), String(PORT)));
        await once(active.stdout ?? active, 'data');
        // Whoever asks the client from the VIP would have the answer sent here, where neighbour discovery ends.
        on('db2', 'ip', 'neigh', 'replace', client, 'lladdr', HOST.client.mac, 'dev', 'eth0');
        on('client', 'ip', 'neigh', 'replace', vip, 'lladdr', HOST.db1.mac, 'dev', 'eth0');
        await waitFor(() => clientConnects(vip), 'a connection to the active', PATIENCE_MS);
        on('client', 'ip', 'neigh', 'del', vip, 'dev', 'eth0');
        on('db2', 'ip', 'address', 'del', `${vip}/${length}`, 'dev', 'eth0');
      });
    },
  );
});
