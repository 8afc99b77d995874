import { describe, expect, it } from 'vitest';
import type { VipConfig } from '../config/types.js';
import { checkVip, type HostNetwork } from './addresses.js';

const VIP4: VipConfig = { address: '10.99.0.100', family: 4, prefixLength: 24, interface: 'eth0' };
const VIP6: VipConfig = { address: 'fd99::100', family: 6, prefixLength: 64, interface: 'eth0' };
const address = (text: string, prefixLength: number) => ({
  address: text,
  prefixLength,
  interfaceIndex: 2,
  secondary: false,
  tentative: false,
  duplicate: false,
  validSeconds: null,
});
const host = (
  more: Partial<HostNetwork> & { readonly settings?: Readonly<Record<string, string>> } = {},
): HostNetwork => ({
  links: [{ index: 2, name: 'eth0', mac: '02:99:00:00:00:01', up: true, mtu: 1500 }],
  addresses: [address('10.99.0.1', 24), address('fd99::1', 64)],
  defaultRoutes: ['eth0'],
  setting: (name) => more.settings?.[name] ?? '0',
  ...more,
});
const wrong = (vip: VipConfig, network: HostNetwork): readonly string[] =>
  checkVip(vip, network)
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ check }) => check);

describe('a VIP on a sound host', () => {
  it.each([VIP4, VIP6, { ...VIP4, prefixLength: 32 }, { ...VIP6, prefixLength: 128 }])(
    '$address/$prefixLength has nothing wrong',
    (vip) => {
      expect(wrong(vip, host())).toEqual([]);
    },
  );

  it('is not disturbed by settings that do no harm', () => {
    const settings = { 'ipv4/conf/all/rp_filter': '1', 'ipv4/conf/eth0/arp_ignore': '1' };
    expect(wrong(VIP4, host({ settings }))).toEqual([]);
    expect(wrong(VIP4, host({ settings: { 'ipv4/conf/eth0/rp_filter': '2' }, defaultRoutes: ['eth1'] }))).toEqual([]);
  });
});

describe('a VIP that would not work', () => {
  const [link] = host().links;
  it.each([
    ['interface', VIP4, host({ links: [] })],
    ['interface', VIP4, host({ links: [{ index: 2, name: 'eth0', mac: null, up: false, mtu: 1500 }] })],
    ['netmask', { ...VIP4, prefixLength: 25 }, host()],
    ['netmask', { ...VIP4, address: '192.0.2.9' }, host()],
    ['netmask', { ...VIP6, prefixLength: 48 }, host()],
    ['mtu', VIP4, host({ links: link ? [{ ...link, mtu: 576 }] : [] })],
    ['arp-ignore', VIP4, host({ settings: { 'ipv4/conf/all/arp_ignore': '8' } })],
    ['arp-ignore', { ...VIP4, prefixLength: 32 }, host({ settings: { 'ipv4/conf/eth0/arp_ignore': '2' } })],
    ['rp-filter', VIP4, host({ settings: { 'ipv4/conf/all/rp_filter': '1' }, defaultRoutes: ['eth1'] })],
    ['ipv6', VIP6, host({ settings: { 'ipv6/conf/eth0/disable_ipv6': '1' } })],
  ] as const)('%s is named', (cause, vip, network) => {
    expect(wrong(vip, network)).toEqual([cause]);
  });
});
