import { describe, expect, it } from 'vitest';
import type { Vip } from '../net/address.js';
import { createVipProbe } from './probe.js';

const VIP: Vip = { address: '192.0.2.100', family: 4, prefixLength: 24, interface: 'eth0' };

/** A probe on a link on which only those that `holders` names answer. */
const probeOn = (holders: { peer: boolean; stranger: boolean }) => {
  let now = 1_000;
  let vips: readonly Vip[] = [VIP];
  let searches = 0;
  const probe = createVipProbe({
    vips: () => vips,
    now: () => now,
    link: {
      find: async () => (holders.stranger ? 'unknown' : holders.peer ? 'peer' : 'nobody'),
      nobody: async () => {
        searches += 1;
        return { ok: !holders.peer && !holders.stranger, detail: '' };
      },
    },
  });
  return {
    probe,
    searches: () => searches,
    wait: (ms: number) => {
      now += ms;
    },
    change: () => {
      vips = [{ ...VIP, address: '192.0.2.101' }];
    },
  };
};

describe('a probe that asked ahead, while the peer held the VIP', () => {
  it('need not listen again once the peer has given it up', async () => {
    const { probe, searches, wait } = probeOn({ peer: true, stranger: false });
    probe.askAhead();
    wait(100);
    expect((await probe.ask(true)).ok).toBe(true);
    expect(searches()).toBe(0);
  });

  it('listens for the peer again where it answered and its word is not there', async () => {
    const { probe, searches } = probeOn({ peer: true, stranger: false });
    probe.askAhead();
    expect((await probe.ask(false)).ok).toBe(false);
    expect(searches()).toBe(1);
  });

  it('need not listen again where nobody answered at all, unless the peer was heard since', async () => {
    const { probe, searches } = probeOn({ peer: false, stranger: false });
    probe.askAhead();
    expect((await probe.ask(false)).ok).toBe(true);
    expect(searches()).toBe(0);
    probe.askAhead();
    probe.forget();
    expect((await probe.ask(false)).ok).toBe(true);
    expect(searches()).toBe(1);
  });

  it('listens again where a stranger answered, and names it then', async () => {
    const { probe, searches } = probeOn({ peer: false, stranger: true });
    probe.askAhead();
    expect((await probe.ask(true)).ok).toBe(false);
    expect(searches()).toBe(1);
  });

  it('is believed once only, not for long, and for the same VIPs', async () => {
    const { probe, searches, wait, change } = probeOn({ peer: false, stranger: false });
    probe.askAhead();
    await probe.ask(true);
    await probe.ask(true);
    expect(searches()).toBe(1);
    probe.askAhead();
    wait(2_000);
    await probe.ask(true);
    expect(searches()).toBe(2);
    probe.askAhead();
    change();
    await probe.ask(true);
    expect(searches()).toBe(3);
  });
});
