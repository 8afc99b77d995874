/** Lines of a keepalived.conf as directives, each with its block. */

import { type Directive, type Line, type Place, refuse } from './source.js';
import { splitWords, type Word } from './words.js';

/** keepalived's own blocks are four deep at the most. */
export const MAX_BLOCK_DEPTH = 32;

interface Growing {
  readonly place: Place;
  readonly words: [string, ...string[]];
  children: Growing[] | null;
}

/** Throws UnreadableError where braces or quotes do not match. */
export const parseTree = (lines: readonly Line[]): readonly Directive[] => {
  const top: Growing[] = [];
  const open: Growing[] = [];
  for (const line of lines) readLine(line, top, open);
  const unclosed = open.at(-1);
  if (unclosed !== undefined) {
    refuse(unclosed.place, `the block of ${unclosed.words[0]} is never closed`, 'write the missing }');
  }
  return top;
};

const readLine = ({ place, text }: Line, top: Growing[], open: Growing[]): void => {
  const siblings = (): Growing[] => open.at(-1)?.children ?? top;
  let directive: Growing | null = null;
  for (const { text: word, quoted } of bracesApart(wordsOf(place, text))) {
    if (!quoted && word === '{') {
      // The brace may stand on a line of its own, below its keyword.
      const owner = directive ?? siblings().at(-1);
      if (owner === undefined || owner.children !== null)
        return refuse(place, '{ has no keyword before it', 'remove it');
      owner.children = [];
      open.push(owner);
      if (open.length > MAX_BLOCK_DEPTH)
        return refuse(place, `blocks more than ${MAX_BLOCK_DEPTH} deep`, 'write the missing }');
      directive = null;
    } else if (!quoted && word === '}') {
      if (open.pop() === undefined)
        return refuse(place, '} closes no block', 'remove it, or write the { that it closes');
      directive = null;
    } else if (directive === null) {
      directive = { place, words: [word], children: null };
      siblings().push(directive);
    } else {
      directive.words.push(word);
    }
  }
};

const wordsOf = (place: Place, text: string): readonly Word[] => {
  const split = splitWords(text);
  return split.ok ? split.words : refuse(place, `${split.quote} is never closed`, 'write the missing quotation mark');
};

/** `VI_1{` and `10.0.0.1/24}` as two words each. Any other brace belongs to its word, as in `${NAME}` of no definition. */
const bracesApart = (words: readonly Word[]): readonly Word[] =>
  words.flatMap((word) => {
    const match = word.quoted || word.text.includes('${') ? null : /^(}?)(.*?)([{}]?)$/.exec(word.text);
    if (match === null) return [word];
    return match.slice(1).flatMap((text) => (text === '' ? [] : [{ text, quoted: false }]));
  });
