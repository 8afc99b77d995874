/** The watch over the standby VIP, told of made-up frames and packets. */

import { describe, expect, it } from 'vitest';
import { beatOf } from '../../src/core/beat.fixture.js';
import type { Message } from '../../src/core/message.js';
import { createStandbyVipWatch, type StandbyVipWatch } from './standby-vip-watch.js';
import type { NodeName } from './topology.js';

const LEASE_MS = 300;

const beat = (number: number, owner: boolean, standbyVip: boolean): Message =>
  beatOf({ beat: number, role: owner ? 'active' : 'standby', owner, leaseMs: LEASE_MS, readOnly: !owner, standbyVip });

const says = (watch: StandbyVipWatch, sender: NodeName, atMs: number, message: Message): void =>
  watch.frame({ atMs, sender, addressee: sender === 'db1' ? 'db2' : 'db1', direction: 'in', message });

const granted = (watch: StandbyVipWatch, atMs: number, number: number): void => {
  const message: Message = { kind: 'grant', beat: number, term: 1, leaseMs: LEASE_MS };
  watch.frame({ atMs, sender: 'db1', addressee: 'db2', direction: 'out', message });
};

const packets = (watch: StandbyVipWatch, node: NodeName, atMs: number): void => {
  watch.packet({ atMs, node, text: 'protocol 1 10.99.0.101 > 10.99.0.10' });
  watch.packet({ atMs, node, text: 'protocol 58 fd99::101 > fd99::10' });
};

/** db1 owns; db2 has asked at 1000 and been granted. What was sent before anything was known is not judged. */
const begun = (): StandbyVipWatch => {
  const watch = createStandbyVipWatch();
  packets(watch, 'db2', 400);
  says(watch, 'db1', 500, beat(1, true, true));
  packets(watch, 'db1', 950);
  says(watch, 'db2', 1_000, beat(7, false, true));
  granted(watch, 1_100, 7);
  return watch;
};

describe('the watch over the standby VIP', () => {
  it('finds nothing in a move to the standby and back', () => {
    const watch = begun();
    packets(watch, 'db2', 1_290);
    packets(watch, 'db1', 1_310);
    expect(watch.report()).toEqual({ problems: [], judged: 6, changes: 2 });
  });

  it('counts a grant from when its BEAT was sent first, resent or not', () => {
    const watch = begun();
    says(watch, 'db2', 1_150, beat(7, false, true));
    granted(watch, 1_160, 7);
    packets(watch, 'db2', 1_350);
    expect(watch.report().problems[0]).toContain('53.0 ms after its grant had run out');
  });

  it('finds an owner that does not wait', () => {
    const watch = begun();
    packets(watch, 'db1', 1_250);
    expect(watch.report().problems[0]).toContain('db1 sent protocol 1 10.99.0.101 > 10.99.0.10: while it is granted');
  });

  it('lets the owner take what was given back, and a late grant change nothing', () => {
    const watch = begun();
    says(watch, 'db2', 1_200, beat(8, false, false));
    packets(watch, 'db1', 1_210);
    granted(watch, 1_220, 7);
    packets(watch, 'db1', 1_230);
    expect(watch.report().problems).toEqual([]);
    packets(watch, 'db2', 1_240);
    expect(watch.report().problems[0]).toContain('granted to nobody');
  });

  it('has seen both families', () => {
    const watch = begun();
    expect(createStandbyVipWatch().report().problems).toEqual(['the standby VIP was seen over nothing only']);
    expect(watch.report().problems).toEqual([]);
  });
});
