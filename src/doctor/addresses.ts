/** Checks of interfaces and addresses: what carries the VIP, and the kernel's settings that would break it. */

import { readFileSync } from 'node:fs';
import type { VipConfig, VipdConfig } from '../config/types.js';
import { addressBytes, canonicalAddress, sameSubnet } from '../net/address.js';
import {
  type Interface,
  type InterfaceAddress,
  listAddresses,
  listInterfaces,
  lookupMac,
  withRouteChannel,
} from '../net/interfaces.js';
import { probeForStranger } from '../net/stranger.js';
import { type Finding, fault, messageOf, ok, skipped, warning } from './finding.js';
import type { ReadSetting, Subject } from './subject.js';

/** Of this host, as the kernel tells it. */
export interface HostNetwork {
  readonly links: readonly Interface[];
  readonly addresses: readonly InterfaceAddress[];
  /** Interfaces with an IPv4 default route. */
  readonly defaultRoutes: readonly string[];
  readonly setting: ReadSetting;
}

/** The smallest that IPv6 allows (RFC 8200, section 5); a heartbeat has up to 1,200 bytes beside its headers. */
const MIN_MTU = 1_280;

export const readHostNetwork = (): HostNetwork => ({
  ...withRouteChannel('looking at interfaces and addresses', (channel) => ({
    links: listInterfaces(channel),
    addresses: listAddresses(channel),
  })),
  defaultRoutes: defaultRoutes(),
  setting: (name) => {
    try {
      return readFileSync(`/proc/sys/net/${name}`, 'utf8').trim();
    } catch {
      return null;
    }
  },
});

/** proc_net(5), /proc/net/route: name, destination, gateway and so on, in hexadecimal. */
const defaultRoutes = (): readonly string[] => {
  try {
    const lines = readFileSync('/proc/self/net/route', 'utf8').split('\n').slice(1);
    return lines.flatMap((line) => {
      const [name = '', destination, , , , , , mask] = line.split('\t');
      return destination === '00000000' && mask === '00000000' ? [name] : [];
    });
  } catch {
    return [];
  }
};

export const checkOwnAddress = ({ self }: VipdConfig, { addresses }: HostNetwork): readonly Finding[] => {
  const tried = `looked for ${self.address}, the address of ${self.name}, on this host`;
  const wanted = canonicalAddress(self.address);
  if (addresses.some(({ address }) => address === wanted)) return [ok('own-address', tried, 'it is there')];
  return [
    fault(
      'own-address',
      tried,
      'no interface has it',
      'correct nodes or node in the configuration, or bring the address up',
    ),
  ];
};

/** For each VIP: its link, its prefix length, and what the kernel does with packets for it. Pure. */
export const checkVip = (vip: VipConfig, host: HostNetwork): readonly Finding[] => {
  const link = host.links.find(({ name }) => name === vip.interface);
  const tried = `looked at ${vip.interface}, which is to carry ${vip.address}`;
  if (link === undefined) {
    const there = host.links.map(({ name }) => name).join(', ');
    return [
      fault(
        'interface',
        tried,
        `there is no such interface (there are: ${there})`,
        'correct vip.interface, or bring it up',
      ),
    ];
  }
  return [
    link.up
      ? ok('interface', tried, 'it is up')
      : fault('interface', tried, 'it is down, or its cable is out', 'bring it up; this node is unfit meanwhile'),
    checkPrefix(vip, link, host),
    checkMtu(link),
    ...(vip.family === 4 ? checkIpv4Settings(vip, host) : checkIpv6Settings(vip, host)),
  ];
};

const checkPrefix = (vip: VipConfig, link: Interface, { addresses }: HostNetwork): Finding => {
  const bytes = addressBytes(vip.address);
  const tried = `compared ${vip.address}/${vip.prefixLength} with the host's addresses on ${vip.interface}`;
  const own = addresses.filter(
    (one) => one.interfaceIndex === link.index && one.address !== canonicalAddress(vip.address),
  );
  const near = own.find((one) =>
    sameSubnet(addressBytes(one.address), bytes, Math.min(one.prefixLength, vip.prefixLength)),
  );
  if (near === undefined) {
    const found =
      own.length === 0
        ? 'the interface has no address'
        : `none of ${own.map((one) => one.address).join(', ')} is in its network`;
    return warning(
      'netmask',
      tried,
      found,
      'that works only where the network routes the VIP to this link; else correct vip.address',
    );
  }
  if (near.prefixLength === vip.prefixLength || vip.prefixLength === bytes.length * 8)
    return ok('netmask', tried, `as ${near.address}/${near.prefixLength}`);
  return fault(
    'netmask',
    tried,
    `the host has ${near.address}/${near.prefixLength} there`,
    `write ${vip.address}/${near.prefixLength}: with another length the VIP brings a route of its own, and hosts outside of it are not reached`,
  );
};

const checkMtu = ({ name, mtu }: Interface): Finding => {
  const tried = `read the MTU of ${name}`;
  if (mtu === null) return skipped('mtu', tried, 'the kernel does not tell it');
  if (mtu >= MIN_MTU) return ok('mtu', tried, String(mtu));
  return fault(
    'mtu',
    tried,
    `it is ${mtu}, and heartbeats need ${MIN_MTU}`,
    `ip link set ${name} mtu 1500, on every host of this network`,
  );
};

const STRICT = 1;

/** ip-sysctl: of rp_filter and arp_ignore the larger of `all` and the interface's own counts. */
const effective = (setting: ReadSetting, name: string, key: string): number =>
  Math.max(...['all', name].map((scope) => Number(setting(`ipv4/conf/${scope}/${key}`) ?? 0)));

const checkIpv4Settings = (vip: VipConfig, { setting, defaultRoutes: routes }: HostNetwork): readonly Finding[] => {
  const { interface: name } = vip;
  const ignore = effective(setting, name, 'arp_ignore');
  const tried = `read net.ipv4.conf.${name} (and all)`;
  // 8: answers for no local address. 2: only to askers in the address's own network, of which /32 has none.
  const mute = ignore === 8 || (ignore === 2 && vip.prefixLength === 32);
  const arp = mute
    ? fault(
        'arp-ignore',
        tried,
        `arp_ignore is ${ignore}: nobody gets an answer who asks for ${vip.address}`,
        `sysctl -w net.ipv4.conf.${name}.arp_ignore=0 (or all)`,
      )
    : ok('arp-ignore', tried, `arp_ignore is ${ignore}`);
  const filter = effective(setting, name, 'rp_filter');
  const elsewhere = routes.length > 0 && !routes.includes(name);
  const path =
    filter === STRICT && elsewhere
      ? fault(
          'rp-filter',
          tried,
          `rp_filter is 1 (strict), and the default route goes by ${routes.join(', ')}: what clients from beyond the router send to ${vip.address} is dropped`,
          `sysctl -w net.ipv4.conf.${name}.rp_filter=2 (and all, if that is 1), or a default route by ${name}`,
        )
      : ok('rp-filter', tried, `rp_filter is ${filter}`);
  return [arp, path];
};

const checkIpv6Settings = ({ interface: name, address }: VipConfig, { setting }: HostNetwork): readonly Finding[] => {
  const off = ['all', name].filter((scope) => setting(`ipv6/conf/${scope}/disable_ipv6`) === '1');
  const tried = `read net.ipv6.conf.${name}.disable_ipv6 (and all)`;
  if (off.length === 0) return [ok('ipv6', tried, 'IPv6 is on')];
  return [
    fault(
      'ipv6',
      tried,
      `IPv6 is off, so ${address} cannot be put on`,
      `sysctl -w net.ipv6.conf.${name}.disable_ipv6=0`,
    ),
  ];
};

const LISTEN_MS = 100;
const now = (): number => performance.now();

/** Those of the active, and those of the standby. */
export const allVips = ({ vips, standbyVip }: VipdConfig): VipdConfig['vips'] => [...vips, ...(standbyVip?.vips ?? [])];

/** Who answers for the VIPs: the active, or nobody while there is none. */
export const checkHolders = async ({ config, status }: Subject, host: HostNetwork): Promise<readonly Finding[]> => {
  const vips = allVips(config).filter((vip) => host.links.some((link) => link.name === vip.interface && link.up));
  const tried = 'asked the link who has the VIP';
  if (vips.length === 0) return [skipped('stranger', tried, 'none of its interfaces is up')];
  try {
    const peers = await Promise.all(
      [...new Set(vips.map((vip) => vip.interface))].map((name) => lookupMac(config.peer.address, name)),
    );
    const result = await probeForStranger(vips, {
      timeoutMs: LISTEN_MS,
      peerMacs: peers.filter((mac) => mac !== null),
      now,
    });
    const answers = result.kind === 'nobody' ? [] : result.answers;
    const stranger = answers.find(({ from }) => from === 'stranger');
    if (stranger !== undefined) {
      const found = `${stranger.mac}, which is not ${config.peer.name}, answers for ${stranger.address}`;
      return [
        fault('stranger', tried, found, 'find that host (keepalived still running?) and take the address off there'),
      ];
    }
    // Either node may have the standby VIP.
    const claimed = answers.find(({ address }) => config.vips.some((vip) => vip.address === address));
    const peerActive = status?.active === config.peer.name;
    if (status?.active === config.self.name && claimed !== undefined) {
      const found = `${config.peer.name} answers for ${claimed.address}, though this node is active`;
      return [
        fault('stranger', tried, found, `take the address off on ${config.peer.name}; see "vipctl status" there`),
      ];
    }
    return [
      ok(
        'stranger',
        tried,
        claimed !== undefined ? `${config.peer.name}${peerActive ? ', which is active' : ''}` : 'no other host',
      ),
    ];
  } catch (cause) {
    return [skipped('stranger', tried, messageOf(cause))];
  }
};

/** Each gateway answers on the link of the first VIP, which is where the agent asks. */
export const checkGateways = async ({ config }: Subject, host: HostNetwork): Promise<readonly Finding[]> => {
  const link = config.vips.find((vip) => host.links.some((one) => one.name === vip.interface && one.up));
  return Promise.all(
    config.gateways.map(async ({ address, family }): Promise<Finding> => {
      const tried = `asked for the gateway ${address} on ${link?.interface ?? 'the VIP’s link'}`;
      if (link === undefined) return skipped('gateway', tried, 'no such link is up');
      try {
        const target = { address, family, prefixLength: family === 4 ? 32 : 128, interface: link.interface };
        const result = await probeForStranger([target], { timeoutMs: LISTEN_MS, peerMacs: [], now });
        if (result.kind === 'answered') return ok('gateway', tried, 'it answers');
        const remedy = 'name gateways on the network of the VIP that answer ARP or neighbour solicitation';
        return config.witnesses.length > 0
          ? warning('gateway', tried, 'it does not answer', remedy)
          : fault(
              'gateway',
              tried,
              'it does not answer',
              `${remedy}: without a witness this node would take itself for cut off`,
            );
      } catch (cause) {
        return skipped('gateway', tried, messageOf(cause));
      }
    }),
  );
};
