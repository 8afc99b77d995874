import { describe, expect, test } from 'vitest';
import type { Vip } from './address.js';
import { guardRules, guardTable, standbyGuard } from './guard-rules.js';

const V4: Vip = { address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' };
const V6: Vip = { address: 'FD99::0:100', prefixLength: 64, family: 6, interface: 'eth0' };

describe('the guard’s transactions', () => {
  test('a group names its tables, in letters that nft takes and no other group shares', () => {
    expect(guardTable('orders')).toBe('vipd_orders');
    expect(guardTable('web-1.eu')).toBe('vipd_web_2d_1_2e_eu');
    expect(guardTable('a-b')).not.toBe(guardTable('a.b'));
    expect(guardTable(standbyGuard('orders'))).toBe('vipd_orders_2f_standby');
    expect(() => guardTable('')).toThrow();
    expect(() => guardTable('x'.repeat(81))).toThrow();
  });

  test('what is opened runs out by itself, in each family and for ARP', () => {
    expect(guardRules('g', [V4, V6]).open(290).split('\n').slice(-3)).toEqual([
      'add element inet vipd_g live4 { 10.99.0.100 timeout 290ms }',
      'add element arp vipd_g live4 { 10.99.0.100 timeout 290ms }',
      'add element inet vipd_g live6 { fd99::100 timeout 290ms }',
    ]);
  });

  test('a family without a VIP has no elements, which nft would refuse', () => {
    const rules = guardRules('g', [V4]);
    for (const text of [rules.install, rules.open(1)]) {
      expect(text).not.toMatch(/\{\s*\}/);
      expect(text).not.toContain('element inet vipd_g live6');
    }
    for (const set of [...rules.timed, ...rules.refused]) expect(set.elements).toEqual(['10.99.0.100']);
  });
});
