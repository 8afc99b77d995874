import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOST, here, inOwnNetwork, on, startOn } from '../../test/lab/namespace.js';
import { waitFor } from '../../test/lab/wait.js';
import { boottimeMs } from '../host/clock.js';
import type { Vip } from './address.js';
import { createGuard, GUARD_MARGIN_MS, type Guard } from './guard.js';
import { createSocketDestroyer } from './sockets.js';
import { createVips, type Vips } from './vip.js';

const V4 = '10.99.0.100';
const V6 = 'fd99::100';
const VIPS: readonly Vip[] = [
  { address: V4, prefixLength: 24, family: 4, interface: 'eth0' },
  { address: V6, prefixLength: 64, family: 6, interface: 'eth0' },
];
const PORT = 3306;
const LEASE_MS = 300;
const LONG_MS = 60_000;

/** What becomes of a new TCP connection from the client; silence is what a shut guard looks like. */
const connecting = (address: string): 'connected' | 'refused' | 'silence' => {
  const attempt = `timeout 0.4 bash -c '</dev/tcp/${address}/${PORT}' 2>&1; echo "status $?"`;
  const said = on('client', 'sh', '-c', attempt);
  if (said.includes('status 0')) return 'connected';
  return said.includes('refused') ? 'refused' : 'silence';
};

/** What the client knows of an address after it tried to speak to it with an empty table. */
const neighbour = (address: string): string => {
  on('client', 'ip', 'neigh', 'flush', 'dev', 'eth0');
  on('client', 'sh', '-c', `ping -c 1 -W 0.3 ${address} || true`);
  return on('client', 'ip', 'neigh', 'show', address);
};

/** Sends a datagram each millisecond, IPv4 and IPv6, until it is ended. */
const SENDER = `
const { createSocket } = require('node:dgram');
const four = createSocket('udp4'), six = createSocket('udp6');
setInterval(() => { four.send('x', ${PORT}, '${V4}'); six.send('x', ${PORT}, '${V6}'); }, 1);
`;

/** Says something, prints what comes back, each 20 ms. */
const TALKER = `
const socket = require('node:net').connect(${PORT}, process.argv[1]);
socket.on('connect', () => setInterval(() => socket.write('x'), 20));
socket.on('data', () => console.log('echo'));
socket.on('error', (error) => { console.log(error.code); process.exit(); });
`;

interface Talker {
  readonly said: () => string;
  readonly stop: () => void;
}

const talkTo = async (address: string): Promise<Talker> => {
  const child = startOn('client', process.execPath, '-e', TALKER, address);
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await waitFor(() => said.includes('echo'), `an echo from ${address}`, 5_000);
  return { said: () => said, stop: () => child.kill('SIGKILL') };
};

await inOwnNetwork('src/net/guard.lab.test.ts', () => {
  describe('the guard', () => {
    let vips: Vips;
    let guard: Guard;
    let server: Server;
    const inMs = (ms: number): number => boottimeMs() + ms;

    beforeAll(async () => {
      vips = createVips({ vips: VIPS });
      await vips.add();
      server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.pipe(socket);
      });
      server.listen(PORT, '::');
      await once(server, 'listening');
    });
    afterAll(async () => {
      server.close();
      await vips.remove();
      vips.close();
    });
    beforeEach(() => {
      guard = createGuard({ group: 'lab', vips: VIPS, now: boottimeMs });
      guard.install();
    });
    afterEach(() => {
      guard.remove();
      guard.close();
      expect(here('nft', 'list', 'ruleset')).not.toContain('vipd_lab');
    });

    test('is shut when installed: no TCP, ARP or neighbour discovery for a VIP, and nothing else is touched', () => {
      expect(guard.holds()).toBe(false);
      expect(connecting(V4)).toBe('silence');
      expect(connecting(V6)).toBe('silence');
      expect(neighbour(V4)).not.toContain('lladdr');
      expect(neighbour(V6)).not.toContain('lladdr');
      expect(connecting(HOST.db1.ipv4)).toBe('connected');
      expect(connecting(HOST.db1.ipv6)).toBe('connected');
      expect(neighbour(HOST.db1.ipv6)).toContain(HOST.db1.mac);
    });

    test('passes TCP, ARP and neighbour discovery while open, and none of it once it is shut', () => {
      expect(guard.openUntil(inMs(LONG_MS))).toBe(true);
      expect(guard.holds()).toBe(true);
      for (const address of [V4, V6]) {
        expect(neighbour(address)).toContain(HOST.db1.mac);
        expect(connecting(address)).toBe('connected');
      }
      expect(guard.shut()).toBe(true);
      expect(guard.holds()).toBe(false);
      for (const address of [V4, V6]) {
        expect(connecting(address)).toBe('silence');
        expect(neighbour(address)).not.toContain('lladdr');
      }
    });

    test('passes nothing after its deadline when nobody refreshes it, and until then all the time', async () => {
      const receivedAtMs: number[] = [];
      const sockets = [createSocket('udp4').bind(PORT, V4), createSocket('udp6').bind(PORT, V6)];
      for (const socket of sockets) socket.on('message', () => receivedAtMs.push(boottimeMs()));
      const sender = startOn('client', process.execPath, '-e', SENDER);
      let deadlineMs = inMs(LEASE_MS * 10);
      expect(guard.openUntil(deadlineMs)).toBe(true);
      await waitFor(() => receivedAtMs.length > 0, 'the first datagram', 3_000);
      const begunMs = boottimeMs();
      while (boottimeMs() < begunMs + 3 * LEASE_MS) {
        deadlineMs = inMs(LEASE_MS);
        expect(guard.refreshUntil(deadlineMs)).toBe('open');
        await sleep(25);
      }
      expect(receivedAtMs.at(-1)).toBeGreaterThan(begunMs + 2 * LEASE_MS);
      await sleep(2 * LEASE_MS);
      const last = receivedAtMs.at(-1) ?? 0;
      console.log(`the last datagram came ${(deadlineMs - last).toFixed(1)} ms before the deadline`);
      expect(last).toBeLessThanOrEqual(deadlineMs);
      expect(last).toBeGreaterThan(deadlineMs - LEASE_MS / 2);
      expect(guard.holds()).toBe(false);
      sender.kill('SIGKILL');
      for (const socket of sockets) socket.close();
    });

    test('is not opened by a refresh that comes too late, whether the clock or the kernel says so', async () => {
      guard.openUntil(inMs(50));
      await sleep(60);
      expect(guard.refreshUntil(inMs(LONG_MS))).toBe('shut');
      expect(connecting(V4)).toBe('silence');
      // A clock that stood still, as in a frozen process that does not know it: the kernel's elements have run out.
      let nowMs = 0;
      const frozen = createGuard({ group: 'lab', vips: VIPS, now: () => nowMs });
      frozen.install();
      expect(frozen.openUntil(50)).toBe(true);
      await sleep(60);
      expect(frozen.holds()).toBe(true);
      expect(frozen.refreshUntil(LONG_MS)).toBe('shut');
      expect(frozen.holds()).toBe(false);
      expect(connecting(V4)).toBe('silence');
      nowMs = LONG_MS;
      frozen.close();
    });

    test('is never opened for a deadline that has passed or is within the margin', () => {
      expect(guard.openUntil(boottimeMs())).toBe(false);
      expect(guard.openUntil(inMs(GUARD_MARGIN_MS))).toBe(false);
      guard.openUntil(inMs(LONG_MS));
      expect(guard.refreshUntil(boottimeMs() - 1)).toBe('shut');
      expect(connecting(V4)).toBe('silence');
    });

    test('shuts when each attempt to set a time was itself held up for longer than the margin', () => {
      let nowMs = 0;
      const heldUp = createGuard({
        group: 'lab',
        vips: VIPS,
        now: () => {
          nowMs += 2 * GUARD_MARGIN_MS;
          return nowMs;
        },
      });
      heldUp.install();
      expect(heldUp.openUntil(LONG_MS)).toBe(false);
      expect(connecting(V4)).toBe('silence');
      heldUp.close();
    });

    test('cuts established connections too, and lets the resets out that end them', async () => {
      guard.openUntil(inMs(LONG_MS));
      const talkers = [await talkTo(V4), await talkTo(V6)];
      guard.shut();
      await sleep(100);
      const before = talkers.map((talker) => talker.said());
      await sleep(200);
      expect(talkers.map((talker) => talker.said())).toEqual(before);
      const destroyer = createSocketDestroyer({ vips: VIPS, onUnsupported: (text) => expect.fail(text) });
      expect(destroyer.destroy()).toBeGreaterThanOrEqual(2);
      for (const talker of talkers) {
        await waitFor(() => talker.said().includes('ECONNRESET') || talker.said(), 'the reset', 1_000);
        talker.stop();
      }
      destroyer.close();
    });

    test('refuses new connections with a reset when told to, while those that stand go on', async () => {
      guard.openUntil(inMs(LONG_MS));
      const talker = await talkTo(V4);
      guard.rejectNew(true);
      expect(connecting(V4)).toBe('refused');
      expect(connecting(V6)).toBe('refused');
      expect(connecting(HOST.db1.ipv4)).toBe('connected');
      const echoes = talker.said().length;
      await waitFor(() => talker.said().length > echoes, 'more echoes', 2_000);
      guard.rejectNew(false);
      expect(connecting(V4)).toBe('connected');
      expect(connecting(V6)).toBe('connected');
      talker.stop();
    });

    test('notices when somebody takes its tables or rules away, and not when they are refreshed', async () => {
      let gone = 0;
      guard.watch(() => gone++);
      guard.openUntil(inMs(LONG_MS));
      for (let i = 0; i < 20; i++) guard.refreshUntil(inMs(LONG_MS));
      guard.rejectNew(true);
      guard.rejectNew(false);
      here('nft', 'add', 'table', 'inet', 'other');
      here('nft', 'delete', 'table', 'inet', 'other');
      await sleep(100);
      expect(gone).toBe(0);
      const harms = [
        ['flush', 'ruleset'],
        ['flush', 'chain', 'inet', 'vipd_lab', 'input'],
        ['delete', 'table', 'arp', 'vipd_lab'],
        ['add', 'table', 'inet', 'vipd_lab', '{ flags dormant; }'],
        ['insert', 'rule', 'inet', 'vipd_lab', 'input', 'accept'],
      ];
      for (const harm of harms) {
        const before = gone;
        here('nft', ...harm);
        await waitFor(() => gone > before, harm.join(' '), 1_000);
        expect(guard.intact()).toBe(false);
        guard.install();
        expect(guard.intact()).toBe(true);
        expect(connecting(V4)).toBe('silence');
      }
      await sleep(50);
      expect(gone).toBe(harms.length);
    });

    test('tells at a refresh that its tables are gone, and is shut once they are made anew', () => {
      guard.openUntil(inMs(LONG_MS));
      here('nft', 'flush', 'ruleset');
      expect(guard.refreshUntil(inMs(LONG_MS))).toBe('gone');
      guard.install();
      expect(guard.holds()).toBe(false);
      expect(connecting(V4)).toBe('silence');
    });

    test('stays out of what others filter, and of another group', () => {
      here('nft', 'add', 'table', 'inet', 'other');
      const second = createGuard({
        group: 'lab-2',
        vips: [{ address: '10.99.0.101', prefixLength: 32, family: 4, interface: 'eth0' }],
        now: boottimeMs,
      });
      second.install();
      guard.openUntil(inMs(LONG_MS));
      second.shut();
      expect(connecting(V4)).toBe('connected');
      second.remove();
      second.close();
      guard.remove();
      expect(here('nft', 'list', 'tables').trim()).toBe('table inet other');
      here('nft', 'delete', 'table', 'inet', 'other');
    });
  });
});
