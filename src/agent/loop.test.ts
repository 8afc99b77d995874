import { afterEach, expect, it } from 'vitest';
import { CONFIG } from '../core/config.fixture.js';
import { newOwnership } from '../core/lease.js';
import { startNode } from '../core/start.js';
import type { NodeState } from '../core/state.js';
import type { Stepped } from '../core/step.js';
import { createLoop, type Loop, type Shell } from './loop.js';

let loop: Loop | null = null;
afterEach(() => loop?.stop());

const begin = (
  clock: { now: number },
  begun: Stepped = startNode(CONFIG, null, clock.now),
  more: Partial<Shell> = {},
): Loop => {
  const created = createLoop({
    now: () => clock.now,
    send: () => undefined,
    persist: () => Promise.resolve(),
    run: () => undefined,
    cancel: () => undefined,
    vipOff: () => new Promise(() => undefined),
    standbyVipOff: () => new Promise(() => undefined),
    standbyVipRenewed: () => true,
    renewed: () => true,
    journal: () => undefined,
    reply: () => undefined,
    settled: () => undefined,
    exit: () => undefined,
    broken: (error) => {
      throw error;
    },
    ...more,
  });
  loop = created;
  created.begin(begun);
  return created;
};

const link = (created: Loop): void => created.dispatch({ type: 'link', name: 'eth0', up: true });

it('counts a stall once, whatever event comes first after it', () => {
  const clock = { now: 10_000 };
  const created = begin(clock);
  clock.now += 40;
  link(created);
  expect(created.state()?.stalls.count).toBe(0);
  clock.now += 5_000;
  link(created);
  expect(created.state()?.stalls.count).toBe(1);
  expect(created.state()?.stalls.longestMs).toBeGreaterThan(4_000);
  link(created);
  expect(created.state()?.stalls.count).toBe(1);
});

/** What guards the VIP, and what guards the standby VIP. */
type Guarded = 'vip' | 'standby-vip';

/** An active that has both renews its lease by its witness's answer; one of its two guards may have shut already. */
const renewing = (shut: Guarded | null): { readonly asked: readonly string[]; readonly role: string | undefined } => {
  const clock = { now: 10_000 };
  const config = { ...CONFIG, standbyVip: { maxLagMs: 1_000 } };
  const { state: started } = startNode(config, null, clock.now);
  const owner = newOwnership(1, clock.now + config.leaseMs, 'no-owner');
  const standbyVip = started.standbyVip && ({ ...started.standbyVip, phase: 'held' } as const);
  const state: NodeState = { ...started, role: 'active', owner, standbyVip };
  const asked: string[] = [];
  let acknowledged = false;
  const renewed = (guarded: Guarded) => (): boolean => {
    asked.push(`renew ${guarded}`);
    return !acknowledged || guarded !== shut;
  };
  const off = (guarded: Guarded) => (): Promise<never> => {
    asked.push(`${guarded} off`);
    return new Promise(() => undefined);
  };
  const parts: Partial<Shell> = {
    renewed: renewed('vip'),
    standbyVipRenewed: renewed('standby-vip'),
    vipOff: off('vip'),
    standbyVipOff: off('standby-vip'),
    run: (_, step) => asked.push(step.name),
  };
  const created = begin(clock, { state, effects: [] }, parts);
  clock.now += config.intervalMs;
  created.dispatch({ type: 'tick' });
  acknowledged = true;
  asked.length = 0;
  const ack = { kind: 'ack', beat: created.state()?.beats.last ?? 0, term: 1, leaseMs: config.promiseMs } as const;
  created.dispatch({ type: 'message', from: 'w1', message: ack });
  return { asked, role: created.state()?.role };
};

it('hands a renewed lease to both guards, and goes on where they take it', () => {
  expect(renewing(null)).toEqual({ asked: ['renew vip', 'renew standby-vip'], role: 'active' });
});

it('fences at once where the guard had shut before the lease was renewed', () => {
  const { asked, role } = renewing('vip');
  expect(asked.slice(0, 3)).toEqual(['renew vip', 'renew standby-vip', 'vip off']);
  expect(asked).toContain('database-fence');
  expect(role).toBe('fencing');
});

it('gives up the standby VIP alone where only its guard had shut', () => {
  const asked = ['renew vip', 'renew standby-vip', 'standby-vip off'];
  expect(renewing('standby-vip')).toEqual({ asked, role: 'active' });
});
