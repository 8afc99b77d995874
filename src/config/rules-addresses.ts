/** Rules on addresses: none is used for two things, each can be a host's, and those that talk are of one family. */

import {
  type Address,
  type AddressWithPrefix,
  isLinkLocal,
  isLoopback,
  networkOrBroadcast,
  unusable,
} from './address.js';
import { type Path, type Problem, renderPath, wrongAt } from './problem.js';
import type { VipdFile } from './schema.js';

interface Use {
  readonly path: Path;
  readonly address: Address;
}

/** `self` is this node's name. */
export const checkAddresses = (file: Partial<VipdFile>, self: string): readonly Problem[] => {
  const members = [...nodeUses(file), ...witnessUses(file)];
  const vips = vipUses(file);
  const others = [...pathUses(file), ...gatewayUses(file)];
  return [
    ...[...members, ...vips, ...others].flatMap(checkUsable),
    ...vips.flatMap(checkVip),
    ...checkRepeated([...members, ...pathUses(file), ...vips], []),
    ...checkRepeated(gatewayUses(file), [...nodeUses(file), ...vips]),
    ...checkFamily(members),
    ...pathFamilies(file),
    ...checkDatabaseHost(file, self, vips),
  ];
};

const nodeUses = ({ nodes }: Partial<VipdFile>): readonly Use[] =>
  Object.entries(nodes ?? {}).map(([name, { address }]) => ({ path: ['nodes', name, 'address'], address }));

const witnessUses = ({ witnesses }: Partial<VipdFile>): readonly Use[] =>
  (witnesses ?? []).map(({ address }, index) => ({ path: ['witnesses', index, 'address'], address }));

const pathUses = ({ heartbeat }: Partial<VipdFile>): readonly Use[] =>
  (heartbeat?.paths ?? []).flatMap((path, index) =>
    Object.entries(path).map(([name, address]) => ({ path: ['heartbeat', 'paths', index, name], address })),
  );

const gatewayUses = ({ gateways }: Partial<VipdFile>): readonly Use[] =>
  (gateways ?? []).map((address, index) => ({ path: ['gateways', index], address }));

interface VipUse extends Use {
  readonly address: AddressWithPrefix;
}

const vipUses = ({ vip, standby_vip: standby }: Partial<VipdFile>): readonly VipUse[] => [
  ...(vip ?? []).map(({ address }, index) => ({ path: ['vip', index, 'address'], address })),
  ...(standby?.addresses ?? []).map((address, index) => ({ path: ['standby_vip', 'addresses', index], address })),
];

const checkUsable = ({ path, address }: Use): readonly Problem[] => {
  const why = unusable(address);
  if (why !== null) return [wrongAt(path, `${address.address} is ${why}`, "write one host's own address")];
  // A link-local address means nothing without its link, which no key here names.
  if (!isLinkLocal(address)) return [];
  return [wrongAt(path, `${address.address} is a link-local address`, 'write one that is valid beyond its link')];
};

const checkVip = ({ path, address }: VipUse): readonly Problem[] => {
  const text = `${address.address}/${address.prefixLength}`;
  if (isLoopback(address)) {
    return [
      wrongAt(
        path,
        `${text} is a loopback address, which no client reaches`,
        "write an address of the clients' network",
      ),
    ];
  }
  const kind = networkOrBroadcast(address);
  if (kind === null) return [];
  return [
    wrongAt(path, `${text} is the ${kind} address of its network`, 'write an address between the first and the last'),
  ];
};

/** Each address that another use has before it; `taken` are uses that are judged elsewhere. */
const checkRepeated = (uses: readonly Use[], taken: readonly Use[]): readonly Problem[] =>
  uses.flatMap(({ path, address }, index) => {
    const earlier = [...taken, ...uses.slice(0, index)].find((use) => use.address.address === address.address);
    if (earlier === undefined) return [];
    const why = `${address.address} is also the address of ${renderPath(earlier.path)}`;
    return [wrongAt(path, why, 'give each its own address')];
  });

/** One socket carries the heartbeats to all members, and a socket is of one family. */
const checkFamily = ([first, ...others]: readonly Use[]): readonly Problem[] =>
  others.flatMap(({ path, address }) => {
    if (first === undefined || address.family === first.address.family) return [];
    const why = `${address.address} is IPv${address.family}, but ${renderPath(first.path)} is IPv${first.address.family}`;
    return [wrongAt(path, why, 'write addresses of one family; VIPs may be of either')];
  });

const pathFamilies = (file: Partial<VipdFile>): readonly Problem[] => {
  const uses = pathUses(file);
  const paths = file.heartbeat?.paths ?? [];
  return paths.flatMap((_, index) => checkFamily(uses.filter(({ path }) => path[2] === index)));
};

/** The database asked must be the one on this host, whoever holds the VIP. */
const checkDatabaseHost = (
  { mysql, nodes }: Partial<VipdFile>,
  self: string,
  vips: readonly Use[],
): readonly Problem[] => {
  const host = mysql?.host;
  if (host === undefined) return [];
  const vip = vips.find(({ address }) => address.address === host.address);
  if (vip !== undefined) {
    const why = `${host.address} is the VIP ${renderPath(vip.path)}, behind which either server may be`;
    return [wrongAt(['mysql', 'host'], why, 'write 127.0.0.1, or use the socket')];
  }
  const other = Object.entries(nodes ?? {}).find(
    ([name, { address }]) => name !== self && address.address === host.address,
  );
  if (other === undefined) return [];
  return [
    wrongAt(
      ['mysql', 'host'],
      `${host.address} is the address of the other node, ${other[0]}`,
      'write 127.0.0.1, or use the socket',
    ),
  ];
};
