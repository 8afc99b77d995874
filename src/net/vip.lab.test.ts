import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { here, inOwnNetwork } from '../../test/lab/namespace.js';
import type { Vip } from './address.js';
import { createVips, type Vips } from './vip.js';

const VIPS: readonly Vip[] = [
  { address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' },
  { address: '10.99.0.101', prefixLength: 32, family: 4, interface: 'eth0' },
  { address: 'fd99::0:100', prefixLength: 64, family: 6, interface: 'eth0' },
];

interface Shown {
  readonly local: string;
  readonly prefixlen: number;
  readonly secondary?: boolean;
  readonly deprecated?: boolean;
  readonly tentative?: boolean;
  readonly nodad?: boolean;
  readonly noprefixroute?: boolean;
  readonly valid_life_time: number;
}

const shown = (): readonly Shown[] => {
  const links: readonly { readonly addr_info: readonly Shown[] }[] = JSON.parse(
    here('ip', '-json', 'address', 'show', 'dev', 'eth0'),
  );
  return links.flatMap((link) => link.addr_info);
};

const address = (text: string): Shown | undefined => shown().find((a) => a.local === text);
const PROMOTE = '/proc/sys/net/ipv4/conf/eth0/promote_secondaries';

await inOwnNetwork('src/net/vip.lab.test.ts', () => {
  describe('virtual addresses', () => {
    let vips: Vips;
    beforeEach(async () => {
      vips = createVips({ vips: VIPS });
      await vips.open();
    });
    afterEach(async () => {
      await vips.remove();
      vips.close();
    });

    test('come and go, IPv4 and IPv6, and nothing else changes', async () => {
      const before = shown().map((a) => a.local);
      await vips.add();
      expect(await vips.present()).toEqual(['10.99.0.100', '10.99.0.101', 'fd99::0:100']);
      expect(address('10.99.0.100')).toMatchObject({ prefixlen: 24, secondary: true });
      expect(address('fd99::100')).toMatchObject({ prefixlen: 64, nodad: true, noprefixroute: true, deprecated: true });
      expect(address('fd99::100')?.tentative).toBeUndefined();
      await vips.remove();
      expect(shown().map((a) => a.local)).toEqual(before);
    });

    test('are never the source of the host’s own connections', async () => {
      await vips.add();
      expect(here('ip', 'route', 'get', '10.99.0.10')).toContain('src 10.99.0.1 ');
      expect(here('ip', '-6', 'route', 'get', 'fd99::10')).toContain('src fd99::1 ');
    });

    test('are off when remove returns its promise, before anything is awaited', async () => {
      await vips.add();
      const removed = vips.remove();
      expect(shown().map((a) => a.local)).not.toContain('10.99.0.100');
      expect(shown().map((a) => a.local)).not.toContain('fd99::100');
      await removed;
    });

    test('adding twice and removing twice is the same as once', async () => {
      await vips.add();
      await vips.add();
      expect(await vips.present()).toHaveLength(3);
      await vips.remove();
      await vips.remove();
      expect(await vips.present()).toEqual([]);
    });

    test('expire by themselves unless refreshed, and a late refresh does not put them back', async () => {
      await vips.add({ lifetimeSeconds: 20 });
      expect(address('10.99.0.100')?.valid_life_time).toBeLessThanOrEqual(20);
      expect(address('fd99::100')?.valid_life_time).toBeLessThanOrEqual(20);
      expect(await vips.refresh(40)).toBe(true);
      expect(address('10.99.0.100')?.valid_life_time).toBeGreaterThan(20);
      expect(address('fd99::100')?.valid_life_time).toBeGreaterThan(20);
      here('ip', 'address', 'del', '10.99.0.100/24', 'dev', 'eth0');
      expect(await vips.refresh(40)).toBe(false);
      expect(address('10.99.0.100')).toBeUndefined();
      await vips.add();
      expect(address('fd99::100')?.valid_life_time).toBe(2 ** 32 - 1);
    });

    test('are taken off with whatever prefix and on whatever interface another hand put them', async () => {
      here('ip', 'address', 'add', '10.99.0.100/32', 'dev', 'lo');
      here('ip', 'address', 'add', 'fd99::100/128', 'dev', 'eth0', 'nodad');
      await vips.remove();
      expect(here('ip', 'address')).not.toContain('99.0.100');
      expect(here('ip', 'address')).not.toContain('fd99::100');
    });

    test('give the first place back to a host address that was renewed, and do not take it with them', async () => {
      writeFileSync(PROMOTE, '0');
      await vips.open();
      expect(readFileSync(PROMOTE, 'utf8').trim()).toBe('1');
      await vips.add();
      here('ip', 'address', 'del', '10.99.0.1/24', 'dev', 'eth0');
      here('ip', 'address', 'add', '10.99.0.1/24', 'dev', 'eth0');
      expect(address('10.99.0.1')?.secondary).toBe(true);
      await vips.add();
      expect(address('10.99.0.100')?.secondary).toBe(true);
      expect(here('ip', 'route', 'get', '10.99.0.10')).toContain('src 10.99.0.1 ');
      await vips.remove();
      expect(address('10.99.0.1')).toBeDefined();
    });

    test('of another set in the same subnet are no addresses of the host: neither displaces the other', async () => {
      const first: Vip = { address: '10.98.0.100', prefixLength: 24, family: 4, interface: 'eth0' };
      const second: Vip = { ...first, address: '10.98.0.101' };
      const one = createVips({ vips: [first], siblings: () => [second] });
      const other = createVips({ vips: [second], siblings: () => [first] });
      await one.open();
      await one.add();
      await other.add();
      expect(address('10.98.0.101')?.secondary).toBe(true);
      expect(await one.refresh(40)).toBe(true);
      expect(await other.refresh(40)).toBe(true);
      expect(address('10.98.0.100')?.secondary).toBeUndefined();
      await one.remove();
      expect(address('10.98.0.101')).toBeDefined();
      await other.remove();
      one.close();
      other.close();
    });

    test('on an interface that is missing are a clear error', async () => {
      const wrong = createVips({ vips: [{ address: '10.1.1.1', prefixLength: 32, family: 4, interface: 'eth7' }] });
      await expect(wrong.open()).rejects.toThrow(/no interface 'eth7' on this host \(there are: lo, .*eth0/);
      await expect(wrong.add()).rejects.toThrow('adding 10.1.1.1/32 on eth7: there is no such interface');
      await wrong.remove();
      wrong.close();
    });
  });
});
