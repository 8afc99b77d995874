/** Text fit for a terminal: no control characters, wrapped or cut to a width. */

const ELLIPSIS = '...';

/** One line without control characters: what scripts and databases print must not steer the operator's terminal. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trimEnd();

/** The lines of `text`, each `printable`. */
export const printableLines = (text: string): readonly string[] => text.split(/\r?\n/).map(printable);

/** Columns that `text` takes. Wide and combining characters are not expected in names and messages. */
export const widthOf = (text: string): number => [...text].length;

/** `text`, cut to `width` columns with an ellipsis where it is longer. */
export const cut = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text;
  if (width <= ELLIPSIS.length) return [...text].slice(0, Math.max(0, width)).join('');
  return [...text].slice(0, width - ELLIPSIS.length).join('') + ELLIPSIS;
};

/** Breaks `text` between words into lines of at most `width` columns; a longer word stays whole, so that it can be copied. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
};

/** `lead` before the first line of the wrapped text, as many blanks before the others. */
export const hang = (lead: string, leadWidth: number, text: string, width: number): readonly string[] =>
  wrap(text, width - leadWidth).map((line, i) => (i === 0 ? lead : ' '.repeat(leadWidth)) + line);
