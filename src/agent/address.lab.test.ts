import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOST, here, inOwnNetwork, on } from '../../test/lab/namespace.js';
import { waitFor } from '../../test/lab/wait.js';
import type { Event } from '../core/event.js';
import { addressLifetimeSeconds } from '../core/timing.js';
import { boottimeMs } from '../host/clock.js';
import type { Vip } from '../net/address.js';
import { type AddressHolder, type AddressOptions, createAddressHolder } from './address.js';

const V4 = '10.99.0.100';
const V6 = 'fd99::100';
const VIPS: readonly Vip[] = [
  { address: V4, prefixLength: 24, family: 4, interface: 'eth0' },
  { address: V6, prefixLength: 64, family: 6, interface: 'eth0' },
];
const PORT = 3306;
const TABLE = 'vipd_lab';
/** So long that no test of this file comes to its end but by setting the clock. */
const LEASE_MS = 60_000;
const PATIENCE_MS = 20_000;
/** What the kernel shows of an address without a lifetime (iproute2). */
const FOREVER_SECONDS = 2 ** 32 - 1;

/** Seconds that each of the VIPs has left here, by the kernel; those that are off are left out. */
const secondsLeft = (): readonly number[] => {
  const links: readonly {
    readonly addr_info: readonly { readonly local: string; readonly valid_life_time: number }[];
  }[] = JSON.parse(here('ip', '-json', 'address', 'show', 'dev', 'eth0'));
  return links
    .flatMap((link) => link.addr_info)
    .filter(({ local }) => local === V4 || local === V6)
    .map((shown) => shown.valid_life_time);
};

const connecting = (address: string): 'connected' | 'refused' | 'silence' => {
  const attempt = `timeout 0.4 bash -c '</dev/tcp/${address}/${PORT}' 2>&1; echo "status $?"`;
  const said = on('client', 'sh', '-c', attempt);
  if (said.includes('status 0')) return 'connected';
  return said.includes('refused') ? 'refused' : 'silence';
};

await inOwnNetwork('src/agent/address.lab.test.ts', () => {
  describe('who holds the addresses', () => {
    let server: Server;
    let holder: AddressHolder;
    let events: Event[];
    /** How many of the VIPs were on when each event was told. */
    let onAtEvent: number[];
    let logged: string[];
    let aheadMs: number;

    const now = (): number => boottimeMs() + aheadMs;
    const lease = (): number => now() + LEASE_MS;
    const lost = (): readonly Event[] => events.filter(({ type }) => type === 'vip-lost');
    const ruleset = (): string => here('nft', 'list', 'ruleset');

    const hold = async (options: Partial<AddressOptions> = {}): Promise<void> => {
      holder = createAddressHolder({
        group: 'lab',
        vips: VIPS,
        siblings: () => [],
        guard: 'nftables',
        leaseMs: LEASE_MS,
        peerAddresses: [HOST.db2.ipv4],
        now,
        emit: (event) => {
          events.push(event);
          onAtEvent.push(secondsLeft().length);
        },
        log: (level, text) => logged.push(`${level}: ${text}`),
        ...options,
      });
      await holder.open();
      expect(await holder.on(lease())).toMatchObject({ ok: true });
      expect(secondsLeft()).toHaveLength(VIPS.length);
      events.length = 0;
      onAtEvent.length = 0;
    };

    beforeAll(async () => {
      server = createServer((socket) => socket.on('error', () => undefined));
      server.listen(PORT, '::');
      await once(server, 'listening');
    });
    afterAll(() => {
      server.close();
    });
    beforeEach(() => {
      events = [];
      onAtEvent = [];
      logged = [];
      aheadMs = 0;
    });
    afterEach(async () => {
      await holder.off();
      holder.close();
      here('nft', 'flush', 'ruleset');
    });

    describe.each([
      { guard: 'nftables', leaseMs: 300, refreshMs: 5_000 },
      { guard: 'address', leaseMs: 10_000, refreshMs: 500 },
    ] as const)('guard: $guard', ({ guard, leaseMs, refreshMs }) => {
      /** Less is left than they began with, by more than this test may be held up. */
      const untilCountedDown = async (): Promise<number> => {
        const whole = Math.max(...secondsLeft());
        const bound = whole - 2;
        await waitFor(() => secondsLeft().every((left) => left <= bound), 'less is left', PATIENCE_MS);
        return bound;
      };

      it('lets the kernel take them off soon after the lease, without nftables as soon as it can', async () => {
        await hold({ guard, leaseMs });
        const shortest = addressLifetimeSeconds(leaseMs);
        const left = secondsLeft();
        expect(left).toHaveLength(VIPS.length);
        for (const seconds of left) {
          expect(seconds).toBeLessThan(FOREVER_SECONDS);
          if (guard === 'address') expect(seconds).toBeLessThanOrEqual(shortest);
          // Each refresh may wait for a lock that the whole host shares: behind the guard there are few of them.
          else expect(seconds).toBeGreaterThan(shortest);
        }
      });

      it('gives them a whole lifetime again with a renewal now and then', async () => {
        await hold({ guard, leaseMs });
        const bound = await untilCountedDown();
        aheadMs += refreshMs;
        expect(holder.renew(lease())).toBe(true);
        for (const seconds of secondsLeft()) expect(seconds).toBeGreaterThan(bound);
        expect(holder.state().lifetimes).toMatchObject({ armed: true });
      });

      it('gives them none once the lease has run out', async () => {
        await hold({ guard, leaseMs });
        const bound = await untilCountedDown();
        aheadMs += LEASE_MS;
        holder.renew(now() - 1);
        for (const seconds of secondsLeft()) expect(seconds).toBeLessThanOrEqual(bound);
      });
    });

    describe('a guard that another hand takes away', () => {
      let owner: ChildProcess | undefined;
      afterEach(() => {
        owner?.kill('SIGKILL');
        owner = undefined;
      });

      /** In one transaction all tables go, and ours comes back as one that only that process may change (nft(8), flags owner). */
      const takeTables = (): void => {
        owner = spawn('nft', ['-i'], { stdio: ['pipe', 'ignore', 'ignore'] });
        owner.stdin?.write(`flush ruleset; add table inet ${TABLE} { flags owner; }\n`);
      };
      const untilLost = (): Promise<void> => waitFor(() => lost().length > 0, 'it is told', PATIENCE_MS);

      it('is built anew, and the VIPs go on', async () => {
        await hold();
        here('nft', 'flush', 'ruleset');
        await untilLost();
        expect(lost()).toEqual([{ type: 'vip-lost', address: 'guard', restored: true }]);
        expect(logged).toContainEqual(expect.stringContaining('it was built anew'));
        expect(holder.state().guard).toMatchObject({ armed: true });
        expect(secondsLeft()).toHaveLength(VIPS.length);
        expect([connecting(V4), connecting(V6)]).toEqual(['connected', 'connected']);
        expect(holder.renew(lease())).toBe(true);
      });

      it('is not opened again, and no VIP put back, where the lease has run out meanwhile', async () => {
        await hold();
        aheadMs += LEASE_MS;
        here('nft', 'flush', 'ruleset');
        await untilLost();
        expect(lost()).toEqual([expect.objectContaining({ restored: false })]);
        expect(secondsLeft()).toEqual([]);
        expect(ruleset()).toContain(TABLE);
        expect(holder.state().guard).toMatchObject({ armed: false });
      });

      it('and cannot be built anew costs the VIPs before anybody is told; it is told, and tried again', async () => {
        await hold();
        takeTables();
        await untilLost();
        const check = events.findIndex(({ type }) => type === 'check');
        expect(events[check]).toMatchObject({ name: 'guard', ok: false });
        expect(lost()).toEqual([expect.objectContaining({ restored: false })]);
        expect(onAtEvent.every((count) => count === 0)).toBe(true);
        expect(logged).toContainEqual(expect.stringMatching(/^error: the guard cannot be used/));
        expect(holder.state().guard).toMatchObject({ armed: false });
        expect(holder.renew(lease())).toBe(false);
        expect(secondsLeft()).toEqual([]);
        expect(await holder.off()).toMatchObject({ ok: true });

        owner?.kill('SIGKILL');
        events.length = 0;
        await waitFor(() => events.some((event) => event.type === 'check' && event.ok), 'it stands', PATIENCE_MS);
        expect(secondsLeft()).toEqual([]);
        expect(await holder.on(lease())).toMatchObject({ ok: true });
        expect(connecting(V4)).toBe('connected');
      });
    });

    it('does not renew what the kernel has shut already', async () => {
      await hold();
      expect(holder.renew(lease())).toBe(true);
      here('nft', 'flush', 'set', 'inet', TABLE, 'live4');
      expect(holder.renew(lease())).toBe(false);
      expect(connecting(V4)).toBe('silence');
      expect(connecting(V6)).toBe('silence');
    });

    describe('new clients', () => {
      it('are refused and let in again; where the kernel does not take it, it is told and tried again', async () => {
        await hold();
        holder.rejectNew(true);
        expect(connecting(V4)).toBe('refused');
        // Nothing of it is noticed here before this turn of the event loop is over: there are no such sets now.
        here('nft', 'flush', 'ruleset');
        holder.rejectNew(false);
        expect(holder.state().guard).toMatchObject({ armed: false, detail: expect.stringContaining('refused') });
        await waitFor(() => holder.state().guard.armed, 'the guard stands again and refuses nobody', PATIENCE_MS);
        expect(connecting(V4)).toBe('connected');

        here('nft', 'flush', 'ruleset');
        holder.rejectNew(true);
        await waitFor(() => connecting(V4) === 'refused' || connecting(V4), 'they are refused', PATIENCE_MS);
      });
    });
  });
});
