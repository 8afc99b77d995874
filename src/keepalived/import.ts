/** `vipctl import`: a keepalived.conf as vipd.yaml, in which no line of it is passed over in silence. */

import { dirname, relative } from 'node:path';
import type { WitnessDraft } from './draft.js';
import { type Reading, readLines } from './lines.js';
import { createNotes, type Fate, type Notes, noteRest, type Section } from './notes.js';
import { renderYaml, type Told } from './render.js';
import { readSettings, renderWords, type Settings } from './settings.js';
import {
  type Directive,
  type ImportError,
  type Line,
  type Place,
  type SourceFiles,
  UnreadableError,
} from './source.js';
import { type NodeOption, translate } from './translate.js';
import { parseTree } from './tree.js';

/** What the operator may say beside the file. */
export interface ImportOptions {
  readonly node: NodeOption;
  readonly peer: NodeOption | null;
  readonly witness: WitnessDraft | null;
  readonly gateway: string | null;
  readonly instances: readonly string[];
}

/** What is asked of this host. */
export interface ImportHost {
  readonly files: SourceFiles;
  /** Addresses of IPv4 that the link has. */
  readonly addressesOf: (link: string) => readonly string[];
  /** Path of a program that keepalived found by PATH; null: not on this host. */
  readonly findProgram: (name: string) => string | null;
}

export type ImportResult =
  | { readonly ok: true; readonly yaml: string }
  | { readonly ok: false; readonly errors: readonly ImportError[] };

/** Never throws for what a file may say. */
export const importKeepalived = (path: string, options: ImportOptions, host: ImportHost): ImportResult => {
  try {
    return { ok: true, yaml: convert(path, options, host) };
  } catch (cause) {
    if (cause instanceof UnreadableError) return { ok: false, errors: [cause.error] };
    throw cause;
  }
};

/** keepalived's config-id: what stands before the first dot of the host's name. */
const idOf = ({ name }: NodeOption): string => name.split('.')[0] ?? name;

const convert = (path: string, options: ImportOptions, host: ImportHost): string => {
  const reading = readLines(path, idOf(options.node), host.files);
  const settings = readSettings(parseTree(reading.lines));
  const peer = options.peer ?? otherIn(reading, idOf(options.node));
  const view = peer === null || reading.ids.size === 0 ? null : readPeer(path, peer, host.files);
  const notes = createNotes();
  const draft = translate({ ...options, ...host, peer, path, settings, peerSettings: view?.settings ?? null, notes });
  noteRest(settings, notes);
  const told = [
    ...tellDirectives(settings, notes),
    ...tellSkipped(reading, view, notes),
    ...reading.remarks.map(({ place, text, note }): Told => ({ place, section: 'always', text, note })),
  ].sort(byPlace(path));
  const home = dirname(path);
  const display = (file: string): string => (relative(home, file).startsWith('..') ? file : relative(home, file));
  return renderYaml({ draft, told, path, display });
};

/** The other host, where the file's conditions name exactly one. */
const otherIn = ({ ids }: Reading, own: string): NodeOption | null => {
  const [other, ...more] = [...ids].filter((id) => id !== own);
  return other === undefined || more.length > 0 ? null : { name: other, address: null };
};

/** In the order of the file, a block before what is in it. */
const tellDirectives = ({ tree }: Settings, notes: Notes): readonly Told[] =>
  tree.flatMap((directive) => tellTree(directive, notes.fates()));

const tellTree = (directive: Directive, fates: ReadonlyMap<Directive, Fate>): readonly Told[] => {
  const fate = fates.get(directive);
  if (fate === undefined) throw new Error(`nothing is said of ${directive.place.file}:${directive.place.line}`);
  const own: Told = { place: directive.place, text: show(directive), ...fate };
  return [own, ...(directive.children ?? []).flatMap((child) => tellTree(child, fates))];
};

/** A secret stays where it is. */
const show = ({ words, children }: Directive): string => {
  const secret = words.indexOf('auth_pass');
  const shown = secret < 0 ? words : [...words.slice(0, secret + 1), '(hidden)'];
  return `${renderWords(shown)}${children === null ? '' : ' {'}`;
};

/** The other host's view of the file. */
interface PeerView {
  readonly name: string;
  readonly reading: Reading;
  readonly settings: Settings;
}

const readPeer = (path: string, { name }: NodeOption, files: SourceFiles): PeerView => {
  const reading = readLines(path, idOf({ name, address: null }), files);
  return { name, reading, settings: readSettings(parseTree(reading.lines)) };
};

/** Lines that do not hold on this host: they tell of the other, or of neither. */
const tellSkipped = ({ skipped }: Reading, peer: PeerView | null, notes: Notes): readonly Told[] => {
  const general = createNotes();
  if (peer !== null) noteRest(peer.settings, general);
  return skipped.map((line) => {
    const text = line.text.replace(/(auth_pass\s+).*/, '$1(hidden)').replaceAll('\n', ' ');
    return { place: line.place, text, ...fateOfSkipped(line, peer, notes, general) };
  });
};

/** Sections of which it does not matter on which host a line holds: no key has its value. */
const WITHOUT_VALUE: readonly Section[] = ['always', 'nodes', 'key_file', 'dropped'];

const fateOfSkipped = (line: Line, peer: PeerView | null, notes: Notes, general: Notes): Fate => {
  if (peer === null) return { section: 'dropped', note: 'does not hold on this node' };
  const remark = peer.reading.remarks.find(({ place }) => samePlace(place, line.place));
  if (remark !== undefined) return { section: 'always', note: `${remark.note}, on ${peer.name}` };
  const directive = findAt(peer.settings.tree, line.place);
  if (directive === null) return { section: 'dropped', note: 'holds on neither node' };
  const fate = notes.fates().get(directive) ?? general.fates().get(directive);
  if (fate !== undefined && WITHOUT_VALUE.includes(fate.section)) return fate;
  return { section: 'dropped', note: `holds on ${peer.name} only; the same file serves both nodes` };
};

const samePlace = (a: Place, b: Place): boolean => a.file === b.file && a.line === b.line;

const findAt = (tree: readonly Directive[], place: Place): Directive | null => {
  for (const directive of tree) {
    if (samePlace(directive.place, place)) return directive;
    const inner = findAt(directive.children ?? [], place);
    if (inner !== null) return inner;
  }
  return null;
};

/** The first file first; the included ones in the order of their names. */
const byPlace =
  (first: string) =>
  (a: Told, b: Told): number => {
    if (a.place.file === b.place.file) return a.place.line - b.place.line;
    if (a.place.file === first) return -1;
    return b.place.file === first || a.place.file > b.place.file ? 1 : -1;
  };
