import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Capture, capture, HOST, here, inOwnNetwork, on, setCable } from '../../test/lab/namespace.js';
import { waitFor } from '../../test/lab/wait.js';
import { boottimeMs } from '../host/clock.js';
import type { Vip } from './address.js';
import { ANNOUNCEMENTS_PER_BURST, type Announcer, createAnnouncer, SECOND_BURST_MS } from './announce.js';
import { lookupMac } from './interfaces.js';
import { probeForStranger } from './stranger.js';

const VIPS: readonly Vip[] = [
  { address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' },
  { address: 'fd99::100', prefixLength: 64, family: 6, interface: 'eth0' },
];
const FRAMES_PER_BURST = 3 * ANNOUNCEMENTS_PER_BURST;
const CLAIMS = '(arp and arp[14:4] = 0x0a630064) or (icmp6 and ip6[40] = 136)';

const count = (lines: readonly string[], ...parts: readonly string[]): number =>
  lines.filter((line) => parts.every((part) => line.includes(part))).length;

/** A gratuitous ARP and an advertisement by a host that took the VIP, as arping and the kernel send them. */
const claimAsStranger = (): void => {
  on('db2', 'ip', 'address', 'add', '10.99.0.100/32', 'dev', 'eth0');
  on('db2', 'sysctl', '-qw', 'net.ipv4.ip_nonlocal_bind=1');
  on('client', 'ip', 'neighbour', 'flush', 'dev', 'eth0');
  // An ARP request with the VIP as its sender's address is a claim like any other.
  try {
    on('db2', 'ping', '-c', '1', '-W', '1', '-I', '10.99.0.100', '10.99.0.77');
  } catch {
    // Nobody answers, and nobody needs to.
  }
};

const clear = (): void => {
  try {
    on('db2', 'ip', 'address', 'del', '10.99.0.100/32', 'dev', 'eth0');
  } catch {
    // It was not there.
  }
};

await inOwnNetwork('src/net/announce.lab.test.ts', () => {
  describe('announcements', () => {
    let holding: boolean;
    let faults: string[];
    let foreign: string[];
    let announcer: Announcer;
    let heard: Capture;
    beforeEach(async () => {
      holding = true;
      faults = [];
      foreign = [];
      heard = await capture('client', CLAIMS);
      announcer = createAnnouncer({
        vips: VIPS,
        holds: () => holding,
        now: boottimeMs,
        onForeignClaim: ({ address, mac }) => foreign.push(`${mac} ${address}`),
        onFault: (text) => faults.push(text),
      });
    });
    afterEach(async () => {
      announcer.stop();
      await heard.stop();
      clear();
    });

    test('come five at once in each form, and five more after a second', async () => {
      announcer.start();
      await waitFor(() => heard.lines().length >= FRAMES_PER_BURST, 'the first burst', 500);
      await sleep(SECOND_BURST_MS / 2);
      const first = heard.lines();
      expect(first).toHaveLength(FRAMES_PER_BURST);
      const broadcast = `${HOST.db1.mac} > ff:ff:ff:ff:ff:ff`;
      expect(count(first, broadcast, 'Request who-has 10.99.0.100')).toBe(5);
      expect(count(first, broadcast, `Reply 10.99.0.100 is-at ${HOST.db1.mac}`)).toBe(5);
      expect(count(first, `${HOST.db1.mac} > 33:33:00:00:00:01`, 'fd99::100 > ff02::1', 'tgt is fd99::100')).toBe(5);
      await waitFor(() => heard.lines().length >= 2 * FRAMES_PER_BURST, 'the second burst', 2 * SECOND_BURST_MS);
      expect(heard.lines()).toHaveLength(2 * FRAMES_PER_BURST);
      expect(faults).toEqual([]);
    });

    test('move the entry in a client’s tables', async () => {
      for (const vip of VIPS) {
        on('client', 'ip', 'neigh', 'replace', vip.address, 'lladdr', HOST.db2.mac, 'dev', 'eth0', 'nud', 'stale');
      }
      announcer.start();
      for (const vip of VIPS) {
        await waitFor(
          () => on('client', 'ip', 'neigh', 'show', vip.address).includes(HOST.db1.mac),
          `${vip.address} at db1`,
          1_000,
        );
      }
    });

    test('are not sent by a holder that holds no more', async () => {
      holding = false;
      announcer.start();
      await sleep(100);
      expect(heard.lines()).toEqual([]);
    });

    test('end when stopped', async () => {
      announcer.start();
      announcer.stop();
      await sleep(SECOND_BURST_MS + 200);
      expect(heard.lines()).toHaveLength(FRAMES_PER_BURST);
    });

    test('answer a stranger’s claim at once, and only while we hold', async () => {
      announcer.start();
      await waitFor(() => heard.lines().length >= 2 * FRAMES_PER_BURST, 'both bursts', 2 * SECOND_BURST_MS);
      const before = heard.lines().length;
      claimAsStranger();
      await waitFor(() => foreign.length > 0, 'the stranger heard', 2_000);
      expect(foreign).toContain(`${HOST.db2.mac} 10.99.0.100`);
      await waitFor(
        () => count(heard.lines().slice(before), HOST.db1.mac, 'Reply 10.99.0.100') > 0,
        'the answer on the link',
        1_000,
      );
      await sleep(300);
      clear();
      expect(heard.lines().at(-1)).toContain(HOST.db1.mac);
      holding = false;
      const silent = count(heard.lines(), HOST.db1.mac);
      claimAsStranger();
      await sleep(300);
      expect(count(heard.lines(), HOST.db1.mac)).toBe(silent);
    });

    test('still hear strangers after the cable was out', async () => {
      announcer.start();
      here('ip', 'link', 'set', 'eth0', 'down');
      await sleep(50);
      here('ip', 'link', 'set', 'eth0', 'up');
      setCable(false);
      setCable(true);
      await sleep(1_300);
      foreign = [];
      claimAsStranger();
      await waitFor(() => foreign.length > 0, 'the stranger heard', 2_000);
    });
  });

  describe('the probe for a stranger', () => {
    const options = { timeoutMs: 20, peerMacs: [HOST.db2.mac], now: boottimeMs };
    afterEach(() => {
      for (const host of ['db2', 'client'] as const) {
        for (const address of ['10.99.0.100/24', 'fd99::100/64']) {
          try {
            on(host, 'ip', 'address', 'del', address, 'dev', 'eth0');
          } catch {
            // It was not there.
          }
        }
      }
    });

    test('finds nobody where nobody is, within its time, and the event loop goes on meanwhile', async () => {
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      expect(await probeForStranger(VIPS, options)).toEqual({ kind: 'nobody' });
      clearInterval(timer);
      expect(turns).toBeGreaterThan(5);
    });

    test('finds a stranger on either family, and tells the peer from a stranger', async () => {
      on('client', 'ip', 'address', 'add', '10.99.0.100/24', 'dev', 'eth0');
      on('db2', 'ip', 'address', 'add', 'fd99::100/64', 'dev', 'eth0', 'nodad');
      const result = await probeForStranger(VIPS, options);
      expect(result.kind === 'answered' ? result.answers : []).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ address: '10.99.0.100', mac: HOST.client.mac, from: 'stranger' }),
          expect.objectContaining({ address: 'fd99::100', mac: HOST.db2.mac, from: 'peer' }),
        ]),
      );
    });

    test('changes nobody’s tables', async () => {
      on('client', 'ip', 'neigh', 'flush', 'all');
      await probeForStranger(VIPS, options);
      expect(on('client', 'ip', 'neigh')).not.toContain('99.0.100');
      expect(on('client', 'ip', 'neigh')).not.toContain('fd99::100');
    });

    test('says what is wrong where it cannot ask', async () => {
      const elsewhere = VIPS.map((vip) => ({ ...vip, interface: 'eth7' }));
      await expect(probeForStranger(elsewhere, options)).rejects.toThrow("no interface 'eth7'");
      here('ip', 'link', 'set', 'eth0', 'down');
      await expect(probeForStranger(VIPS, options)).rejects.toThrow('ENETDOWN');
      here('ip', 'link', 'set', 'eth0', 'up');
    });
  });

  describe('the neighbour table', () => {
    test('tells the hardware address of a neighbour that was spoken to', async () => {
      here('ip', 'neigh', 'flush', 'all');
      expect(await lookupMac(HOST.db2.ipv4, 'eth0')).toBeNull();
      await waitFor(
        () => here('sh', '-c', `ping -c 1 -W 1 ${HOST.db2.ipv4} || true`).includes(' 0% packet loss'),
        'an answer of db2',
        5_000,
      );
      expect(await lookupMac(HOST.db2.ipv4, 'eth0')).toBe(HOST.db2.mac);
      await expect(lookupMac(HOST.db2.ipv4, 'eth7')).rejects.toThrow("no interface 'eth7'");
    });
  });
});
