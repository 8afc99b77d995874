/** Tables whose columns line up; where the terminal is too narrow, one block to a row instead. */

import type { Style, Tone } from './style.js';
import { cut, printable, widthOf, wrap } from './text.js';

export interface Cell {
  readonly text: string;
  readonly tone: Tone;
}

/** Plain text, or text with a tone. */
export type CellInput = string | Cell;

export interface Table {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly CellInput[])[];
  /** What becomes of a last column that is too long. */
  readonly overflow: 'cut' | 'wrap';
}

/** Where the terminal is wide. */
export interface View {
  /** Columns; infinite where the output is no terminal, so that nothing is cut. */
  readonly width: number;
  readonly style: Style;
}

const GAP = '  ';

/** The last column is never made narrower than this; a block to a row is easier to read then. */
const MIN_LAST_WIDTH = 16;

export const renderTable = (table: Table, view: View): readonly string[] => {
  const rows = table.rows.map((row) => row.map(cellOf));
  const widths = table.headings.map((heading, i) =>
    Math.max(widthOf(heading), ...rows.map((row) => widthOf(row[i]?.text ?? ''))),
  );
  const last = widths.at(-1) ?? 0;
  const others = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
  const room = view.width - others;
  if (last > room && room < MIN_LAST_WIDTH) return renderBlocks(table, rows, view);
  const fitted = [...widths.slice(0, -1), Math.min(last, room)];
  const headings = table.headings.map((text): Cell => ({ text, tone: 'heading' }));
  return [headings, ...rows.flatMap((row) => fitLast(row, fitted, table.overflow))].map((row) =>
    renderRow(row, fitted, view.style),
  );
};

/** A row whose last cell is too long, as rows that fit. */
const fitLast = (row: readonly Cell[], widths: readonly number[], overflow: Table['overflow']): readonly Cell[][] => {
  const width = widths.at(-1) ?? 0;
  const last = row[widths.length - 1];
  if (last === undefined || widthOf(last.text) <= width) return [[...row]];
  const before = row.slice(0, -1);
  if (overflow === 'cut') return [[...before, { ...last, text: cut(last.text, width) }]];
  const blank = before.map((): Cell => ({ text: '', tone: 'plain' }));
  return wrap(last.text, width).map((text, i) => [...(i === 0 ? before : blank), { ...last, text }]);
};

const renderRow = (row: readonly Cell[], widths: readonly number[], style: Style): string => {
  const end = row.findLastIndex((cell) => cell.text !== '');
  return row
    .slice(0, end + 1)
    .map(({ text, tone }, i) => {
      // Padded outside the colour, so that a last column leaves no blanks behind.
      const padding = i === end ? 0 : Math.max(0, (widths[i] ?? 0) - widthOf(text));
      return style.paint(tone, text) + ' '.repeat(padding);
    })
    .join(GAP);
};

const renderBlocks = (table: Table, rows: readonly (readonly Cell[])[], view: View): readonly string[] => {
  const label = Math.max(...table.headings.map(widthOf));
  return rows.flatMap((row) =>
    row.flatMap((cell, i) => {
      if (cell.text === '') return [];
      const indent = i === 0 ? '' : GAP;
      const heading = indent + (table.headings[i] ?? '').trim().padEnd(label) + GAP;
      const room = Math.max(MIN_LAST_WIDTH, view.width - widthOf(heading));
      const lines = table.overflow === 'wrap' ? wrap(cell.text, room) : [cut(cell.text, room)];
      return lines.map((line, n) => {
        const before = n === 0 ? view.style.paint('heading', heading) : ' '.repeat(widthOf(heading));
        return before + view.style.paint(cell.tone, line);
      });
    }),
  );
};

const cellOf = (input: CellInput): Cell =>
  typeof input === 'string'
    ? { text: printable(input), tone: 'plain' }
    : { text: printable(input.text), tone: input.tone };
