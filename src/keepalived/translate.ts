/** What two hosts' view of a keepalived.conf comes to as a draft of vipd.yaml. */

import { parseAddress, parseAddressWithPrefix } from '../config/address.js';
import { formatDuration } from '../config/duration.js';
import { draftChecks } from './checks.js';
import { nameFor } from './commands.js';
import { type Draft, FILL_IN, type NodeDraft, type VipDraft, type WitnessDraft } from './draft.js';
import { draftHooks } from './hooks.js';
import type { Notes } from './notes.js';
import { childrenOf, entriesOf, type Instance, last, type Settings, textOf } from './settings.js';
import { type Directive, refuse } from './source.js';

/** A node as far as the operator named it. */
export interface NodeOption {
  readonly name: string;
  readonly address: string | null;
}

export interface TranslateInput {
  readonly settings: Settings;
  /** The file as it holds on the other host; null where it does not say. */
  readonly peerSettings: Settings | null;
  readonly path: string;
  readonly node: NodeOption;
  readonly peer: NodeOption | null;
  readonly witness: WitnessDraft | null;
  readonly gateway: string | null;
  /** Names of the instances to import; empty: all. */
  readonly instances: readonly string[];
  readonly addressesOf: (link: string) => readonly string[];
  readonly findProgram: (name: string) => string | null;
  readonly notes: Notes;
}

/** keepalived's own default (keepalived.conf(5), default_interface). */
const DEFAULT_LINK = 'eth0';
/** 255 means "address owner" in VRRP; vipd has no such thing, and 254 is its most. */
const MAX_PRIORITY = 254;
const MAX_GROUP_NAME = 63;
/** vipd's own interval; a shorter advert_int is kept. */
const INTERVAL_MS = 100;
const MIN_INTERVAL_MS = 10;
/** Fewer would let the guard shut between two heartbeats (src/config/timing.ts). */
const MIN_DEAD_AFTER = 3;

/** Throws UnreadableError. */
export const translate = (input: TranslateInput): Draft => {
  const { settings, notes } = input;
  const chosen = chooseInstances(input);
  const [first] = chosen;
  const todo: string[] = [];
  const vips = draftVips(chosen, input, todo);
  const nodes = draftNodes(chosen, vips, input, todo);
  const syncGroups = settings.syncGroups.filter((group) =>
    membersOf(group).some((name) => chosen.some((instance) => instance.name === name)),
  );
  const trackers = [...chosen.map(({ directive }) => directive), ...syncGroups];
  const vipLinks = vips.map((vip) => vip.interface);
  const group = nameFor(first.name, [], MAX_GROUP_NAME);
  notes.add(
    first.directive,
    'group',
    group === first.name ? '' : `${group}, since a name has letters, digits, . _ and - only`,
  );
  for (const other of chosen.slice(1)) {
    notes.add(other.directive, 'vip', 'one database is writable, so its VIPs move together with the others');
  }
  return {
    group,
    nodes,
    witness: input.witness,
    gateway: input.gateway,
    vips,
    paths: draftPaths(chosen, nodes),
    heartbeat: draftHeartbeat(chosen, notes),
    checks: draftChecks({ settings, trackers, vipLinks, notes, todo, findProgram: input.findProgram }),
    hooks: draftHooks(trackers, notes, todo, input.findProgram),
    todo,
  };
};

type Chosen = readonly [Instance, ...Instance[]];

const chooseInstances = ({ settings, instances: wanted, path, notes }: TranslateInput): Chosen => {
  for (const name of wanted) {
    if (settings.instances.some((instance) => instance.name === name)) continue;
    const known = settings.instances.map((instance) => instance.name).join(', ');
    refuse({ file: path, line: 0 }, `there is no vrrp_instance ${name}`, `write one of ${known}`);
  }
  const chosen = settings.instances.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  for (const { directive } of settings.instances.filter((instance) => !chosen.includes(instance))) {
    noteWhole(directive, notes, 'not asked for with --instance');
  }
  const [first, ...others] = chosen;
  if (first !== undefined) return [first, ...others];
  return refuse({ file: path, line: 0 }, 'there is no vrrp_instance in it', 'vipd needs one for its group and VIPs');
};

const noteWhole = (directive: Directive, notes: Notes, note: string): void => {
  notes.add(directive, 'dropped', note);
  for (const child of directive.children ?? []) noteWhole(child, notes, '');
};

const membersOf = (group: Directive): readonly string[] =>
  childrenOf(group, 'group').flatMap(({ children }) => (children ?? []).flatMap(({ words }) => words));

const draftVips = (chosen: Chosen, { settings, notes }: TranslateInput, todo: string[]): readonly VipDraft[] => {
  const vips: VipDraft[] = [];
  const fallback = settings.globals.filter(({ words }) => words[0] === 'default_interface').at(-1);
  for (const instance of chosen) {
    const link = instance.interface ?? (fallback === undefined ? DEFAULT_LINK : textOf(fallback));
    for (const entry of instance.vips) {
      const vip = readVip(entry, link);
      const repeated = vips.some((other) => other.address === vip.address);
      notes.add(entry, 'vip', noteOfVip(entry, vip, repeated, instance !== chosen[0]));
      if (!repeated && !isLinkLocal(vip)) vips.push(vip);
    }
  }
  if (vips.length === 0)
    todo.push('vip: the address that clients connect to; keepalived.conf has none that vipd can hold');
  return vips;
};

/** keepalived.conf(5): `<IPADDR>[/<MASK>] [brd <IPADDR>] [dev <STRING>] …`; all of the address without a mask. */
const readVip = ({ place, words }: Directive, link: string): VipDraft => {
  const [text] = words;
  const bare = text.includes('/') ? null : parseAddress(text);
  const whole = bare?.ok ? `${text}/${bare.value.family === 4 ? 32 : 128}` : text;
  const address = parseAddressWithPrefix(whole);
  if (!address.ok) return refuse(place, `${address.message} for a virtual address`, address.hint);
  const dev = words.indexOf('dev');
  return {
    address: `${address.value.address}/${address.value.prefixLength}`,
    interface: dev < 0 ? link : (words[dev + 1] ?? refuse(place, 'dev has no value', 'write the name of a link')),
  };
};

const isLinkLocal = ({ address }: VipDraft): boolean => /^fe[89ab]/.test(address);

const noteOfVip = ({ words }: Directive, vip: VipDraft, repeated: boolean, ofAnother: boolean): string => {
  if (isLinkLocal(vip)) return 'left out: VRRP for IPv6 needs a link-local address, vipd does not';
  if (repeated) return 'there already';
  const dev = words.indexOf('dev');
  const rest = words.slice(1).filter((_, index) => dev < 0 || (index + 1 !== dev && index + 1 !== dev + 1));
  const left = rest.length === 0 ? [] : [`without ${rest.join(' ')}`];
  const together = ofAnother ? ['moves with the first'] : [];
  return [...left, ...together].join('; ');
};

const draftNodes = (
  chosen: Chosen,
  vips: readonly VipDraft[],
  input: TranslateInput,
  todo: string[],
): readonly [NodeDraft, NodeDraft] => {
  const [instance] = chosen;
  const { node, peer, notes, peerSettings } = input;
  const theirs = peerSettings?.instances.find(({ name }) => name === instance.name) ?? null;
  for (const directive of [...(instance.directive.children ?? []), ...(theirs?.directive.children ?? [])]) {
    noteNodeKey(directive, notes);
  }
  for (const entry of theirs?.peers ?? []) notes.add(entry, 'nodes');
  const own = node.address ?? instance.source ?? ownAddress(instance, vips, input);
  const candidates = instance.peers.map(readAddress).filter((address) => address !== own);
  const other = peer?.address ?? theirs?.source ?? candidates[0] ?? null;
  for (const entry of instance.peers) {
    const extra = entry.words.length > 1 ? 'without its limits of TTL: every frame is authenticated' : '';
    const third = readAddress(entry) !== other && readAddress(entry) !== own ? 'left out: vipd is for pairs' : '';
    notes.add(entry, 'nodes', third || extra);
  }
  const name = peer?.name ?? FILL_IN;
  if (name === FILL_IN) todo.push(`nodes: the host name of the other node, in place of ${FILL_IN}`);
  if (own === null) todo.push(`nodes: the address of ${node.name}; with multicast it is not in keepalived.conf`);
  else if (node.address === null && instance.source === null) {
    todo.push(`nodes: whether ${own} is right for ${node.name}; it is what the link has on this host`);
  }
  if (other === null) todo.push('nodes: the address of the other node; with multicast it is not in keepalived.conf');
  if (theirs?.priority === undefined) todo.push('nodes: the priority of the other node, if it is to differ');
  return [
    { name: node.name, address: own ?? FILL_IN, priority: priorityOf(instance) },
    { name, address: other ?? FILL_IN, priority: theirs === null ? null : priorityOf(theirs) },
  ];
};

const noteNodeKey = (directive: Directive, notes: Notes): void => {
  const { words } = directive;
  switch (words[0]) {
    case 'priority':
      notes.add(
        directive,
        'nodes',
        `${words[1] === '255' ? `${MAX_PRIORITY} is the most; ` : ''}counts only where neither node was active before and their data are equal`,
      );
      return;
    case 'unicast_src_ip':
    case 'mcast_src_ip':
      notes.add(directive, 'nodes');
      return;
    default:
      return;
  }
};

/** The link's own address, where it has exactly one of IPv4 that is no VIP: keepalived sends from that. */
const ownAddress = (instance: Instance, vips: readonly VipDraft[], { addressesOf }: TranslateInput): string | null => {
  const held = vips.map(({ address }) => address.split('/')[0]);
  const own = addressesOf(instance.interface ?? DEFAULT_LINK).filter((address) => !held.includes(address));
  return own.length === 1 ? (own[0] ?? null) : null;
};

const readAddress = ({ place, words }: Directive): string => {
  const address = parseAddress(words[0]);
  return address.ok ? address.value.address : refuse(place, `${address.message} for a peer`, address.hint);
};

const priorityOf = ({ priority }: Instance): number | null =>
  priority === null ? null : Math.min(priority, MAX_PRIORITY);

/** Where another instance talks over other addresses, that is a second link between the same two hosts. */
const draftPaths = ([, ...others]: Chosen, [own, peer]: readonly [NodeDraft, NodeDraft]) => {
  const paths: (readonly [string, string])[] = [];
  const used = [own.address, peer.address];
  for (const { source, peers } of others) {
    const [only, more] = peers.map(readAddress);
    if (source === null || only === undefined || more !== undefined) continue;
    if (used.includes(source) || used.includes(only)) continue;
    paths.push([source, only]);
    used.push(source, only);
  }
  return paths;
};

const draftHeartbeat = (chosen: Chosen, notes: Notes) => {
  const [{ advertMs, downAdverts, directive }] = chosen;
  const intervalMs = Math.max(MIN_INTERVAL_MS, Math.min(INTERVAL_MS, Math.round(advertMs)));
  const deadAfter = Math.max(MIN_DEAD_AFTER, downAdverts);
  const advert = last(directive, 'advert_int');
  if (advert !== null) {
    const slower = `; the same patience is interval: ${formatDuration(Math.round(advertMs))}`;
    notes.add(
      advert,
      'heartbeat',
      `a dead host is noticed after ${intervalMs * deadAfter}ms${advertMs > intervalMs ? slower : ''}`,
    );
  }
  const down = last(directive, 'down_timer_adverts');
  if (down !== null)
    notes.add(down, 'heartbeat', deadAfter > downAdverts ? `vipd needs ${MIN_DEAD_AFTER} at least` : '');
  for (const other of chosen.slice(1)) {
    for (const keyword of ['advert_int', 'down_timer_adverts']) {
      const repeated = last(other.directive, keyword);
      if (repeated !== null) notes.add(repeated, 'heartbeat', 'the first instance decides');
    }
    for (const keyword of ['priority', 'state']) {
      const repeated = last(other.directive, keyword);
      if (repeated !== null)
        notes.add(repeated, 'nodes', 'the first instance decides: one node is active for all VIPs');
    }
    for (const entry of [...entriesOf(other.directive, 'unicast_peer')]) notes.add(entry, 'heartbeat');
    for (const keyword of ['unicast_src_ip', 'mcast_src_ip']) {
      const repeated = last(other.directive, keyword);
      if (repeated !== null) notes.add(repeated, 'heartbeat');
    }
  }
  return { intervalMs, deadAfter };
};
