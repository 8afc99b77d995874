/** Turns the bytes of a configuration file into a value, and remembers on which line and column each part of it stands. */

import { isUtf8 } from 'node:buffer';
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLError,
} from 'yaml';
import { type Path, quote } from './problem.js';

/** No configuration comes near it; a larger file is some other file. */
export const MAX_FILE_BYTES = 256 * 1024;

/** An alias may stand for a value this often in all; more is a "billion laughs" bomb. */
const MAX_ALIASES = 100;

/** Opening marks on a line, or brackets open at once. The configuration nests five deep; the parser dies of 100,000. */
const MAX_NESTING = 100;

/** Errors told of one file; what follows the first few is mostly their consequence. */
const MAX_YAML_ERRORS = 10;

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Source {
  /** What the file says, as plain objects, arrays and scalars. */
  readonly value: unknown;
  /** Where the key or the value at `path` begins; the nearest enclosing part where there is none. */
  locate(path: Path, at: 'key' | 'value'): Place;
  /** Whether the file itself has this key. */
  has(path: Path): boolean;
}

export interface SourceError extends Place {
  readonly message: string;
  readonly hint: string;
}

export type SourceResult =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly errors: readonly SourceError[] };

const WHOLE_FILE: Place = { line: 0, column: 0 };
const FILE_START: Place = { line: 1, column: 1 };

/** YAML 1.2 (core schema) of one document whose top is a mapping. */
export const readSource = (bytes: Buffer): SourceResult => {
  if (bytes.length > MAX_FILE_BYTES) {
    return failed(WHOLE_FILE, `has ${bytes.length} bytes, more than ${MAX_FILE_BYTES}`, 'name the configuration file');
  }
  if (!isUtf8(bytes)) return failed(firstBadLine(bytes), 'is not UTF-8', 'save the file as UTF-8');
  const text = bytes.toString('utf8');
  const deep = firstDeepLine(text);
  if (deep !== null) return failed(deep, `nests more than ${MAX_NESTING} deep`, 'no key of the configuration does');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const errors = yamlErrors(document, lines, text);
  return errors.length > 0 ? { ok: false, errors } : readValue(document, lines);
};

const failed = (place: Place, message: string, hint: string): SourceResult => ({
  ok: false,
  errors: [{ ...place, message, hint }],
});

const firstBadLine = (bytes: Buffer): Place => {
  let start = 0;
  for (let line = 1; ; line++) {
    const end = bytes.indexOf('\n', start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return { line, column: 1 };
    start = end + 1;
  }
};

/** A count from above: brackets in comments and texts count as well. */
const firstDeepLine = (text: string): Place | null => {
  let open = 0;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*#/.test(line)) continue;
    for (const mark of line.match(/[[\]{}]/g) ?? []) open = Math.max(0, open + (mark === '[' || mark === '{' ? 1 : -1));
    const marks = line.match(/[-?:](?=\s|$)/g)?.length ?? 0;
    if (open > MAX_NESTING || marks > MAX_NESTING) return { line: index + 1, column: 1 };
  }
  return null;
};

/** What the operator can do about the parser's findings, by its codes; for the others its own words are enough. */
const YAML_HINTS: Readonly<Record<string, string>> = {
  BAD_INDENT: 'close every bracket, and indent what belongs to a key further than the key',
  BLOCK_AS_IMPLICIT_KEY: 'put a text with a colon in quotes, or the inner key on a line of its own',
  BLOCK_IN_FLOW: 'put a text that ends in a colon in quotes',
  DUPLICATE_KEY: 'keep one of the two',
  MISSING_CHAR: 'close the quotes or brackets',
  MULTIPLE_DOCS: 'keep one document; remove the --- between them',
  TAB_AS_INDENT: 'indent with spaces',
  TAG_RESOLVE_FAILED: 'remove the tag',
};

const yamlErrors = (document: Document.Parsed, lines: LineCounter, text: string): readonly SourceError[] => {
  const all = [...document.errors, ...document.warnings];
  // A tab upsets everything that follows it.
  const tabs = all.filter(({ code }) => code === 'TAB_AS_INDENT');
  return (tabs.length > 0 ? tabs : all).slice(0, MAX_YAML_ERRORS).map((error) => ({
    ...placeOf(lines, error.pos[0]),
    message: yamlMessage(error, text),
    hint: YAML_HINTS[error.code] ?? 'correct the line, or the one before it',
  }));
};

const yamlMessage = ({ code, message, pos }: YAMLError, text: string): string => {
  switch (code) {
    case 'MULTIPLE_DOCS':
      return 'holds more than one YAML document';
    case 'DUPLICATE_KEY':
      return `the key ${quote(/^[^\s:]*/.exec(text.slice(pos[0]))?.[0])} stands twice in one mapping`;
    default:
      return `is not valid YAML: ${message}`;
  }
};

const readValue = (document: Document.Parsed, lines: LineCounter): SourceResult => {
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) {
    return failed(FILE_START, 'is empty', 'start from examples/vipd.yaml or examples/witness.yaml');
  }
  if (!isMap(contents)) {
    const value: unknown = isScalar(contents) ? contents.value : [];
    return failed(FILE_START, `is ${quote(value)} at its top`, 'write keys with values, such as group: orders');
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { ok: true, source: { value, ...positions(document, lines) } };
  } catch (error) {
    // The parser throws for unknown aliases, and for too many.
    const why = error instanceof Error ? error.message : String(error);
    return failed(FILE_START, `is not valid YAML: ${why}`, 'write the value out where the alias stands');
  }
};

const positions = (document: Document.Parsed, lines: LineCounter): Pick<Source, 'locate' | 'has'> => ({
  locate: (path, at) => placeOf(lines, offsetOf(document, path, at).offset),
  has: (path) => offsetOf(document, path, 'key').found,
});

interface Offset {
  readonly offset: number;
  readonly found: boolean;
}

/** Goes down the path as far as the file does. */
const offsetOf = (document: Document.Parsed, path: Path, at: 'key' | 'value'): Offset => {
  let current: unknown = document.contents;
  let offset = startOf(current) ?? 0;
  for (const [depth, part] of path.entries()) {
    const container = isAlias(current) ? current.resolve(document) : current;
    const child = childOf(container, part);
    if (child === null) return { offset, found: false };
    const keyOffset = startOf(child.key);
    const isLast = depth === path.length - 1;
    offset = (isLast && at === 'key' ? keyOffset : startOf(child.value)) ?? keyOffset ?? offset;
    current = child.value;
  }
  return { offset, found: true };
};

/** A key without a value points at the key: the parser sets an empty value behind the colon, or on the next line. */
const childOf = (
  container: unknown,
  part: string | number,
): { readonly key: unknown; readonly value: unknown } | null => {
  if (isSeq(container) && typeof part === 'number') {
    return part < container.items.length ? { key: container.items[part], value: container.items[part] } : null;
  }
  if (!isMap(container)) return null;
  const pair = container.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === part);
  if (pair === undefined) return null;
  const empty = isScalar(pair.value) && pair.value.value === null && (pair.value.source ?? '') === '';
  return { key: pair.key, value: empty ? pair.key : pair.value };
};

const startOf = (node: unknown): number | null => (isNode(node) ? (node.range?.[0] ?? null) : null);

const placeOf = (lines: LineCounter, offset: number): Place => {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
};
