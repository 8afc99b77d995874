/** Names the files that an include means: `*`, `?`, `[…]` and csh's `{a,b}`, as glob(3) does. */

import { join } from 'node:path';

/** A pattern with more alternatives than this is a mistake. */
export const MAX_ALTERNATIVES = 256;

export const isPattern = (path: string): boolean => /[*?[{]/.test(path);

/** Paths that match, sorted within each alternative; empty where none does. `list` names what is in a directory. */
export const expandGlob = (pattern: string, list: (directory: string) => readonly string[]): readonly string[] =>
  alternatives(pattern).flatMap((alternative) => matches(alternative, list));

/** `a{b,c}d` as `abd` and `acd`; braces may be nested. */
const alternatives = (pattern: string): readonly string[] => {
  const done: string[] = [];
  const waiting = [pattern];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const innermost = /\{([^{}]*)\}/.exec(next);
    if (innermost === null) {
      if (!done.includes(next)) done.push(next);
    } else {
      const before = next.slice(0, innermost.index);
      const after = next.slice(innermost.index + innermost[0].length);
      waiting.unshift(...(innermost[1] ?? '').split(',').map((choice) => `${before}${choice}${after}`));
    }
    if (waiting.length + done.length > MAX_ALTERNATIVES) return [];
  }
  return done;
};

const matches = (pattern: string, list: (directory: string) => readonly string[]): readonly string[] => {
  const [first = '', ...rest] = pattern.split('/');
  let found = [first === '' ? '/' : ''];
  for (const segment of first === '' ? rest : [first, ...rest]) {
    found = found.flatMap((directory) => {
      if (!/[*?[]/.test(segment)) return [join(directory, segment)];
      const expression = expressionOf(segment);
      const names = namesIn(directory === '' ? '.' : directory, list);
      return names.filter((name) => expression.test(name)).map((name) => join(directory, name));
    });
  }
  return found;
};

const namesIn = (directory: string, list: (directory: string) => readonly string[]): readonly string[] => {
  try {
    return [...list(directory)].sort();
  } catch {
    return [];
  }
};

/** A hidden file is matched by a pattern that begins with a dot only (glob(7)). */
const expressionOf = (segment: string): RegExp => {
  const body = segment.replace(/\[!?[^\]]+\]|[*?]|[\\^$.|+()[\]{}]/g, (part) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (part.length > 1) return part.replace('[!', '[^');
    return `\\${part}`;
  });
  return new RegExp(`^${/^[*?[]/.test(segment) ? '(?!\\.)' : ''}${body}$`);
};
