/** The lab's network: hosts as network and UTS namespaces, joined by a bridge that has a namespace of its own. */

import { run } from './command.js';

export type NodeName = 'db1' | 'db2';

/** `pin1` and `pin2` know the VIPs at the hardware address of db1 or db2 for good; `stranger` is in no group. */
export type HostName = NodeName | 'w1' | 'client' | 'pin1' | 'pin2' | 'stranger';

/** `switch` holds the bridge, which has the gateway's address. */
export type Place = HostName | 'switch';

interface HostAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

const numbered = (n: number): HostAddresses => ({
  ipv4: `10.99.0.${n}`,
  ipv6: `fd99::${n}`,
  mac: `02:99:00:00:00:${String(n).padStart(2, '0')}`,
});

export const ADDRESSES = {
  db1: numbered(1),
  db2: numbered(2),
  w1: numbered(3),
  client: numbered(10),
  pin1: numbered(11),
  pin2: numbered(12),
  stranger: numbered(13),
} as const satisfies Record<HostName, HostAddresses>;

export const HOSTS = Object.keys(ADDRESSES) as readonly HostName[];
export const NODES = ['db1', 'db2'] as const satisfies readonly NodeName[];

export const GATEWAY = '10.99.0.254';
export const SWITCH_MAC = '02:99:00:00:00:fe';
export const VIP4 = '10.99.0.100';
export const VIP6 = 'fd99::100';
export const STANDBY_VIP4 = '10.99.0.101';
export const STANDBY_VIP6 = 'fd99::101';
/** As ip-address(8) and vipd.yaml write an address of the lab's network. */
export const withPrefix = (address: string): string => `${address}/${address.includes(':') ? 64 : 24}`;

/** The crossover cable, on demand. */
export const SECOND_PATH = { db1: '192.168.99.1', db2: '192.168.99.2' } as const satisfies Record<NodeName, string>;

export interface TopologyOptions {
  readonly secondPath: boolean;
}

const netns = (place: Place): string => `/run/netns/${place}`;
const uts = (place: Place): string => `/run/uts/${place}`;

/** Put before a command, makes it run on that host. Each part execs, so the process keeps its id. */
export const on = (place: Place): readonly string[] => [
  'nsenter',
  `--net=${netns(place)}`,
  `--uts=${uts(place)}`,
  '--',
];

const ip = (place: Place, lines: readonly string[]): Promise<string> =>
  run(['ip', '-n', place, '-batch', '-'], { input: `${lines.join('\n')}\n` });

const makePlace = async (place: Place): Promise<void> => {
  await run(['ip', 'netns', 'add', place]);
  await run(['touch', uts(place)]);
  await run(['unshare', `--uts=${uts(place)}`, 'hostname', place]);
  await ip(place, ['link set lo up']);
};

const removePlace = async (place: Place): Promise<void> => {
  await run(['umount', uts(place)]);
  await run(['ip', 'netns', 'del', place]);
};

/** The switch with the gateway's address; no spanning tree, so that a port forwards as soon as it is up. */
const makeSwitch = async (options: TopologyOptions): Promise<void> => {
  await makePlace('switch');
  const bridges = options.secondPath ? ['br0', 'br1'] : ['br0'];
  await ip('switch', [
    ...bridges.flatMap((bridge) => [
      `link add name ${bridge} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
      `link set ${bridge} up`,
    ]),
    `link set br0 address ${SWITCH_MAC}`,
    `address add ${GATEWAY}/24 dev br0`,
  ]);
};

/** A host with its cable in the switch; also after `removeHost`, as new as a machine that was switched on. */
export const addHost = async (host: HostName, options: TopologyOptions): Promise<void> => {
  const { ipv4, ipv6, mac } = ADDRESSES[host];
  await makePlace(host);
  await ip('switch', [
    `link add name ${host} type veth peer name eth0 address ${mac} netns ${host}`,
    `link set ${host} master br0 up`,
  ]);
  await ip(host, [
    'link set eth0 up',
    `address add ${ipv4}/24 dev eth0`,
    `address add ${ipv6}/64 dev eth0 nodad`,
    `route add default via ${GATEWAY}`,
  ]);
  if (hasSecondPath(host, options)) await addSecondPath(host);
  if (host === 'pin1' || host === 'pin2') await pinTo(host, host === 'pin1' ? 'db1' : 'db2');
  if (host === 'client') await reusePorts(host);
};

const hasSecondPath = (host: HostName, options: TopologyOptions): host is NodeName =>
  options.secondPath && (host === 'db1' || host === 'db2');

const addSecondPath = async (node: NodeName): Promise<void> => {
  await ip('switch', [
    `link add name ${node}-x type veth peer name eth1 netns ${node}`,
    `link set ${node}-x master br1 up`,
  ]);
  await ip(node, ['link set eth1 up', `address add ${SECOND_PATH[node]}/24 dev eth1`]);
};

/** Announcements do not move a permanent neighbour: such a host goes on talking to one node, whoever has the VIP. */
const pinTo = async (host: HostName, node: NodeName): Promise<void> => {
  const { mac } = ADDRESSES[node];
  await ip(
    host,
    [VIP4, VIP6, STANDBY_VIP4, STANDBY_VIP6].map(
      (vip) => `neighbour replace ${vip} lladdr ${mac} dev eth0 nud permanent`,
    ),
  );
};

/** The load opens hundreds of connections a second, and closed ones linger for a minute (ip-sysctl, tcp_tw_reuse). */
const reusePorts = async (host: HostName): Promise<void> => {
  await run([...on(host), 'sysctl', '-qw', 'net.ipv4.ip_local_port_range=1024 65535', 'net.ipv4.tcp_tw_reuse=1']);
};

/** Gone at once, without a last packet: its port first, then all it had. Its processes must be dead. */
export const removeHost = async (host: HostName, options: TopologyOptions): Promise<void> => {
  // The kernel ends a namespace some time after its removal, and the cables' other ends with it: not to be waited for.
  const ports = hasSecondPath(host, options) ? [host, `${host}-x`] : [host];
  await ip(
    'switch',
    ports.map((port) => `link delete ${port}`),
  );
  await removePlace(host);
};

export const buildTopology = async (options: TopologyOptions): Promise<void> => {
  await makeSwitch(options);
  await Promise.all(HOSTS.map((host) => addHost(host, options)));
};

export const removeTopology = async (): Promise<void> => {
  const there = (await run(['ip', 'netns', 'list'])).split('\n').map((line) => line.split(' ')[0]);
  for (const place of [...HOSTS, 'switch'] as const) if (there.includes(place)) await removePlace(place);
};

/** Pull or plug a host's cable: the host sees its carrier go or come. */
export const setCable = async (host: HostName, plugged: boolean): Promise<void> => {
  await ip('switch', [`link set ${host} ${plugged ? 'up' : 'down'}`]);
};

/** Addresses on a host's first interface, as the kernel has them. */
export const addressesOf = async (host: HostName): Promise<readonly string[]> => {
  const shown = await run(['ip', '-n', host, '-json', 'address', 'show', 'dev', 'eth0']);
  const links = JSON.parse(shown) as ReadonlyArray<{ readonly addr_info?: ReadonlyArray<{ readonly local?: string }> }>;
  return links
    .flatMap((link) => link.addr_info ?? [])
    .flatMap((info) => (info.local === undefined ? [] : [info.local]));
};
