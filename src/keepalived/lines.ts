/** A keepalived.conf as the lines that hold on one host: included files, conditions and definitions resolved. */

import { basename, dirname, isAbsolute, join } from 'node:path';
import { type Definitions, parseDefinition, substitute } from './definitions.js';
import { expandGlob, isPattern } from './glob.js';
import { type Line, type Place, refuse, type SourceFiles } from './source.js';
import { withoutComment } from './words.js';

/** A file that includes itself would go on for ever. */
export const MAX_INCLUDE_DEPTH = 16;
/** All files together; far beyond what anybody writes for a pair of hosts. */
export const MAX_LINES = 100_000;
/** Definitions that use each other. */
export const MAX_DEFINITION_DEPTH = 64;

export interface Remark extends Line {
  readonly note: string;
}

export interface Reading {
  readonly lines: readonly Line[];
  /** Lines behind a condition that does not hold on this host. */
  readonly skipped: readonly Line[];
  /** Lines that did something to others: includes and definitions. */
  readonly remarks: readonly Remark[];
  /** Every name that a condition asks for, such as db1 of `@db1` and `@^db1`. */
  readonly ids: ReadonlySet<string>;
}

interface State {
  /** keepalived's config-id: the first part of the host name unless `-i` gives another. */
  readonly id: string;
  readonly files: SourceFiles;
  readonly definitions: Definitions;
  readonly lines: Line[];
  readonly skipped: Line[];
  readonly remarks: Remark[];
  readonly ids: Set<string>;
}

/** Throws UnreadableError. */
export const readLines = (path: string, id: string, files: SourceFiles): Reading => {
  const definitions: Definitions = new Map([
    ['_INSTANCE', id],
    ['_HASH', '#'],
    ['_BANG', '!'],
  ]);
  const state: State = { id, files, definitions, lines: [], skipped: [], remarks: [], ids: new Set() };
  readInto(state, path, { file: path, line: 0 }, 0);
  return state;
};

const readInto = (state: State, path: string, from: Place, depth: number): void => {
  if (depth > MAX_INCLUDE_DEPTH)
    refuse(from, `more than ${MAX_INCLUDE_DEPTH} files deep`, 'does a file include itself?');
  const text = readText(state.files, path, from);
  const outside = state.definitions.get('_PWD');
  state.definitions.set('_PWD', dirname(path));
  for (const line of physicalLines(text, path)) {
    const include = /^(include[rmwba]?)\s+(\S.*)$/.exec(line.text);
    if (include === null) take(state, line);
    else readIncluded(state, line, include[1] ?? '', (include[2] ?? '').replace(/^"(.*)"$/, '$1'), depth);
  }
  if (outside !== undefined) state.definitions.set('_PWD', outside);
};

const readText = (files: SourceFiles, path: string, from: Place): string => {
  try {
    return files.read(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    return refuse(from, `cannot read ${path} (${code})`, 'correct the path, or run this as root');
  }
};

/** Without comments and blank lines; a definition that goes on with a backslash is one line with breaks in it. */
const physicalLines = (text: string, file: string): readonly Line[] => {
  const lines: Line[] = [];
  let open: Line | null = null;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const bare = withoutComment(raw).trim();
    const goesOn = bare.endsWith('\\');
    const part = goesOn ? bare.slice(0, -1).trimEnd() : bare;
    const line: Line =
      open === null ? { place: { file, line: index + 1 }, text: part } : { ...open, text: `${open.text}\n${part}` };
    open = goesOn ? line : null;
    if (open === null && line.text !== '') lines.push(line);
  }
  return open === null ? lines : [...lines, open];
};

const readIncluded = (state: State, line: Line, keyword: string, pattern: string, depth: number): void => {
  const here = isAbsolute(pattern) ? pattern : join(dirname(line.place.file), pattern);
  const paths = isPattern(pattern) ? existing(state.files, expandGlob(here, state.files.list)) : [here];
  // Plain include lets a missing file pass, and so a typing error too; that one is worth an error where no pattern excuses it.
  if (paths.length === 0 && keyword !== 'include' && keyword !== 'includer') {
    refuse(line.place, `no file matches ${pattern}`, 'correct the pattern; keepalived refuses this as well');
  }
  const note = paths.length === 0 ? 'no file matches' : `read: ${paths.map((path) => basename(path)).join(', ')}`;
  state.remarks.push({ ...line, note });
  for (const path of paths) readInto(state, path, line.place, depth + 1);
};

const existing = (files: SourceFiles, paths: readonly string[]): readonly string[] => {
  const names = new Map<string, readonly string[]>();
  return paths.filter((path) => {
    const directory = dirname(path);
    if (!names.has(directory)) names.set(directory, namesIn(files, directory));
    return names.get(directory)?.includes(basename(path));
  });
};

const namesIn = (files: SourceFiles, directory: string): readonly string[] => {
  try {
    return files.list(directory);
  } catch {
    return [];
  }
};

/** One line, which a definition may turn into several. */
const take = (state: State, line: Line, depth = 0): void => {
  if (depth > MAX_DEFINITION_DEPTH) {
    refuse(line.place, `definitions more than ${MAX_DEFINITION_DEPTH} deep`, 'does a definition name itself?');
  }
  if (/^~(SEQ|LST)/.test(line.text)) {
    refuse(
      line.place,
      'sequences and lists (~SEQ, ~LST) are not understood here',
      'write out the lines they stand for',
    );
  }
  const text = afterConditions(state, line);
  if (text === null || text === '') return;
  const definition = parseDefinition(text);
  if (definition !== null) {
    state.definitions.set(definition.name, definition.value);
    state.remarks.push({ ...line, text: text.replaceAll('\n', ' '), note: 'put in where it is used' });
    return;
  }
  const substituted = substitute(text, state.definitions, line.place);
  if (substituted === text && !text.includes('\n')) push(state, { ...line, text });
  else for (const part of substituted.split('\n')) take(state, { ...line, text: part.trim() }, depth + 1);
};

/** What follows the conditions at the line's beginning; null where one of them does not hold. */
const afterConditions = (state: State, line: Line): string | null => {
  let { text } = line;
  for (let found = conditionOf(text); found !== null; found = conditionOf(text)) {
    state.ids.add(found.id);
    if ((found.id === state.id) === found.negative) {
      state.skipped.push(line);
      return null;
    }
    text = found.text;
  }
  return text;
};

const conditionOf = (line: string) => {
  const match = /^@(\^?)(\S+)\s*/.exec(line);
  return match === null ? null : { negative: match[1] === '^', id: match[2] ?? '', text: line.slice(match[0].length) };
};

const push = (state: State, line: Line): void => {
  state.lines.push(line);
  if (state.lines.length > MAX_LINES) refuse(line.place, `more than ${MAX_LINES} lines`, 'is this a keepalived.conf?');
};
