/** What a tree of directives says: instances, groups, scripts and what is global, with each value where it stands. */

import { type Directive, refuse } from './source.js';

export interface Instance {
  readonly directive: Directive;
  readonly name: string;
  readonly interface: string | null;
  readonly priority: number | null;
  readonly state: string | null;
  /** What adverts are sent from: unicast_src_ip, else mcast_src_ip. */
  readonly source: string | null;
  /** Entries of unicast_peer. */
  readonly peers: readonly Directive[];
  /** Entries of virtual_ipaddress, then of virtual_ipaddress_excluded. */
  readonly vips: readonly Directive[];
  readonly advertMs: number;
  /** Adverts that may be missing (down_timer_adverts). */
  readonly downAdverts: number;
}

/** A vrrp_script or a track_process, by the name under which it is tracked. */
export interface Tracked {
  readonly directive: Directive;
  readonly name: string;
}

export interface Settings {
  readonly tree: readonly Directive[];
  readonly instances: readonly Instance[];
  readonly syncGroups: readonly Directive[];
  readonly scripts: readonly Tracked[];
  readonly processes: readonly Tracked[];
  readonly globals: readonly Directive[];
}

/** VRRP's interval unless given, and the adverts that may be missing (RFC 9568 section 5.2.8, keepalived.conf(5)). */
const DEFAULT_ADVERT_SECONDS = 1;
const DEFAULT_DOWN_ADVERTS = 3;

/** keepalived.conf(5): vrrp_track_file and the like are older spellings. */
const PROCESS_BLOCKS: readonly string[] = ['vrrp_track_process', 'track_process'];

/** Throws UnreadableError. */
export const readSettings = (tree: readonly Directive[]): Settings => {
  const blocks = (...keywords: readonly string[]) => tree.filter(({ words }) => keywords.includes(words[0]));
  const instances = blocks('vrrp_instance').map(readInstance);
  for (const [index, { name, directive }] of instances.entries()) {
    if (instances.findIndex((other) => other.name === name) < index) {
      refuse(directive.place, `a second vrrp_instance ${name}`, 'give each its own name');
    }
  }
  return {
    tree,
    instances,
    syncGroups: blocks('vrrp_sync_group'),
    scripts: blocks('vrrp_script').map(readTracked),
    processes: blocks(...PROCESS_BLOCKS).map(readTracked),
    globals: blocks('global_defs').flatMap(({ children }) => children ?? []),
  };
};

const readTracked = (directive: Directive): Tracked => ({ directive, name: textOf(directive) });

const readInstance = (directive: Directive): Instance => {
  const one = (keyword: string): Directive | null => last(directive, keyword);
  const text = (keyword: string): string | null => {
    const found = one(keyword);
    return found === null ? null : textOf(found);
  };
  const number = (keyword: string, min: number, max: number): number | null => {
    const found = one(keyword);
    return found === null ? null : numberOf(found, min, max);
  };
  return {
    directive,
    name: textOf(directive),
    interface: text('interface'),
    priority: number('priority', 1, 255),
    state: text('state'),
    source: text('unicast_src_ip') ?? text('mcast_src_ip'),
    peers: entriesOf(directive, 'unicast_peer'),
    vips: [...entriesOf(directive, 'virtual_ipaddress'), ...entriesOf(directive, 'virtual_ipaddress_excluded')],
    advertMs: 1_000 * (number('advert_int', 0.01, 255) ?? DEFAULT_ADVERT_SECONDS),
    downAdverts: number('down_timer_adverts', 1, 100) ?? DEFAULT_DOWN_ADVERTS,
  };
};

/** Children with that keyword; the last is the one that counts where there should be one. */
export const childrenOf = ({ children }: Directive, keyword: string): readonly Directive[] =>
  (children ?? []).filter(({ words }) => words[0] === keyword);

export const last = (directive: Directive, keyword: string): Directive | null =>
  childrenOf(directive, keyword).at(-1) ?? null;

/** Entries of the lists of that name, such as the addresses of virtual_ipaddress. */
export const entriesOf = (directive: Directive, keyword: string): readonly Directive[] =>
  childrenOf(directive, keyword).flatMap(({ children }) => children ?? []);

/** The value behind a keyword. Throws UnreadableError where there is none. */
export const textOf = ({ place, words }: Directive): string =>
  words[1] ?? refuse(place, `${words[0]} has no value`, `write ${words[0]} and its value`);

/** Throws UnreadableError where the value is no number within the bounds, both included. */
export const numberOf = (directive: Directive, min: number, max: number): number => {
  const text = textOf(directive);
  const value = /^[+-]?\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const [keyword] = directive.words;
  return refuse(directive.place, `${keyword} "${text}" is no number from ${min} to ${max}`, `write such a number`);
};

/** Words as they would be written: quoted where they have blanks. */
export const renderWords = (words: readonly string[]): string =>
  words.map((word) => (/^[^\s"'#!{}\\]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`)).join(' ');
