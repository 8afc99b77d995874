/** keepalived.conf's definitions, `$NAME=value`, and putting them in (keepalived.conf(5), "Parameter substitution"). */

import { type Place, refuse } from './source.js';

/** A definition that names itself would go on for ever. */
export const MAX_SUBSTITUTIONS = 1_000;
/** A text that doubles with each of them would not. */
export const MAX_SUBSTITUTED_CHARACTERS = 1_000_000;

export type Definitions = Map<string, string>;

export interface Definition {
  readonly name: string;
  readonly value: string;
}

export const parseDefinition = (text: string): Definition | null => {
  const match = /^\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  return match === null ? null : { name: match[1] ?? '', value: (match[2] ?? '').trim() };
};

/**
 * The text with every known name replaced, again and again; unknown names stay, as they do in keepalived. It ends at a
 * value of several lines: the first of them may define what the others use.
 */
export const substitute = (text: string, definitions: Definitions, place: Place): string => {
  let result = text;
  for (let count = 0; count < MAX_SUBSTITUTIONS && result.length <= MAX_SUBSTITUTED_CHARACTERS; count += 1) {
    const found = firstKnown(result, definitions, place);
    if (found === null || result.includes('\n')) return result;
    result = `${result.slice(0, found.index)}${found.value}${result.slice(found.index + found.length)}`;
  }
  return refuse(
    place,
    `more than ${MAX_SUBSTITUTIONS} substitutions, or ${MAX_SUBSTITUTED_CHARACTERS} characters`,
    'does a definition name itself? write the values out',
  );
};

const firstKnown = (text: string, definitions: Definitions, place: Place) => {
  for (const match of text.matchAll(/\$(?:\{([A-Za-z_][A-Za-z0-9_]*)( [^}]*)?\}|([A-Za-z_][A-Za-z0-9_]*)(?=\s|$))/g)) {
    const name = match[1] ?? match[3] ?? '';
    if (name === '_RANDOM') refuse(place, '_RANDOM gives another number each time', 'write a number in its place');
    const value = definitions.get(name);
    if (value !== undefined) return { index: match.index, length: match[0].length, value };
  }
  return null;
};
