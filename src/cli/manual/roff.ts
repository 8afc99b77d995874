/** Text as roff with man(7)'s macros, from the small part of Markdown that the manual's sources are written in. */

/** mandoc(1) wants lines of at most 80 bytes; a word that is longer stays whole. */
const WIDTH = 78;

/** What has a meaning to roff, or is not ASCII (groff_char(7)). */
const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '×': '\\(mu',
  '…': '...',
  '→': '\\(->',
  '–': '\\(en',
  '’': "'",
};

const escapeText = (text: string): string =>
  text.replaceAll(/[\\×…→–’]/g, (character) => SPECIAL[character] ?? character);

/** Text to be typed: its hyphens are minus signs, which can be copied, and its blanks do not break. */
export const literal = (text: string): string => escapeText(text).replaceAll('-', '\\-').replaceAll("'", '\\(aq');

/** A line of text must not begin with a control character. */
const guard = (line: string): string => (/^[.']/.test(line) ? `\\&${line}` : line);

/** `code` and **strong** in bold, links as their text. */
export const inline = (text: string): string =>
  text
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .split(/(`[^`]+`|\*\*[^*]+\*\*)/)
    .map((part) => {
      if (part.startsWith('`')) return `\\fB${literal(part.slice(1, -1))}\\fR`;
      if (part.startsWith('**')) return `\\fB${escapeText(part.slice(2, -2))}\\fR`;
      return escapeText(part);
    })
    .join('');

/** Each sentence on a line of its own (man(7)), and none too long. */
export const filled = (text: string): readonly string[] =>
  inline(text.replaceAll(/\s+/g, ' ').trim())
    .split(/(?<=[.:;?!]\)?) (?=["(\\A-Z])/)
    .flatMap(wrapped);

const wrapped = (sentence: string): readonly string[] => {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map(guard);
};

/** Lines as they are, such as a file or what is typed. */
export const example = (lines: readonly string[]): readonly string[] => [
  '.PP',
  '.EX',
  ...lines.map((line) => guard(literal(line))),
  '.EE',
];

/** A term and what it means. */
export const item = (term: string, meaning: readonly string[]): readonly string[] => ['.TP', guard(term), ...meaning];

export const heading = (macro: 'SH' | 'SS', text: string): string => `.${macro} ${/ /.test(text) ? `"${text}"` : text}`;

/** `#` and `##` headings, paragraphs, `-` lists, tables and code, as far as the sources need them. */
export const fromMarkdown = (source: string): readonly string[] =>
  blocksOf(source).flatMap((block, index, blocks) => renderBlock(block, blocks[index - 1]));

const blocksOf = (source: string): readonly (readonly string[])[] => {
  const blocks: string[][] = [];
  let open: string[] = [];
  let code = false;
  for (const line of source.split('\n')) {
    if (line.startsWith('```')) code = !code;
    const alone = /^#{1,3} /.test(line) || (line.startsWith('```') && code);
    if (!code && (line.trim() === '' || alone)) open = [];
    if (alone) open = [];
    if (open.length === 0 && (line.trim() !== '' || code)) blocks.push(open);
    if (code || line.trim() !== '') open.push(line);
    if (/^#{1,3} /.test(line)) open = [];
  }
  return blocks.filter((block) => block.length > 0);
};

const renderBlock = (block: readonly string[], before: readonly string[] | undefined): readonly string[] => {
  const [first = ''] = block;
  if (first.startsWith('# ')) return [heading('SH', first.slice(2).toUpperCase())];
  if (/^##+ /.test(first)) return [heading('SS', first.replace(/^#+ /, ''))];
  if (first.startsWith('```')) return example(block.filter((line) => !line.startsWith('```')));
  if (first.startsWith('|')) return renderTable(block);
  if (first.startsWith('- ')) return renderList(block);
  const lines = filled(block.join(' '));
  // whatis(1) parts the name from what it is by a minus sign.
  if (before?.[0] === '# Name') return lines.map((line) => line.replace(/^(\S+) - /, '$1 \\- '));
  return before === undefined || before[0]?.startsWith('#') ? lines : ['.PP', ...lines];
};

const renderList = (block: readonly string[]): readonly string[] => {
  const items: string[] = [];
  for (const line of block) {
    if (line.startsWith('- ')) items.push(line.slice(2));
    else items.push(`${items.pop() ?? ''} ${line.trim()}`);
  }
  return items.flatMap((text) => ['.IP \\(bu 2', ...filled(text)]);
};

/** The first column as terms, the others as what they mean; the head and its rule are left out. */
const renderTable = (block: readonly string[]): readonly string[] =>
  block.slice(2).flatMap((row) => {
    const [term = '', ...cells] = row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|'));
    return item(inline(term), filled(cells.filter((cell) => cell !== '').join('; ')));
  });
