/** What becomes of each directive: the key that took it over, or why none did. None may be without a note. */

import { fateOf } from './keywords.js';
import type { Settings } from './settings.js';
import type { Directive } from './source.js';

/** Keys of vipd.yaml beside which a note stands; `always` is what vipd does by itself, `dropped` what it does not do. */
export type Section =
  | 'group'
  | 'nodes'
  | 'key_file'
  | 'vip'
  | 'heartbeat'
  | 'mysql'
  | 'checks'
  | 'gateways'
  | 'hooks'
  | 'always'
  | 'dropped';

export interface Fate {
  readonly section: Section;
  /** What is different from keepalived; empty: nothing. */
  readonly note: string;
}

export interface Notes {
  /** The first word on a directive counts. */
  readonly add: (directive: Directive, section: Section, note?: string) => void;
  readonly fates: () => ReadonlyMap<Directive, Fate>;
}

export const createNotes = (): Notes => {
  const fates = new Map<Directive, Fate>();
  return {
    add(directive, section, note = '') {
      if (!fates.has(directive)) fates.set(directive, { section, note });
    },
    fates: () => fates,
  };
};

/** Notes whatever nothing else has noted, from the table of keywords, down to the last entry of the last block. */
export const noteRest = ({ tree }: Settings, notes: Notes): void => {
  for (const directive of tree) noteTree(directive, 'top', null, notes);
};

const noteTree = (directive: Directive, within: string, owner: Fate | null, notes: Notes): void => {
  const { section, note } = fateOf(within, directive.words[0]) ?? {
    section: owner?.section ?? 'dropped',
    note: owner === null ? 'vipd has no such setting' : '',
  };
  notes.add(directive, section, note);
  const fate = notes.fates().get(directive) ?? null;
  // Entries of a list and parts of a block that went as a whole have nothing of their own to say.
  const inside = CONTAINERS.includes(directive.words[0]) ? null : fate;
  for (const child of directive.children ?? []) noteTree(child, directive.words[0], inside, notes);
};

/** Blocks whose parts each have a fate of their own. */
const CONTAINERS: readonly string[] = ['global_defs', 'vrrp_instance', 'vrrp_sync_group'];
