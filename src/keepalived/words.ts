/** Parts a line of keepalived.conf into its words, and takes comments off (keepalived.conf(5), "Quoted strings"). */

export interface Word {
  readonly text: string;
  /** Whether any of it was quoted; a quoted brace is a text. */
  readonly quoted: boolean;
}

export type Words =
  | { readonly ok: true; readonly words: readonly Word[] }
  | { readonly ok: false; readonly quote: string };

/** The line without what follows `#` or `!`, which only a backslash or double quotes protect. */
export const withoutComment = (line: string): string => {
  let quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at];
    if (character === '\\') at += 1;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && (character === '#' || character === '!')) return line.slice(0, at);
  }
  return line;
};

const ESCAPED = { a: '\x07', b: '\b', E: '\x1b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' } as const;

const isEscape = (text: string): text is keyof typeof ESCAPED => Object.hasOwn(ESCAPED, text);

/** `quote` of a failure is the quotation mark that is never closed. */
export const splitWords = (line: string): Words => {
  const words: Word[] = [];
  let text = '';
  let begun = false;
  let quoted = false;
  let open = '';
  const end = (): void => {
    if (begun) words.push({ text, quoted });
    [text, begun, quoted] = ['', false, false];
  };
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    if (character === '\\' && at + 1 < line.length) {
      at += 1;
      const escaped = line.charAt(at);
      text += isEscape(escaped) ? ESCAPED[escaped] : escaped;
      begun = true;
    } else if (open !== '') {
      if (character === open) open = '';
      else text += character;
    } else if (character === '"' || character === "'") {
      [open, begun, quoted] = [character, true, true];
    } else if (/\s/.test(character)) {
      end();
    } else {
      text += character;
      begun = true;
    }
  }
  if (open !== '') return { ok: false, quote: open };
  end();
  return { ok: true, words };
};
